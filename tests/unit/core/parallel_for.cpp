// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/core/parallel_for.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

using fewstep::index_t;
using fewstep::detail::parallel_for;

TEST_CASE("parallel_for runs every task once, whatever the number of threads") {
  for (const int threads : {1, 2, 5, 70})
    for (const index_t tasks : {0, 1, 2, 69, 1000}) {
      std::vector<std::atomic<int>> runs(static_cast<std::size_t>(tasks));
      parallel_for(tasks, threads, [&](int, index_t i) { ++runs[static_cast<std::size_t>(i)]; });
      CAPTURE(threads, tasks);
      CHECK(std::all_of(runs.begin(), runs.end(), [](const auto& count) { return count == 1; }));
    }
}

TEST_CASE("parallel_for rethrows the exception of the smallest task that throws, whatever the number of threads") {
  for (const int threads : {1, 2, 3, 70})
    for (int repeat = 0; repeat < 20; ++repeat) {
      const auto run = [&] {
        parallel_for(200, threads, [](int, index_t i) {
          if (i % 40 == 39) throw std::runtime_error("task " + std::to_string(i));
        });
      };
      CAPTURE(threads);
      CHECK_THROWS_WITH(run(), "task 39");
    }
}
