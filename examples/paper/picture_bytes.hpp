// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/image/jpeg_reward.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace paper {

/// The JPEG bytes of a square picture above those of a blank one, or minus them: incompressibility and compressibility
/// of Black et al. 2023 (arXiv:2305.13301) up to unit and offset, which standardised advantages do not see.
///
/// JPEG has no useful gradient. In its place value_and_gradient writes that of a smooth stand-in, `bytes_per_variation`
/// times the total variation, sum sqrt(dx^2 + dy^2 + softness^2) over pixels and channels.
struct picture_bytes {
  bool small_is_good = true;
  int threads = 1;
  float bytes_per_variation = 1;
  float softness = 0.05f;

  [[nodiscard]] static picture_bytes of(const std::string& name, int threads) {
    fewstep::expects(name == "compressibility" || name == "incompressibility", [&] {
      return fewstep::message("there is no reward '", name,
                              "'; use compressibility, incompressibility, preference or alignment");
    });
    return {.small_is_good = name == "compressibility", .threads = threads};
  }

  template <class Context>
  void operator()(fewstep::matrix<const float> samples, std::span<const Context>, std::span<float> out) const {
    const auto pixels = static_cast<double>(samples.cols() / 3);
    const auto side = static_cast<fewstep::index_t>(std::lround(std::sqrt(pixels)));
    std::vector<fewstep::index_t> bytes(out.size());
    fewstep::jpeg_byte_counts(samples, bytes, {.threads = threads});
    const fewstep::index_t floor = fewstep::jpeg_floor(side, side);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = sign() * static_cast<float>(bytes[i] - floor);
  }

  template <class Context>
  void value_and_gradient(fewstep::matrix<const float> samples, std::span<const Context> contexts, std::span<float> out,
                          fewstep::matrix<float> gradient) const {
    (*this)(samples, contexts, out);
    const auto side = static_cast<fewstep::index_t>(std::lround(std::sqrt(static_cast<double>(samples.cols() / 3))));
    for (fewstep::index_t i = 0; i < samples.rows(); ++i) add_variation(samples.row(i), gradient.row(i), side);
  }

 private:
  [[nodiscard]] float sign() const { return small_is_good ? -1.0f : 1.0f; }

  void add_variation(const float* x, float* g, fewstep::index_t side) const {
    using fewstep::index_t;
    for (index_t i = 0; i < 3 * side * side; ++i) g[i] = 0;
    for (index_t y = 0; y < side; ++y)
      for (index_t i = 3 * side * y; i < 3 * side * (y + 1); ++i) {
        const index_t right = i + 3, below = i + 3 * side;
        const bool has_right = right < 3 * side * (y + 1), has_below = y + 1 < side;
        const float dx = has_right ? x[right] - x[i] : 0, dy = has_below ? x[below] - x[i] : 0;
        const float slope = sign() * bytes_per_variation / std::sqrt(dx * dx + dy * dy + softness * softness);
        g[i] -= slope * (dx + dy);
        if (has_right) g[right] += slope * dx;
        if (has_below) g[below] += slope * dy;
      }
  }
};

}  // namespace paper
