// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/random.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/generator/preconditioning.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace fewstep {

/// Pairs of times of a consistency loss: Geng et al. 2024 (arXiv:2406.14548). ln t ~ N(log_mean,
/// log_deviation^2), kept within the model's times, and r = max(0, t (1 - q^-stage (1 + k sigmoid(-b t)))); in stage 0
/// r = 0.
struct consistency_times {
  float log_mean = -1.1f, log_deviation = 2.0f;
  float q = 2, k = 8, b = 1;
  int stage = 3;

  static constexpr std::string_view name = "consistency_times";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("log_mean", log_mean);
    visit("log_deviation", log_deviation, at_least(0));
    visit("q", q, above(1));
    visit("k", k, at_least(0));
    visit("b", b);
    visit("stage", stage, at_least(0));
  }

  /// Times t of samples first, first + 1, ..., and the earlier ones r. Where r is below the model's times the target is
  /// the clean sample; such rows are marked by r = t.
  template <preconditioning P>
  void draw(const P& p, random_stream source, std::uint64_t first, std::span<float> times,
            std::span<float> earlier) const {
    const double shrink = std::pow(static_cast<double>(q), -stage);
    for (std::size_t i = 0; i < times.size(); ++i) {
      const double t = std::clamp(std::exp(static_cast<double>(log_mean + log_deviation * source.normal(first + i))),
                                  static_cast<double>(p.min_time()) * 1.001, static_cast<double>(p.max_time()));
      const double slope = 1.0 + static_cast<double>(k) / (1.0 + std::exp(static_cast<double>(b) * t));
      times[i] = static_cast<float>(t);
      const double r = stage == 0 ? 0.0 : t * (1.0 - shrink * slope);
      earlier[i] = r > static_cast<double>(p.min_time()) ? static_cast<float>(r) : times[i];
    }
  }
};

}  // namespace fewstep
