// SPDX-License-Identifier: Apache-2.0
#include <fewstep/advantage/batch.hpp>
#include <fewstep/advantage/group.hpp>
#include <fewstep/advantage/prompt_buffer.hpp>

#include "test.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

using fewstep::group_scale;

namespace {

/// Advantages of samples of three prompts, those of prompt 7 having one reward.
template <class Advantage>
std::vector<float> of_rewards(Advantage advantage, const std::vector<float>& rewards) {
  const std::vector<std::int32_t> prompts{7, 7, 7, 2, 2, 2};
  std::vector<float> out(rewards.size(), -1.0f);
  advantage(rewards, prompts, out);
  return out;
}

}  // namespace

TEST_CASE("rewards of one value give advantages of 0 without an epsilon too") {
  // 0.1f is no sum of few powers of two: a mean of three may not leave a rest.
  const std::vector<float> flat(6, 0.1f), none(6, 0.0f);
  for (const float clip : {5.0f, std::numeric_limits<float>::infinity()}) {
    CHECK(of_rewards(fewstep::batch_advantage{.clip = clip, .epsilon = 0}, flat) == none);
    for (const group_scale scale : {group_scale::group_std, group_scale::batch_std, group_scale::none})
      CHECK(of_rewards(fewstep::group_advantage{.scale = scale, .clip = clip, .epsilon = 0}, flat) == none);
    CHECK(of_rewards(fewstep::prompt_buffer_advantage{.capacity = 4, .min_count = 2, .clip = clip, .epsilon = 0},
                     flat) == none);
    CHECK(of_rewards(fewstep::prompt_buffer_advantage{.clip = clip, .epsilon = 0}, flat) == none);  // of the batch
  }
}

TEST_CASE("a flat group beside one that is not gives 0 and the other its standardised rewards") {
  const std::vector<float> rewards{0.1f, 0.1f, 0.1f, 1, 2, 3};
  // Population deviation of 1 2 3: sqrt(2 / 3).
  const float high = static_cast<float>(1 / std::sqrt(2.0 / 3.0));
  const std::vector<float> wanted{0, 0, 0, -high, 0, high};
  CHECK(of_rewards(fewstep::group_advantage{.epsilon = 0}, rewards) == wanted);
  CHECK(of_rewards(fewstep::prompt_buffer_advantage{.capacity = 4, .min_count = 2, .epsilon = 0}, rewards) == wanted);
  // A ring of one reward has no deviation, also for a sample that has left it.
  const std::vector<float> of_one =
      of_rewards(fewstep::prompt_buffer_advantage{.capacity = 1, .min_count = 1, .epsilon = 0}, rewards);
  CHECK(std::all_of(of_one.begin(), of_one.end(), [](float a) { return a == 0; }));
}
