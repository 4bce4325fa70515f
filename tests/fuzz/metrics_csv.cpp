// SPDX-License-Identifier: Apache-2.0
// The table of an interrupted run, which is gone on with. One that is refused stays as it was.
#include "fuzz.hpp"
#include "input_folder.hpp"

#include <fewstep/log/metrics_csv.hpp>

#include <algorithm>

FEWSTEP_FUZZ(bytes) {
  static const fewstep::fuzz::input_folder folder;
  const auto path = folder.put("metrics.csv", bytes);
  const auto same = [](std::span<const std::byte> a, std::span<const std::byte> b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  };
  try {
    auto table = fewstep::metrics_csv::resume_at(path, {"a", "b"}, 7);
    fewstep::fuzz::require(!table.last_update() || *table.last_update() <= 7, "a row after the last update is kept");
    table.append(8, 1.5, -2);
  } catch (const std::exception&) {
    fewstep::fuzz::require(same(fewstep::read_file(path), bytes), "a table that is refused was changed");
    throw;
  }
  const auto first = fewstep::read_file(path);
  (void)fewstep::metrics_csv::resume_at(path, {"a", "b"}, 8);
  fewstep::fuzz::require(same(fewstep::read_file(path), first),
                         "a table that was resumed is another one the next time");
}
