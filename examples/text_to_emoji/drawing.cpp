// SPDX-License-Identifier: Apache-2.0
#include "drawing.hpp"

#include "emoji_data.hpp"

#include <fewstep/core/error.hpp>
#include <fewstep/image/jpeg.hpp>
#include <fewstep/image/picture_grid.hpp>
#include <fewstep/image/png.hpp>
#include <fewstep/io/atomic_file.hpp>
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/sampler/time_grid.hpp>

#include <cctype>
#include <string>

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

namespace {

enum class picture_kind { png, jpeg, unknown };

picture_kind kind_of(const std::filesystem::path& path) {
  std::string ending = path.extension().string();
  for (char& c : ending) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (ending == ".png") return picture_kind::png;
  return ending == ".jpg" || ending == ".jpeg" ? picture_kind::jpeg : picture_kind::unknown;
}

}  // namespace

void expect_picture_name(const char* option, const std::filesystem::path& path) {
  fewstep::expects(kind_of(path) != picture_kind::unknown, [&] {
    return fewstep::message(option, " is ", path.string(),
                            ", but pictures are written as PNG or JPEG; let the name end in .png or .jpg");
  });
}

void save_picture_grid(const std::filesystem::path& path, std::span<const float> pictures, int columns, int scale) {
  const index_t size = emoji_data::picture_size;
  const fewstep::matrix<const float> rows{pictures.data(), {static_cast<index_t>(pictures.size()) / size, size}};
  const fewstep::rgb_image grid =
      fewstep::picture_grid(rows, emoji_data::side, emoji_data::side, columns, {.padding = 2 * scale, .scale = scale});
  if (kind_of(path) == picture_kind::png) {
    fewstep::save_png(path, grid);
    return;
  }
  fewstep::jpeg_encoder encoder;
  fewstep::write_atomically(path, std::as_bytes(encoder.encode(grid)));
}

}  // namespace text_to_emoji
