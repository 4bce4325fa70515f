// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/generator/preconditioning.hpp>
#include <fewstep/sampler/step_table.hpp>

#include <filesystem>
#include <span>
#include <vector>

namespace text_to_emoji {

/// Of the models that `pretrain` makes.
inline constexpr fewstep::edm_consistency emoji_preconditioning{
    .sigma_data = 0.5f, .sigma_min = 0.01f, .sigma_max = 40.0f};

/// Noise levels of `calls` network calls: for 1, 2, 4 and 8 calls chosen by the pictures they give, else Karras' grid.
[[nodiscard]] std::vector<float> times_for(int calls);

/// How a picture is drawn with network calls at these noise levels.
[[nodiscard]] fewstep::step_table drawing_table(const fewstep::edm_consistency& p, const std::vector<float>& times);

/// Throws std::invalid_argument if the name of a file of pictures does not end in .png, .jpg or .jpeg.
void expect_picture_name(const char* option, const std::filesystem::path& path);

/// Pictures side by side as a file of the kind that its name says.
void save_picture_grid(const std::filesystem::path& path, std::span<const float> pictures, int columns, int scale);

}  // namespace text_to_emoji
