// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/advantage/step_advantage.hpp>
#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/mdp/trajectory.hpp>
#include <fewstep/reward/step_reward.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace fewstep {

/// What the steps of a rollout earned: from a step reward, which sees the stored states once all steps were taken (a
/// rollout may be recorded work, and is not interrupted), or from a reward of samples, which is earned by the last
/// step.
template <class Backend, class Context, class Reward>
class step_earnings {
 public:
  static constexpr bool is_by_step = step_reward<Reward, Context>;

  step_earnings(Backend& backend, const trajectory<Backend, Context>& path)
      : states_(backend, is_by_step ? 2 * path.samples() * path.dimension() : 0),
        read_(backend, {is_by_step && path.packs() ? 2 * path.samples() : 0, path.dimension()}) {}

  /// Bytes of the arrays where operations write.
  [[nodiscard]] static saturated_size bytes(index_t samples, index_t dimension, state_storage as) {
    const bool reads = is_by_step && as != state_storage::float32;
    return saturated_size(reads ? 2 : 0) * samples * dimension * sizeof(float);
  }

  /// Rates all steps; out[B] is the sum over them. `samples` are the finished ones, on the host.
  void rate(Backend& backend, Reward& reward, const trajectory<Backend, Context>& path, matrix<const float> samples,
            std::span<float> out) requires is_by_step {
    const int steps = path.table().horizon();
    const index_t n = path.samples();
    rewards_.resize(static_cast<std::size_t>(steps) * out.size());
    std::fill(out.begin(), out.end(), 0.0f);
    for (int k = 0; k < steps; ++k) {
      const std::span<float> earned = std::span(rewards_).subspan(static_cast<std::size_t>(k) * out.size(), out.size());
      const bool is_last = k + 1 == steps;
      const matrix<const float> here = path.storage().read(backend, k * n, is_last ? n : 2 * n, read_.view());
      const matrix<const float> x{states_.fetch(backend, here.data, 0, here.size()), here.extents};
      reward(rated_step{k, steps, x.subview(0, n), is_last ? samples : x.subview(n, n)}, path.contexts(), earned);
      for (std::size_t i = 0; i < out.size(); ++i) out[i] += earned[i];
    }
  }

  /// Writes what an advantage of steps makes of them to out[H B], 0 for samples that are left out; rewards[B] are those
  /// of the samples.
  template <class StepAdvantage>
  void weigh(Backend& backend, StepAdvantage& advantage, const trajectory<Backend, Context>& path,
             std::span<const float> rewards, std::span<float> out) {
    const earned_steps<Context> steps = of(path, rewards);
    advantage.weigh(backend, steps, matrix<float>{out.data(), steps.rewards.extents});
    for (std::size_t i = 0; i < out.size(); ++i)
      if (weights_[i] == 0) out[i] = 0;
  }
  /// The advantage learns from them, once the policy has.
  template <class StepAdvantage>
  void teach(Backend& backend, StepAdvantage& advantage, const trajectory<Backend, Context>& path,
             std::span<const float> rewards) {
    advantage.learn(backend, of(path, rewards));
  }

 private:
  /// Valid until the next call.
  [[nodiscard]] earned_steps<Context> of(const trajectory<Backend, Context>& path, std::span<const float> rewards) {
    const index_t samples = path.samples(), rows = path.table().horizon() * samples;
    weights_.resize(static_cast<std::size_t>(rows));
    if constexpr (!is_by_step) {
      rewards_.assign(weights_.size(), 0.0f);
      std::copy(rewards.begin(), rewards.end(), rewards_.end() - static_cast<std::ptrdiff_t>(samples));
    }
    for (index_t i = 0; i < rows; ++i) {
      const bool out = path.is_left_out(i % samples);
      weights_[static_cast<std::size_t>(i)] = out ? 0.0f : 1.0f;
      if (out) rewards_[static_cast<std::size_t>(i)] = 0;
    }
    return {path.rows(0, rows), {rewards_.data(), {rows / samples, samples}}, weights_};
  }

  fetched<float, Backend> states_;        // of a step and the next
  tensor<float, 2, Backend> read_;        // the same, of states that are stored in 16 bits
  std::vector<float> rewards_, weights_;  // [H B], made when they are first asked for
};

}  // namespace fewstep
