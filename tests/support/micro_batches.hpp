// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>

#include <cstddef>
#include <stdexcept>

namespace fewstep::test {

/// The least memory budget with which a trainer replays `blocks` row blocks at a time (all of them: the trainer's own
/// number). make(budget) gives a trainer, or throws if the budget is too small.
template <class Make>
std::size_t budget_for(index_t blocks, index_t row_block, const Make& make) {
  const auto rows = [&](std::size_t budget) -> index_t {
    try {
      return make(budget).memory().rows;
    } catch (const std::invalid_argument&) {
      return 0;
    }
  };
  std::size_t high = std::size_t{1} << 30;
  if (rows(high) < blocks * row_block) throw std::logic_error("budget_for: there are fewer blocks than asked for");
  high = make(high).memory().total();
  std::size_t low = 0;
  while (low + 1 < high) {
    const std::size_t middle = low + (high - low) / 2;
    (rows(middle) >= blocks * row_block ? high : low) = middle;
  }
  return high;
}

}  // namespace fewstep::test
