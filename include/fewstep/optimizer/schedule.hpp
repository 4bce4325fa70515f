// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/settings.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <numbers>
#include <string_view>

namespace fewstep {

/// The factor of the learning rate in update `index` (from 0) of a run: any callable of that number. The options of a
/// training hold a linear_schedule; another one goes to the optimizer: scheduled{adam{}, cosine_schedule{...}}. It may
/// have settings(), as every part.
///
/// Smallest model:
///   struct inverse_root {
///     float operator()(std::int64_t index) const { return 1 / std::sqrt(1 + static_cast<float>(index)); }
///   };
/// The compiler cannot check: the factor depends on the index only (a resumed run goes on with it), and is not below 0.
template <class S>
concept schedule = requires(const S& s, std::int64_t index) {
  { s(index) } -> std::convertible_to<float>;
};

namespace detail {

/// Rises from 0 to 1 over the first `warmup` updates.
[[nodiscard]] inline constexpr float warmup_factor(std::int64_t index, std::int64_t warmup) {
  return static_cast<float>(static_cast<double>(index + 1) / static_cast<double>(warmup));
}

}  // namespace detail

/// Piecewise linear: up from 0 to 1 over `warmup` updates, 1 until `hold` (or the end of the warmup, if that is later),
/// then linearly down to `final` at `total`; `final` from there on. The default is constant. RLCM's published decay is
/// .total = 3 x updates, .final = 0, which ends at 2/3.
struct linear_schedule {
  std::int64_t warmup = 0, hold = 0, total = 0;
  float final = 0;

  static constexpr std::string_view name = "linear_schedule";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("warmup", warmup, at_least(0));
    visit("hold", hold, at_least(0));
    visit("total", total, at_least(0));
    visit("final", final, at_least(0));
  }

  [[nodiscard]] constexpr float operator()(std::int64_t index) const {
    if (index < warmup) return detail::warmup_factor(index, warmup);
    const std::int64_t begin = std::max(hold, warmup);
    if (total <= 0 || index < begin) return 1.0f;
    if (index >= total) return final;
    const double fraction = static_cast<double>(index - begin) / static_cast<double>(total - begin);
    return static_cast<float>(1.0 + (static_cast<double>(final) - 1.0) * fraction);
  }
};

/// Cosine with warm restarts: Loshchilov and Hutter 2016 (arXiv:1608.03983), equation 5. Up from 0 to 1 over `warmup`
/// updates; then from 1 to `final` along half a cosine of `period` updates, and again after each of `restarts`, each
/// time `growth` times as long; `final` from there on.
struct cosine_schedule {
  std::int64_t period = 1000, warmup = 0, restarts = 0, growth = 1;
  float final = 0;

  static constexpr std::string_view name = "cosine_schedule";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("period", period, at_least(1));
    visit("warmup", warmup, at_least(0));
    visit("restarts", restarts, at_least(0));
    visit("growth", growth, at_least(1));
    visit("final", final, at_least(0));
  }

  [[nodiscard]] float operator()(std::int64_t index) const {
    if (index < warmup) return detail::warmup_factor(index, warmup);
    std::int64_t at = index - warmup, length = period;
    if (growth == 1) {
      at -= std::min(at / period, restarts) * period;
    } else {
      constexpr std::int64_t longest = std::numeric_limits<std::int64_t>::max();
      for (std::int64_t done = 0; done < restarts && at >= length; ++done) {
        at -= length;
        length = length > longest / growth ? longest : length * growth;
      }
    }
    if (at >= length) return final;
    const double turn = std::numbers::pi * static_cast<double>(at) / static_cast<double>(length);
    const auto low = static_cast<double>(final);
    return static_cast<float>(low + (1.0 - low) * (1.0 + std::cos(turn)) / 2.0);
  }
};

/// An optimizer at the rate of a schedule of its own, beside that of the training's options, which is constant by
/// default: the two factors are multiplied.
///
///     scheduled{adam{.learning_rate = 1e-4f}, cosine_schedule{.period = 500, .restarts = 3}}
template <class Optimizer, schedule Schedule>
struct scheduled : Optimizer {
  Schedule schedule;

  using optimizer_type = Optimizer;
  template <class Visitor>
  void settings(Visitor& visit) const {
    if constexpr (has_settings<Optimizer>) Optimizer::settings(visit);
    visit.part("schedule", schedule);
  }
};
template <class Optimizer, class Schedule>
scheduled(Optimizer, Schedule) -> scheduled<Optimizer, Schedule>;

}  // namespace fewstep
