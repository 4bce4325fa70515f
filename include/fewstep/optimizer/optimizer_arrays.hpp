// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/parameter_kind.hpp>
#include <fewstep/core/view.hpp>

namespace fewstep {

/// The flat arrays of one optimizer step, all of one length. `ema` (may be empty) is the exponential moving average of
/// the parameters; it is updated in the same pass.
struct optimizer_arrays {
  vec<float> parameters;
  vec<const float> gradients;
  vec<float> ema{};
  float ema_decay = 0;                ///< EMA = decay EMA + (1 - decay) parameters
  vec<const parameter_kind> kinds{};  ///< for an optimizer that reads_kinds(); empty: all are weights
};

/// Factors of one step: `rate` multiplies the learning rate (schedules), `gradient` multiplies every gradient
/// (clipping).
struct step_scale {
  float rate = 1;
  float gradient = 1;
};

}  // namespace fewstep
