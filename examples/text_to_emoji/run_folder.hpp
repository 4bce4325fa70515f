// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <initializer_list>

namespace text_to_emoji {

/// Throws if the folder holds the checkpoint of a run but not its last result, unless that is meant.
void refuse_unfinished_run(const std::filesystem::path& folder, const char* last_result, bool is_meant);

/// Removes what an earlier run left: its checkpoint, its TensorBoard events and the results named.
void begin_run(const std::filesystem::path& folder, std::initializer_list<const char*> results);

}  // namespace text_to_emoji
