// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "artist.hpp"
#include "small_data.hpp"
#include "text_to_emoji/name_index.hpp"

#include <fewstep/backend/cpu/backend.hpp>

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace paper {

/// What is said of a model's pictures, means over prompts.
struct figures {
  double bytes = 0;      ///< JPEG bytes above those of a blank picture
  double retrieval = 0;  ///< share of pictures whose prompt's name is among the five nearest
  double diversity = 0;  ///< root mean square difference of two pictures of a prompt
};

/// Pictures that stand one after the other, as [count, D].
[[nodiscard]] fewstep::matrix<const float> as_rows(std::span<const float> pictures, std::size_t count);

/// Share of the pictures [names * samples, D] whose name is among the five nearest.
[[nodiscard]] double retrieval(fewstep::cpu_backend& host, fewstep::matrix<const float> pictures,
                               std::span<const std::int32_t> names, int samples,
                               const text_to_emoji::name_index& index);

/// At most `count` of the names, evenly spread.
[[nodiscard]] std::vector<std::int32_t> some_of(std::span<const std::int32_t> names, int count);

/// Names to be drawn and rated, and how many pictures of each.
struct examination {
  std::vector<std::int32_t> names;
  int samples = 4;
  std::uint64_t seed = 20240403;  ///< of the noise, which is that of every examination with these names

  [[nodiscard]] std::size_t count() const { return names.size() * static_cast<std::size_t>(samples); }
  /// Pictures [names * samples, D].
  [[nodiscard]] std::vector<float> draw(artist& a, const emoji_data& data) const;
  [[nodiscard]] figures rate(fewstep::cpu_backend& host, fewstep::matrix<const float> pictures,
                             const text_to_emoji::name_index& index) const;
};

/// Pictures side by side as a PNG file.
void save_grid(const std::filesystem::path& path, fewstep::matrix<const float> pictures, int columns, int scale);

}  // namespace paper
