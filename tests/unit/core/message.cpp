// SPDX-License-Identifier: Apache-2.0
#include <fewstep/core/error.hpp>

#include "test.hpp"

#include <cmath>
#include <limits>

TEST_CASE("a message says nan whatever its sign") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(fewstep::message(nan, ' ', std::copysign(nan, -1.0), ' ', std::copysign(static_cast<float>(nan), -1.0f)) ==
        "nan nan nan");
}
