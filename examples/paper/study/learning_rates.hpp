// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string_view>

namespace paper {

struct learning_rate_of {
  std::string_view method;
  double rate;
};

/// What the study trains with, by a search whose table is examples/paper/search.csv:
///
///     paper search --output search -- --kl 0.2
///
/// Published: 1e-4 for RLCM (Oertell et al. 2024, Table 1), 1e-5 for DDPO on all parameters and 3e-4 on adapters (Black
/// et al. 2024 and its code).
inline constexpr std::array<learning_rate_of, 2> learning_rates{{{"rlcm", 3e-4}, {"ddpo", 3e-4}}};

/// Methods that were not searched for take the rate of the one they share the model with: RLCM.
[[nodiscard]] constexpr double learning_rate(std::string_view method) {
  for (const auto& [name, rate] : learning_rates)
    if (name == method) return rate;
  return learning_rates.front().rate;
}

}  // namespace paper
