// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/algorithm/memory_plan.hpp>

#include <cstddef>

using fewstep::index_t;
using fewstep::memory_plan;

TEST_CASE("memory_plan takes the most row blocks that keep to the budget, and no more than are needed") {
  const memory_plan fixed{.parameters = 1000, .trajectory = 500, .regularizer = 100};
  const auto bytes = [](index_t rows) { return static_cast<std::size_t>(50 + 10 * rows); };
  for (std::size_t budget = 1810; budget < 4000; budget += 7) {
    const memory_plan plan = fixed.fitted(budget, 100, 16, bytes);
    CAPTURE(budget, plan.rows);
    CHECK(plan.rows % 16 == 0);
    CHECK(plan.rows >= 16);
    CHECK(plan.rows <= 112);
    CHECK(plan.total() == 1600 + bytes(plan.rows));
    CHECK(plan.total() <= budget);
    if (plan.rows < 112) CHECK(1600 + bytes(plan.rows + 16) > budget);
  }
}

TEST_CASE("memory_plan refuses a budget that not even one block fits, and says what would do") {
  const memory_plan fixed{.parameters = 1000, .trajectory = 500, .regularizer = 100};
  const auto bytes = [](index_t rows) { return static_cast<std::size_t>(50 + 10 * rows); };
  CHECK(fixed.fitted(1810, 100, 16, bytes).rows == 16);
  CHECK_THROWS_WITH(fixed.fitted(1809, 100, 16, bytes),
                    contains("memory_budget: 1809 bytes are too few; the smallest micro-batch (16 rows) needs 1810"));
}
