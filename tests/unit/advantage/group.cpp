// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/advantage/group.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

using fewstep::group_advantage;
using fewstep::group_scale;

namespace {

const std::vector<float> rewards = {1.0f, 10.0f, 3.0f, 14.0f, 8.0f, 12.0f};
const std::vector<std::int32_t> prompts = {9, -4, 9, -4, 9, -4};  // 9: 1 3 8, mean 4; -4: 10 14 12, mean 12
const double mean_of[] = {4, 12, 4, 12, 4, 12};

std::vector<float> advantages_of(group_advantage advantages) {
  std::vector<float> out(rewards.size());
  advantages(rewards, prompts, out);
  return out;
}

}  // namespace

TEST_CASE("group_advantage compares a sample with the others of its prompt, wherever they stand") {
  const double group_9 = std::sqrt((9.0 + 1 + 16) / 3), group_4 = std::sqrt((4.0 + 4 + 0) / 3);
  const auto out = advantages_of({});
  for (std::size_t i = 0; i < rewards.size(); ++i) {
    CAPTURE(i);
    const double deviation = prompts[i] == 9 ? group_9 : group_4;
    CHECK(out[i] == Approx((static_cast<double>(rewards[i]) - mean_of[i]) / (deviation + 1e-4)).margin(1e-6));
  }
}

TEST_CASE("group_advantage divides by the batch's deviation, or by nothing") {
  const double mean = 8, batch = std::sqrt((49.0 + 4 + 25 + 36 + 0 + 16) / 6);
  REQUIRE(mean == (1 + 10 + 3 + 14 + 8 + 12) / 6.0);
  const auto by_batch = advantages_of({.scale = group_scale::batch_std});
  const auto plain = advantages_of({.scale = group_scale::none});
  for (std::size_t i = 0; i < rewards.size(); ++i) {
    CAPTURE(i);
    const double difference = static_cast<double>(rewards[i]) - mean_of[i];
    CHECK(by_batch[i] == Approx(difference / (batch + 1e-4)).margin(1e-6));
    CHECK(static_cast<double>(plain[i]) == difference);
  }
}

TEST_CASE("group_advantage gives samples that stand prompt by prompt what it gives them elsewhere") {
  const std::vector<float> sorted_rewards = {10.0f, 14.0f, 12.0f, 1.0f, 3.0f, 8.0f};
  const std::vector<std::int32_t> sorted_prompts = {-4, -4, -4, 9, 9, 9};
  const std::size_t stands_at[] = {3, 0, 4, 1, 5, 2};
  const auto mixed = advantages_of({});
  std::vector<float> sorted(6);
  group_advantage{}(sorted_rewards, sorted_prompts, sorted);
  for (std::size_t i = 0; i < rewards.size(); ++i) CHECK(sorted[stands_at[i]] == mixed[i]);
}

TEST_CASE("group_advantage clips and refuses a group of one") {
  CHECK(advantages_of({.scale = group_scale::none, .clip = 2.5f})[0] == -2.5f);
  group_advantage advantages;
  std::vector<float> out(3);
  CHECK_THROWS_WITH(advantages(std::vector<float>{1, 2, 3}, std::vector<std::int32_t>{5, 8, 5}, out),
                    contains("prompt 8 has one sample in the batch"));
  CHECK_THROWS_WITH(advantages(std::vector<float>{1, 2}, std::vector<std::int32_t>{5, 5}, out), contains("room for 3"));
}
