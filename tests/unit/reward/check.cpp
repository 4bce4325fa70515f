// SPDX-License-Identifier: Apache-2.0
#include <fewstep/reward/check.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <stdexcept>
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

TEST_CASE("the share of rewards that may be not finite is met by exactly that share, whatever float makes of it") {
  std::vector<float> rewards;
  // A bound given in double is the same: what is compared is the float nearest to it.
  const auto allows = [&](fewstep::reward_check check, int bad, int all) {
    rewards.assign(static_cast<std::size_t>(all), 1.0f);
    std::fill_n(rewards.begin(), bad, std::numeric_limits<float>::quiet_NaN());
    check.when_not_finite = fewstep::non_finite::leave_out;
    try {
      return fewstep::count_non_finite(rewards, check) == static_cast<std::size_t>(bad);
    } catch (const std::runtime_error&) {
      return false;
    }
  };
  const double tenth = 0.1;
  CHECK(allows({.at_most = static_cast<float>(tenth)}, 3, 30));
  CHECK(allows({.at_most = 0.1f}, 3, 30));
  CHECK(!allows({.at_most = 0.1f}, 4, 30));
  CHECK(allows({.at_most = 0.65f}, 117, 180));  // 0.65f * 180 is below 117
  CHECK(!allows({.at_most = 0.65f}, 118, 180));
  CHECK(allows({.at_most = 0}, 0, 5));
  CHECK(!allows({.at_most = 0}, 1, 5));
  // All are too many under any bound.
  CHECK(allows({.at_most = 1}, 4, 5));
  CHECK(!allows({.at_most = 1}, 5, 5));
  int wrong = 0;
  for (int percent = 1; percent < 100; ++percent)
    for (int all = 1; all <= 200; ++all)
      for (int bad = std::max(0, percent * all / 100 - 1); bad <= percent * all / 100 + 1 && bad < all; ++bad)
        wrong += allows({.at_most = static_cast<float>(percent / 100.0)}, bad, all) != (100 * bad <= percent * all);
  CHECK(wrong == 0);
}
