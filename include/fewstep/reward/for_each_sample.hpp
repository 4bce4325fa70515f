// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/parallel_for.hpp>
#include <fewstep/core/view.hpp>

#include <algorithm>

namespace fewstep::detail {

/// Calls visit(i) once for every i in [0, count), on up to `threads` threads (0: OpenMP's default, 1: in place and in
/// order). If visits throw, the exception of the smallest such i is rethrown, whatever the number of threads. More
/// threads than the system gives are refused in the name of `who`.
template <class Visit>
void for_each_sample(const char* who, index_t count, int threads, const Visit& visit) {
  const index_t wanted = threads > 0 ? threads : default_threads();
  const auto team = static_cast<int>(std::min(wanted, count));
  expect_threads(who, team);
  parallel_for(count, team, [&](int, index_t i) { visit(i); });
}

}  // namespace fewstep::detail
