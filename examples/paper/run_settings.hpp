// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include <filesystem>

namespace paper {

/// settings.json of a folder.
[[nodiscard]] inline std::filesystem::path settings_file(const std::filesystem::path& folder) {
  return folder / "settings.json";
}

/// The double that is written as the float is.
[[nodiscard]] double as_written(float value);

/// Throws if settings.json of the folder cannot be read or says anything else than `mine`.
void expect_same_settings(const std::filesystem::path& folder, const nlohmann::ordered_json& mine);

}  // namespace paper
