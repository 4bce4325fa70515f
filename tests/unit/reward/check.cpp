// SPDX-License-Identifier: Apache-2.0
#include <fewstep/reward/check.hpp>

#include <limits>
#include <vector>

#include "test.hpp"

TEST_CASE("the first reward that is not finite is named with its value") {
  std::vector<float> rewards{1.0f, -2.0f, std::numeric_limits<float>::max(), 0.0f};
  CHECK_NOTHROW(fewstep::require_finite(rewards));
  CHECK_NOTHROW(fewstep::require_finite({}));
  rewards[3] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH(fewstep::require_finite(rewards), contains("sample 3 of 4 is nan"));
  rewards[1] = -std::numeric_limits<float>::infinity();
  CHECK_THROWS_WITH(fewstep::require_finite(rewards), contains("sample 1 of 4 is -inf"));
  CHECK_THROWS_AS(fewstep::require_finite(rewards), std::runtime_error);
}
