// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "test.hpp"

#include <fewstep/sampler/step_table.hpp>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace fewstep::test {

/// A table of tests/data/samplers.txt, made by tests/python/reference_samplers.py from the published equations.
struct published_table {
  struct row {
    double time, a, b, sigma;
  };
  float level = 0;  ///< the sampler's noise or eta
  std::vector<row> rows{};

  [[nodiscard]] std::vector<float> times() const {
    std::vector<float> result;
    for (const row& r : rows) result.push_back(static_cast<float>(r.time));
    return result;
  }
};

/// All of them for a sampler and a process: "flow", or "edm" = rectified_flow<edm_denoiser>.
inline std::vector<published_table> published_tables(const std::string& sampler, const std::string& process) {
  std::ifstream file(std::filesystem::path(__FILE__).parent_path() / "../data/samplers.txt");
  std::vector<published_table> found;
  std::string name, of;
  published_table next;
  for (std::size_t count = 0; file >> name >> of >> next.level >> count;) {
    next.rows.resize(count);
    for (auto& r : next.rows) file >> r.time >> r.a >> r.b >> r.sigma;
    if (name == sampler && of == process) found.push_back(next);
  }
  REQUIRE_FALSE(found.empty());
  return found;
}

/// The first `count` rows of both agree to the rounding of float.
inline void check_rows(const step_table& table, const published_table& expected, std::size_t count) {
  REQUIRE(table.rows.size() == expected.rows.size());
  for (std::size_t i = 0; i < count; ++i) {
    const step_row& row = table.rows[i];
    const auto& [time, a, b, sigma] = expected.rows[i];
    CAPTURE(i, time);
    CHECK(static_cast<double>(row.time) == time);
    CHECK(static_cast<double>(row.a) == Approx(a).epsilon(1e-6).margin(5e-7));
    CHECK(static_cast<double>(row.b) == Approx(b).epsilon(1e-6).margin(5e-7));
    CHECK(static_cast<double>(row.sigma) == Approx(sigma).epsilon(1e-6));
  }
}

}  // namespace fewstep::test
