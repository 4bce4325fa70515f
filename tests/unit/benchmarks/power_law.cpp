// SPDX-License-Identifier: Apache-2.0
#include "../../../benchmarks/scaling/power_law.hpp"
#include "test.hpp"

#include <vector>

TEST_CASE("The fitted exponent is that of a power law, and lies between those of its parts") {
  const std::vector<double> x{1, 2, 4, 7}, square{3, 12, 48, 147}, affine{11, 12, 14, 17};
  CHECK(fitted_exponent(x, square) == Approx(2));
  CHECK(fitted_exponent(x, affine) > 0);
  CHECK(fitted_exponent(x, affine) < 1);
}
