// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/generator/vocabulary.hpp>

#include <span>
#include <string>

namespace text_to_emoji {

/// Prints a warning that counts and names the words of the prompts that a model with this vocabulary cannot be given.
void warn_of_left_out(const fewstep::vocabulary& words, std::span<const std::string> prompts);

}  // namespace text_to_emoji
