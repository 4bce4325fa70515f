// SPDX-License-Identifier: Apache-2.0
#include "support/published_timesteps.hpp"
#include "test.hpp"

#include <fewstep/sampler/time_grid.hpp>

#include <cmath>
#include <cstddef>
#include <vector>

using fewstep::checked_times;
using fewstep::default_times;

TEST_CASE("karras_times is evenly spaced in the rho-th root and leaves the landing out") {
  const auto times = fewstep::karras_times(80.0f, 0.002f, 4);
  REQUIRE(times.size() == 4);
  CHECK(times[0] == 80.0f);
  const double step = (std::pow(0.002, 1 / 7.0) - std::pow(80.0, 1 / 7.0)) / 4;
  for (std::size_t i = 0; i < times.size(); ++i)
    CHECK(std::pow(static_cast<double>(times[i]), 1 / 7.0) ==
          Approx(std::pow(80.0, 1 / 7.0) + step * static_cast<double>(i)).epsilon(1e-6));
}

TEST_CASE("default times suit the process") {
  CHECK(default_times(fewstep::edm_consistency{}, 3) == fewstep::karras_times(80.0f, 0.002f, 3));
  CHECK(default_times(fewstep::flow_matching{}, 4) == std::vector<float>{1.0f, 0.75f, 0.5f, 0.25f});
  CHECK(default_times(fewstep::epsilon_prediction{}, 4) == std::vector<float>{999, 749, 499, 249});
  CHECK(default_times(fewstep::epsilon_prediction{}, 1) == std::vector<float>{999});
  CHECK_THROWS_WITH(default_times(fewstep::epsilon_prediction{}, 1001), contains("1001 network calls"));
}

TEST_CASE("default times of timesteps are those that diffusers calls trailing, for every number of steps") {
  const fewstep::epsilon_prediction p;
  const auto expected = fewstep::test::published_timesteps("trailing");
  REQUIRE(expected.size() == 1000);
  int longer = 0;
  for (const auto& [calls, length, digest] : expected) {
    const auto times = default_times(p, calls);
    fewstep::test::timestep_digest of_times;
    of_times.add(times);
    CAPTURE(calls);
    REQUIRE(times.size() == static_cast<std::size_t>(calls));
    CHECK(times.back() >= 0.0f);
    CHECK(of_times.value == fewstep::test::timestep_digest{}.add(digest));
    longer += length > calls ? 1 : 0;
  }
  CHECK(longer == 62);  // diffusers gives one timestep more, -1 (61 steps are the fewest); docs/samplers.md
  const std::vector<float> sixteen = default_times(p, 16);
  CHECK(std::vector<float>(sixteen.begin(), sixteen.begin() + 4) == std::vector<float>{999, 937, 874, 811});
  CHECK(std::vector<float>(sixteen.end() - 4, sixteen.end()) == std::vector<float>{249, 187, 124, 61});
}

TEST_CASE("times asked for are taken as they are, or refused by name") {
  const fewstep::edm_consistency p;
  const std::vector<float> times = {40.0f, 6.0f, 2.0f, 0.6f};
  CHECK(checked_times(p, times, 4, "test") == times);
  CHECK_THROWS_WITH(checked_times(p, times, 3, "test"), contains("test: times has 4 entries but the horizon is 3"));
  CHECK_THROWS_WITH(checked_times(p, {}, 0, "test"), contains("test: 0 network calls"));
  CHECK_THROWS_WITH(checked_times(p, std::vector<float>{1.0f, 1.0f}, 2, "test"), contains("times[1] is 1 after 1"));
  CHECK_THROWS_WITH(checked_times(p, std::vector<float>{90.0f}, 1, "test"), contains("times[0] is 90, outside"));
  CHECK_THROWS_WITH(checked_times(p, std::vector<float>{std::nanf("")}, 1, "test"), contains("times[0] is"));
  const fewstep::epsilon_prediction timesteps;
  CHECK(checked_times(timesteps, std::vector<float>{500.4f, 499.4f}, 2, "test").size() == 2);
  CHECK_THROWS_WITH(checked_times(timesteps, std::vector<float>{500.4f, 499.6f}, 2, "test"),
                    contains("times[1] is 499.6 after 500.4, which is the same timestep"));
}
