// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/backend.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/view.hpp>

#include <algorithm>

namespace fewstep {

/// work(first, last) for neighbouring rows [first, last), which together are [0, rows), on the threads of a backend
/// whose arrays the host may touch. What is the same for all rows is then found once for many of them, and a loop that
/// does one thing for all has its numbers in registers. A range of several rows, of `row_size` floats each in all
/// arrays, stays in a core's first cache, so that work may go over them again. Rows must not know each other: how many
/// stand together follows the number of threads.
template <class Backend, class Work>
requires on_host<Backend>
void for_row_ranges(Backend& backend, index_t rows, index_t row_size, const Work& work) {
  constexpr index_t cached = 4096, of_thread = 4;  // floats; ranges, for whoever is done early to help the others out
  index_t together = 1, ranges = rows;
  if (rows > 1) {  // a control loop has one, and no time for divisions
    const index_t fair = parts_of(rows, of_thread * backend.threads());
    together = std::max<index_t>(1, std::min(fair, cached / std::max<index_t>(1, row_size)));
    ranges = parts_of(rows, together);
  }
  backend.parallel_for(
      ranges, [&](auto&, int, index_t range) { work(range * together, std::min(rows, (range + 1) * together)); });
}

}  // namespace fewstep
