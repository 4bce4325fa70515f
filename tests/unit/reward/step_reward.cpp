// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/reward/step_reward.hpp>

#include <cstdint>
#include <span>
#include <vector>

using fewstep::index_t;
using fewstep::per_step;
using fewstep::rated_step;

TEST_CASE("a function of one step of one sample rates a batch") {
  const std::vector<float> x{1, 2, 3, 4, 5, 6}, next{10, 20, 30, 40, 50, 60};
  const std::vector<std::int32_t> contexts{7, 8, 9};
  std::vector<float> out(3);
  per_step reward{[](int k, auto from, auto to, std::int32_t context) {
    return static_cast<float>(1000 * k) + 100 * static_cast<float>(context) + to[1] - from[0];
  }};
  static_assert(fewstep::step_reward<decltype(reward), std::int32_t>);
  reward(rated_step{2, 3, {x.data(), {3, 2}}, {next.data(), {3, 2}}}, std::span<const std::int32_t>(contexts), out);
  CHECK(out == std::vector<float>{2719, 2837, 2955});
}
