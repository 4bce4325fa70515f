// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/advantage/batch.hpp>

#include <cmath>
#include <cstdint>
#include <vector>

TEST_CASE("batch_advantage standardises with the population deviation, whatever the prompts") {
  const std::vector<float> rewards = {1, 2, 3, 10};
  const std::vector<std::int32_t> prompts = {0, 0, 1, 2};
  std::vector<float> out(4);
  fewstep::batch_advantage{}(rewards, prompts, out);
  const double deviation = std::sqrt((9.0 + 4 + 1 + 36) / 4);
  CHECK(out[0] == Approx(-3 / deviation));
  CHECK(out[1] == Approx(-2 / deviation));
  CHECK(out[2] == Approx(-1 / deviation));
  CHECK(out[3] == Approx(6 / deviation));
}

TEST_CASE("batch_advantage gives 0 for equal rewards and clips outliers") {
  std::vector<float> out(3);
  const std::vector<std::int32_t> prompts = {0, 1, 2};
  fewstep::batch_advantage{}(std::vector<float>{0.1f, 0.1f, 0.1f}, prompts, out);
  CHECK(out == std::vector<float>{0, 0, 0});
  fewstep::batch_advantage{.clip = 1.0f}(std::vector<float>{0, 0, 9}, prompts, out);
  CHECK(out[2] == 1.0f);
  CHECK_THROWS_WITH(fewstep::batch_advantage{.clip = 0}(std::vector<float>{0, 0, 9}, prompts, out),
                    contains("batch_advantage: clip is 0"));
}
