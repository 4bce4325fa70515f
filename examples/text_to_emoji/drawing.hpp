// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "emoji_generator.hpp"

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace text_to_emoji {

/// Noise levels of `calls` network calls: for 1, 2, 4 and 8 calls chosen by the pictures they give, else Karras' grid.
[[nodiscard]] std::vector<float> times_for(int calls);

/// Pictures [contexts, 32 * 32 * 3] in [-1, 1], one for each context, by multistep consistency sampling with network
/// calls at these noise levels, which ends on the clean prediction. The noise of picture i is a function of (seed,
/// first + i) only.
[[nodiscard]] std::vector<float> draw_pictures(fewstep::cpu_backend& backend, emoji_generator& model,
                                               std::span<const fewstep::token_list> contexts,
                                               const std::vector<float>& times, std::uint64_t seed,
                                               std::uint64_t first = 0);

/// Pictures side by side as a PNG file.
void save_picture_grid(const std::filesystem::path& path, std::span<const float> pictures, int columns, int scale);

}  // namespace text_to_emoji
