// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/preference/pareto_label.hpp>
#include <fewstep/reward/reward.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace fewstep {

/// Several rewards of which none is weighed against another: where samples are compared (trajectory_pairs and what is
/// made of it), one wins that is lower in none and higher in one. It is a reward too, their sum, which reports show.
///
///   pso(backend, model, pareto_rewards(quality, likeness), parts)
template <class... Rewards>
class pareto_rewards {
 public:
  explicit pareto_rewards(Rewards... rewards) : rewards_(std::move(rewards)...) {}

  static constexpr std::string_view name = "pareto_rewards";
  template <class Visitor>
  void settings(Visitor& visit) const {
    std::apply(
        [&](const auto&... each) {
          std::size_t k = 0;
          ((visit.part(message("reward_", k), each), ++k), ...);
        },
        rewards_);
  }

  template <class Context>
  requires(reward<Rewards, Context>&&...) void operator()(matrix<const float> samples,
                                                          std::span<const Context> contexts, std::span<float> out) {
    const std::size_t n = out.size();
    of_one_.resize(n);
    values_.resize(n * sizeof...(Rewards));
    std::fill(out.begin(), out.end(), 0.0f);
    std::size_t k = 0;
    const auto rate = [&](auto& each) {
      each(samples, contexts, std::span(of_one_));
      for (std::size_t i = 0; i < n; ++i) out[i] += values_[i * sizeof...(Rewards) + k] = of_one_[i];
      ++k;
    };
    std::apply([&](auto&... each) { (rate(each), ...); }, rewards_);
  }

  /// The label of two samples of the last batch.
  [[nodiscard]] float label(index_t first, index_t second, float tie = 0) const {
    return pareto_label(of(first), of(second), tie);
  }

 private:
  [[nodiscard]] std::span<const float> of(index_t sample) const {
    constexpr std::size_t count = sizeof...(Rewards);
    return std::span(values_).subspan(static_cast<std::size_t>(sample) * count, count);
  }

  std::tuple<Rewards...> rewards_;
  std::vector<float> values_;  // [samples, rewards]
  std::vector<float> of_one_;
};

}  // namespace fewstep
