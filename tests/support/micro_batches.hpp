// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/memory_plan.hpp>
#include <fewstep/core/view.hpp>

#include <cstddef>
#include <stdexcept>

namespace fewstep::test {

/// The least memory budget with which a trainer replays `blocks` row blocks at a time. make(budget) gives a trainer.
template <class Make>
std::size_t budget_for(index_t blocks, index_t row_block, const Make& make) {
  memory_plan plan = make(std::size_t{1} << 30).memory();
  while (plan.rows > blocks * row_block) plan = make(plan.total() - 1).memory();
  if (plan.rows < blocks * row_block) throw std::logic_error("budget_for: there are fewer blocks than asked for");
  return plan.total();
}

}  // namespace fewstep::test
