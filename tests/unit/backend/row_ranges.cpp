// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/backend/row_ranges.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

using fewstep::cpu_backend;
using fewstep::index_t;

namespace {

struct seen {
  std::vector<int> times;  // that each row was worked on
  index_t ranges, longest;
};

seen work_on(cpu_backend& backend, index_t rows, index_t row_size) {
  std::vector<std::atomic<int>> times(static_cast<std::size_t>(rows));
  std::atomic<index_t> ranges = 0;
  std::vector<std::atomic<index_t>> lengths(static_cast<std::size_t>(rows));
  fewstep::for_row_ranges(backend, rows, row_size, [&](index_t first, index_t last) {
    lengths[static_cast<std::size_t>(ranges++)] = last - first;
    for (index_t r = first; r < last; ++r) ++times[static_cast<std::size_t>(r)];
  });
  index_t longest = 0;
  for (const auto& length : lengths) longest = std::max<index_t>(longest, length);
  return {{times.begin(), times.end()}, ranges, longest};
}

}  // namespace

TEST_CASE("ranges of rows are all rows, each once") {
  for (const int threads : {1, 2, 3}) {
    cpu_backend backend({.threads = threads});
    for (const index_t rows : {0, 1, 2, 13, 64, 1000})
      for (const index_t row_size : {0, 6, 3000, 100000}) {
        CAPTURE(threads, rows, row_size);
        const seen s = work_on(backend, rows, row_size);
        CHECK(s.times == std::vector<int>(static_cast<std::size_t>(rows), 1));
      }
  }
}

TEST_CASE("small rows stand together, large ones alone, and every thread has some") {
  cpu_backend one({.threads = 1}), two({.threads = 2});
  CHECK(work_on(one, 64, 6).ranges == 4);
  CHECK(work_on(two, 64, 6).ranges == 8);
  CHECK(work_on(one, 64, 9216).ranges == 64);
  CHECK(work_on(one, 4000, 64).longest == 64);  // 16 KiB
}

TEST_CASE("the exception of the first row that throws comes through") {
  cpu_backend backend({.threads = 2});
  const auto refuse = [](index_t first, index_t last) {
    for (index_t r = first; r < last; ++r)
      if (r >= 21) throw std::runtime_error("row " + std::to_string(r));
  };
  CHECK_THROWS_WITH(fewstep::for_row_ranges(backend, 64, 6, refuse), contains("row 21"));
}
