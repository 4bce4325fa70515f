// SPDX-License-Identifier: Apache-2.0
#include <fewstep/algorithm/update_report.hpp>
#include <fewstep/core/figure.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "test.hpp"

namespace {

struct report {
  int stage = 0;
  double loss = 0, seconds = 0;

  [[nodiscard]] static constexpr auto figures() {
    return std::array{fewstep::figure_of<&report::stage>("stage"), fewstep::figure_of<&report::loss>("loss"),
                      fewstep::figure_of<&report::seconds>("seconds", "s")};
  }
};

}  // namespace

TEST_CASE("figures have names, units and values in one order") {
  CHECK(fewstep::figure_names<report>() == std::vector<std::string>{"stage", "loss", "seconds"});
  CHECK(fewstep::figure_values(report{2, 0.25, 1.5}) == std::array{2.0, 0.25, 1.5});
  CHECK(report::figures()[2].unit == "s");
}

TEST_CASE("every number of an update report is a figure of its own") {
  // Its first member is the number of the update, its last one a text, and all others are doubles.
  constexpr std::size_t doubles =
      (offsetof(fewstep::update_report, reference_kl_estimate) - sizeof(std::int64_t)) / sizeof(double);
  auto names = fewstep::figure_names<fewstep::update_report>();
  CHECK(names.size() == doubles);
  std::sort(names.begin(), names.end());
  CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());

  fewstep::update_report all;
  std::array<double, doubles> numbers{};
  std::iota(numbers.begin(), numbers.end(), 1.0);
  std::memcpy(reinterpret_cast<unsigned char*>(&all) + sizeof(std::int64_t), numbers.data(), sizeof numbers);
  auto values = fewstep::figure_values(all);
  std::sort(values.begin(), values.end());
  CHECK(values == numbers);
}
