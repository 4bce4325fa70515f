// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>
#include <fewstep/objective/objective.hpp>

#include <string_view>

namespace fewstep {

/// Score-function gradient A grad log pi: Williams 1992, equation (4); DDPO-SF (Black et al. 2023, arXiv:2305.13301,
/// section 4.2). It does not correct for how far the policy has moved since the rollout: one optimizer step per
/// rollout.
///
/// There the ratio is exactly 1 and the slope A has the bits of clipped_surrogate's, so both make the same update. The
/// value is A log_ratio, which is 0 then.
struct reinforce {
  static constexpr std::string_view name = "reinforce";
  template <class Visitor>
  void settings(Visitor&) const {}

  [[nodiscard]] FEWSTEP_HD constexpr surrogate operator()(const transition& t) const {
    return {t.advantage * t.log_ratio, t.advantage};
  }
};

static_assert(objective<reinforce>);

}  // namespace fewstep
