// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

namespace fewstep {

/// The exponential moving average (EMA) of the parameters, by one rule for every training. Where decay is above 0, it
/// begins as a copy of the parameters, and each optimizer step of update n (from 0) moves it by
///   EMA = d EMA + (1 - d) parameters,   d = decay, or min(decay, (n + 1) / (n + 10)) with a warm-up.
///
/// A training from random parameters warms up (consistency_training, preference_training, contrastive_training): they
/// would otherwise stay in the EMA for some 1 / (1 - decay) updates; the ramp is TensorFlow's
/// (tf.train.ExponentialMovingAverage with num_updates). Fine-tuning does not (policy_gradient,
/// direct_reward_gradient): it begins with parameters that are worth averaging.
struct ema_rule {
  float decay = 0;  ///< 0: no EMA is kept
  bool warmup = false;

  [[nodiscard]] bool is_kept() const { return decay > 0; }
  /// d of update `index` (from 0).
  [[nodiscard]] float operator()(std::int64_t index) const {
    return warmup ? std::min(decay, static_cast<float>(index + 1) / static_cast<float>(index + 10)) : decay;
  }
};

}  // namespace fewstep
