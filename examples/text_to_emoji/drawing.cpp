// SPDX-License-Identifier: Apache-2.0
#include "drawing.hpp"

#include "emoji_data.hpp"

#include <fewstep/image/picture_grid.hpp>
#include <fewstep/image/png.hpp>
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/sampler/time_grid.hpp>

namespace text_to_emoji {

using fewstep::index_t;

fewstep::step_table drawing_table(const fewstep::edm_consistency& p, const std::vector<float>& times) {
  if (times.size() != 1) return fewstep::consistency_sampler{.times = times}.table(p, static_cast<int>(times.size()));
  // One call is no policy, only a picture.
  const float time = times.front();
  const auto [in, skip, out] = p(time);
  return {{{time, p.min_time(), skip, out, 0.0f, in, skip, out}}, 0, fewstep::emitted::clean, initial_sigma(p, time)};
}

std::vector<float> times_for(int calls) {
  switch (calls) {
    case 1:
      return {40};
    case 2:
      return {40, 1.5f};
    case 4:
      return {40, 6, 2, 0.6f};
    case 8:
      return {40, 20, 10, 6, 3.5f, 2, 1, 0.5f};
    default:
      return fewstep::default_times(emoji_preconditioning, calls);
  }
}

void save_picture_grid(const std::filesystem::path& path, std::span<const float> pictures, int columns, int scale) {
  const index_t size = emoji_data::picture_size;
  const fewstep::matrix<const float> rows{pictures.data(), {static_cast<index_t>(pictures.size()) / size, size}};
  fewstep::save_png(path, fewstep::picture_grid(rows, emoji_data::side, emoji_data::side, columns,
                                                {.padding = 2 * scale, .scale = scale}));
}

}  // namespace text_to_emoji
