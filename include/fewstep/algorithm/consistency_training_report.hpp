// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/figure.hpp>

#include <array>
#include <cstdint>

namespace fewstep {

/// What one step of consistency_training did.
struct consistency_training_report {
  std::int64_t step = 0;
  int stage = 0;
  double loss = 0, gradient_norm = 0;

  [[nodiscard]] static constexpr auto figures() {
    using report = consistency_training_report;
    return std::array{figure_of<&report::stage>("stage"), figure_of<&report::loss>("loss"),
                      figure_of<&report::gradient_norm>("gradient_norm")};
  }
};

}  // namespace fewstep
