// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>

namespace fewstep::detail {

/// term(0) + ... + term(n - 1) in sixteen sums of Real, which a compiler turns into packets and which are added in
/// double; what is left over of n is added in double one by one. The order is fixed.
template <class Real, class Term>
[[nodiscard]] double lane_sum(index_t n, const Term& term) {
  constexpr index_t lanes = 16;
  const index_t whole = n / lanes * lanes;
  Real partial[lanes] = {};
  for (index_t first = 0; first < whole; first += lanes)
    for (index_t lane = 0; lane < lanes; ++lane) partial[lane] += term(first + lane);
  double total = 0;
  for (const Real sum : partial) total += static_cast<double>(sum);
  for (index_t i = whole; i < n; ++i) total += static_cast<double>(term(i));
  return total;
}

}  // namespace fewstep::detail
