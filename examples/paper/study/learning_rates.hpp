// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string_view>

namespace paper {

struct learning_rate_of {
  std::string_view method;
  double rate;
};

/// What the study trains with. The published rates: 1e-4 of RLCM (Oertell et al. 2024, Table 1), 1e-5 of DDPO on all
/// parameters and 3e-4 on adapters (Black et al. 2024 and its code). A search replaces them:
///
///     paper search --output search
inline constexpr std::array<learning_rate_of, 2> learning_rates{{{"rlcm", 1e-4}, {"ddpo", 1e-4}}};

/// Methods that were not searched for take the rate of the one they share the model with: RLCM.
[[nodiscard]] constexpr double learning_rate(std::string_view method) {
  for (const auto& [name, rate] : learning_rates)
    if (name == method) return rate;
  return learning_rates.front().rate;
}

}  // namespace paper
