// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/settings.hpp>

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace fewstep {

/// Piecewise linear factor of the learning rate over the updates of a run: up from 0 to 1 over `warmup` updates, 1
/// until `hold` (or the end of the warmup, if that is later), then linearly down to `final` at `total`; `final` from
/// there on. The default is constant. RLCM's published decay is .total = 3 x updates, .final = 0, which ends at 2/3.
struct rate_schedule {
  std::int64_t warmup = 0, hold = 0, total = 0;
  float final = 0;

  static constexpr std::string_view name = "rate_schedule";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("warmup", warmup, at_least(0));
    visit("hold", hold, at_least(0));
    visit("total", total, at_least(0));
    visit("final", final, at_least(0));
  }

  /// Factor of update `index` (from 0).
  [[nodiscard]] float operator()(std::int64_t index) const {
    if (index < warmup) return static_cast<float>(static_cast<double>(index + 1) / static_cast<double>(warmup));
    const std::int64_t begin = std::max(hold, warmup);
    if (total <= 0 || index < begin) return 1.0f;
    if (index >= total) return final;
    const double fraction = static_cast<double>(index - begin) / static_cast<double>(total - begin);
    return static_cast<float>(1.0 + (static_cast<double>(final) - 1.0) * fraction);
  }
};

}  // namespace fewstep
