// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/advantage/prompt_history.hpp>

#include <algorithm>
#include <vector>

namespace {

std::vector<float> sorted_rewards(const fewstep::prompt_history& history, std::int32_t prompt) {
  const auto kept = history.rewards(prompt);
  std::vector<float> values(kept.begin(), kept.end());
  std::sort(values.begin(), values.end());
  return values;
}

}  // namespace

TEST_CASE("prompt_history keeps the last rewards of each prompt apart") {
  fewstep::prompt_history history;
  CHECK(history.rewards(5).empty());
  for (const float value : {1.0f, 2.0f, 3.0f, 4.0f, 5.0f}) history.push(5, value, 3);
  history.push(-9, 10.0f, 3);
  history.push(7, 20.0f, 3);
  history.push(6, 30.0f, 3);
  history.push(7, 21.0f, 3);
  CHECK(sorted_rewards(history, 5) == std::vector<float>{3, 4, 5});
  CHECK(sorted_rewards(history, -9) == std::vector<float>{10});
  CHECK(sorted_rewards(history, 7) == std::vector<float>{20, 21});
  CHECK(sorted_rewards(history, 6) == std::vector<float>{30});
  CHECK(history.rewards(8).empty());
  CHECK(history.prompts() == 4);
}

TEST_CASE("prompt_history has one capacity") {
  fewstep::prompt_history history;
  CHECK_THROWS_WITH(history.push(0, 1.0f, 0), contains("capacity is 0"));
  history.push(0, 1.0f, 4);
  CHECK_THROWS_WITH(history.push(0, 1.0f, 5), contains("capacity is 5 but rewards are kept with capacity 4"));
}
