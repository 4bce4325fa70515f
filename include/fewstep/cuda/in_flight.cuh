// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/core/config.hpp>

#include <utility>

namespace fewstep::detail {

template <class Use, int... K, class... Values>
FEWSTEP_HD void use_each(const Use& use, std::integer_sequence<int, K...>, const Values&... values) {
  (use(K, values), ...);
}

/// use(k, load(k)) for k = 0 ... Count - 1 in order, after all Count loads: on a GPU they are under way together.
///
/// What was loaded is in variables and not in an array: g++ 12 at -O2 for AVX-512 takes an array of packets in a
/// function that calls nothing for aligned when it is not (docs/performance.md).
template <int Count, class Load, class Use>
FEWSTEP_HD void with_loads_in_flight(const Load& load, const Use& use) {
  [&]<int... K>(std::integer_sequence<int, K...> each) { use_each(use, each, load(K)...); }
  (std::make_integer_sequence<int, Count>{});
}

}  // namespace fewstep::detail
