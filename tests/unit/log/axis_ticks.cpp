// SPDX-License-Identifier: Apache-2.0
#include <fewstep/log/axis_ticks.hpp>

#include "test.hpp"

#include <limits>
#include <string>

TEST_CASE("axis_ticks: marks are round numbers that cover the data", "[io]") {
  const auto labels = [](double low, double high, int most) {
    const fewstep::detail::axis_ticks axis(low, high, most, true);
    std::string text;
    for (const double mark : axis.positions()) text += axis.label(mark) + " ";
    return text;
  };
  CHECK(labels(0, 1, 5) == "0.0 0.2 0.4 0.6 0.8 1.0 ");
  CHECK(labels(0.03, 0.97, 5) == "0.0 0.2 0.4 0.6 0.8 1.0 ");
  CHECK(labels(-713, 1210, 5) == "\u22121000 \u2212500 0 500 1000 1500 ");
  CHECK(labels(5, 5, 4) == "4.5 5.0 5.5 ");
  CHECK(labels(0, 25600, 3) == "0 10\u2009000 20\u2009000 30\u2009000 ");
  CHECK(labels(0, 0, 2) == "\u22121 0 1 ");
  CHECK(labels(0, 3e9, 3) == "0 1e+09 2e+09 3e+09 ");
  CHECK(labels(0, 2.5e-6, 3) == "0 1e-06 2e-06 3e-06 ");
  CHECK_FALSE(labels(std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(), 4).empty());
}
