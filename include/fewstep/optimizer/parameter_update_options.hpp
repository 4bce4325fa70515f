// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/optimizer/ema.hpp>
#include <fewstep/optimizer/schedule.hpp>

#include <string_view>

namespace fewstep {

/// How a parameter_update moves the parameters, and what it is called in messages and checkpoints.
struct parameter_update_options {
  std::string_view who;             ///< trains: the name that messages begin with; must outlive the update
  std::string_view unit = "step";   ///< what is counted, for messages
  std::string_view count = "step";  ///< the count's name in a checkpoint
  float max_gradient_norm = 0;      ///< 0: no clipping
  ema_rule ema{};
  linear_schedule schedule{};  ///< beside that of the optimizer (scheduled), if it has one
};

/// That of a training from random parameters, whose options have these names: its EMA warms up.
template <class Options>
[[nodiscard]] parameter_update_options training_update(const Options& o) {
  return {.who = Options::name,
          .max_gradient_norm = o.max_gradient_norm,
          .ema = {.decay = o.ema_decay, .warmup = true},
          .schedule = o.schedule};
}

}  // namespace fewstep
