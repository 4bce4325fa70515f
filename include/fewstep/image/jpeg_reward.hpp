// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/image/jpeg.hpp>
#include <fewstep/image/rgb.hpp>
#include <fewstep/reward/check.hpp>
#include <fewstep/reward/for_each_sample.hpp>
#include <fewstep/reward/reward.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace fewstep {

struct jpeg_settings {
  int quality = published_jpeg_quality;
  index_t height = 0;  ///< of a sample's picture; 0: from the width, or a square
  index_t width = 0;
  int threads = 0;  ///< 0: OpenMP's default; the result does not depend on it

  static constexpr std::string_view name = "jpeg";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("quality", quality, between(1, 100));
    visit("height", height, at_least(0));
    visit("width", width, at_least(0));
    visit.not_compared("threads", threads, at_least(0));
  }
};

namespace detail {

/// What one thread needs; kept between batches, so that a picture costs no set-up.
struct jpeg_workplace {
  jpeg_encoder encoder;
  std::vector<std::uint8_t> pixels;

  static jpeg_workplace& of_this_thread() {
    thread_local jpeg_workplace mine;
    return mine;
  }
};

/// Calls visit(i, bytes) with the JPEG size of each sample [H*W*3] in [-1, 1].
template <class Visit>
void for_each_jpeg_size(matrix<const float> samples, const jpeg_settings& settings, const Visit& visit) {
  check_settings(settings);
  if (samples.rows() == 0) return;
  const picture_size size = picture_size_of(samples.cols(), settings.height, settings.width);
  for_each_sample("jpeg_settings", samples.rows(), settings.threads, [&](index_t i) {
    jpeg_workplace& place = jpeg_workplace::of_this_thread();
    const auto values = static_cast<std::size_t>(samples.cols());
    place.pixels.resize(values);
    to_8_bit(std::span<const float>(samples.row(i), values), place.pixels, i);
    visit(i, place.encoder.encode(place.pixels, size.height, size.width, settings.quality).size());
  });
}

}  // namespace detail

/// The JPEG size in bytes of each sample [B, H*W*3] in [-1, 1].
inline void jpeg_byte_counts(matrix<const float> samples, std::span<index_t> bytes,
                             const jpeg_settings& settings = {}) {
  expects(static_cast<index_t>(bytes.size()) == samples.rows(), [&] {
    return message("jpeg_byte_counts: ", samples.rows(), " samples but room for ", bytes.size(), " counts");
  });
  detail::for_each_jpeg_size(samples, settings, [&](index_t i, std::size_t count) {
    bytes[static_cast<std::size_t>(i)] = static_cast<index_t>(count);
  });
}

/// Bytes of a white picture of that size: the header and little else. For a small picture it is most of the file, so
/// sizes are best reported above this floor, beside the plain figure.
[[nodiscard]] inline index_t jpeg_floor(index_t height, index_t width, int quality = published_jpeg_quality) {
  expects(height > 0 && width > 0 && height <= JPEG_MAX_DIMENSION && width <= JPEG_MAX_DIMENSION, [&] {
    return message("jpeg_floor: ", height, " x ", width, " is no JPEG picture; use 1 to ", JPEG_MAX_DIMENSION);
  });
  const std::vector<std::uint8_t> white(static_cast<std::size_t>(height * width * 3), std::uint8_t{255});
  jpeg_encoder encoder;
  return static_cast<index_t>(encoder.encode(white, height, width, quality).size());
}

/// reward = Sign * JPEG bytes / 1000 of a sample [H*W*3] in [-1, 1] (a kilobyte is 1000 bytes).
/// The context plays no part. Throws std::runtime_error naming the sample that is not finite.
///
/// Source: the compressibility tasks of Black et al. 2023, "Training Diffusion Models with Reinforcement Learning",
/// and Oertell et al. 2024, "RL for Consistency Models": quality 95, 4:2:0, standard Huffman tables.
template <int Sign>
struct jpeg_size_reward {
  static_assert(Sign == 1 || Sign == -1, "jpeg_size_reward: the sign is 1 or -1");

  int quality = published_jpeg_quality;
  index_t height = 0;  ///< of a sample's picture; 0: from the width, or a square
  index_t width = 0;
  int threads = 0;  ///< 0: OpenMP's default; the result does not depend on it

  static constexpr std::string_view name = Sign > 0 ? "jpeg_incompressibility" : "jpeg_compressibility";
  template <class Visitor>
  void settings(Visitor& visit) const {
    jpeg_settings{quality, height, width, threads}.settings(visit);
  }

  template <class Context>
  void operator()(matrix<const float> samples, std::span<const Context> contexts, std::span<float> out) const {
    detail::expect_reward_batch(samples, contexts.size(), out.size());
    detail::for_each_jpeg_size(samples, {quality, height, width, threads}, [&](index_t i, std::size_t bytes) {
      out[static_cast<std::size_t>(i)] = static_cast<float>(Sign) * static_cast<float>(bytes) / 1000.0f;
    });
  }
};

/// Small files are good: minus the JPEG size in kB.
using jpeg_compressibility = jpeg_size_reward<-1>;

/// Large files are good: the JPEG size in kB.
using jpeg_incompressibility = jpeg_size_reward<1>;

static_assert(reward<const jpeg_compressibility, int>);
static_assert(reward<const jpeg_incompressibility, int>);

}  // namespace fewstep
