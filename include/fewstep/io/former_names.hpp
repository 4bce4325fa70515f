// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string_view>

namespace fewstep::detail {

/// A setting, or a part, that had another name when a file was written. Such files are read as what they mean.
struct former_name {
  std::string_view now, before;
};

inline constexpr std::array former_names{former_name{"ema_decay", "average_decay"}, former_name{"reduction", "over"},
                                         former_name{"rows_per_task", "together"},
                                         former_name{"rectified_flow", "straight_line"}};

/// The former name of what is called `now`; empty if it has always been that.
[[nodiscard]] constexpr std::string_view name_before(std::string_view now) {
  for (const former_name& each : former_names)
    if (each.now == now) return each.before;
  return {};
}

}  // namespace fewstep::detail
