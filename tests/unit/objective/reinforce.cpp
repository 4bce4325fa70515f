// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/objective/reinforce.hpp>

TEST_CASE("reinforce is linear in the log-ratio") {
  for (const float advantage : {-2.5f, 0.0f, 0.75f})
    for (const float log_ratio : {-0.5f, 0.0f, 2.0f}) {
      const auto result =
          fewstep::reinforce{}({log_ratio, advantage, fewstep::step_row{1, 0.5f, 1, 1, 0.1f, 1, 0, 1}, 3});
      CHECK(result.value == advantage * log_ratio);
      CHECK(result.slope == advantage);
    }
}
