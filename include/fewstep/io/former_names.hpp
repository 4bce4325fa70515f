// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string_view>

namespace fewstep::detail {

/// A setting, with the groups that it stands in, or a part, that had another name when a file was written. Such files
/// are read as what they mean.
struct former_name {
  std::string_view now, before;
};

inline constexpr std::array former_names{
    former_name{"ema_decay", "average_decay"}, former_name{"reduction", "over"},
    former_name{"rows_per_task", "together"}, former_name{"rectified_flow", "straight_line"},
    // Options that stood beside each other before there were groups of them.
    former_name{"batch.prompts", "prompts_per_update"}, former_name{"batch.samples_per_prompt", "samples_per_prompt"},
    former_name{"batch.shared_initial_noise", "shared_initial_noise"},
    former_name{"training.max_gradient_norm", "max_gradient_norm"},
    former_name{"training.schedule.warmup", "schedule.warmup"}, former_name{"training.schedule.hold", "schedule.hold"},
    former_name{"training.schedule.total", "schedule.total"}, former_name{"training.schedule.final", "schedule.final"},
    former_name{"training.ema_decay", "average_decay"}, former_name{"training.seed", "seed"},
    former_name{"weight", "loss.weight"}, former_name{"margin", "loss.margin"}};

/// The former name of what is called `now`; empty if it has always been that.
[[nodiscard]] constexpr std::string_view name_before(std::string_view now) {
  for (const former_name& each : former_names)
    if (each.now == now) return each.before;
  return {};
}

}  // namespace fewstep::detail
