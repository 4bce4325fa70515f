// SPDX-License-Identifier: Apache-2.0
#include "support/published_timesteps.hpp"
#include "test.hpp"

#include <fewstep/sampler/lcm.hpp>

#include <cmath>
#include <cstddef>
#include <vector>

using fewstep::last_step;
using fewstep::lcm_sampler;
using fewstep::timestep_rule;
using list = std::vector<float>;

TEST_CASE("lcm_sampler takes the timesteps of RLCM") {
  const fewstep::lcm p;
  const lcm_sampler sampler_of_rlcm{.rule = timestep_rule::rlcm};
  CHECK(sampler_of_rlcm.timesteps(p, 1) == list{999});
  CHECK(sampler_of_rlcm.timesteps(p, 2) == list{999, 499});
  CHECK(sampler_of_rlcm.timesteps(p, 4) == list{999, 759, 519, 279});
  CHECK(sampler_of_rlcm.timesteps(p, 8) == list{999, 879, 759, 639, 519, 399, 279, 159});
  CHECK(sampler_of_rlcm.timesteps(p, 16) ==
        list{999, 939, 879, 819, 759, 699, 639, 579, 519, 459, 399, 339, 279, 219, 159, 99});
  CHECK(sampler_of_rlcm.timesteps(p, 26).back() == 499);
}

TEST_CASE("lcm_sampler takes the timesteps of diffusers") {
  const fewstep::lcm p;
  const lcm_sampler sampler_of_diffusers{.rule = timestep_rule::diffusers};
  CHECK(sampler_of_diffusers.timesteps(p, 1) == list{999});
  CHECK(sampler_of_diffusers.timesteps(p, 2) == list{999, 499});
  CHECK(sampler_of_diffusers.timesteps(p, 4) == list{999, 759, 499, 259});
  CHECK(sampler_of_diffusers.timesteps(p, 8) == list{999, 879, 759, 639, 499, 379, 259, 139});
  CHECK(sampler_of_diffusers.timesteps(p, 16) ==
        list{999, 939, 879, 819, 759, 699, 639, 579, 499, 439, 379, 319, 259, 199, 139, 79});
}

TEST_CASE("lcm_sampler has the timesteps of diffusers for every number of calls of every origin") {
  const fewstep::lcm p;
  const auto expected = fewstep::test::published_timesteps("lcm");
  REQUIRE(expected.size() == 1000);
  for (const auto& [origin, most, digest] : expected) {
    fewstep::test::timestep_digest all;
    for (int calls = 1; calls <= most; ++calls)
      all.add(lcm_sampler{.rule = timestep_rule::diffusers, .origin_steps = origin}.timesteps(p, calls));
    CAPTURE(origin);
    CHECK(all.value == digest);
  }
  // NumPy's quotient 30 / 22, eleven times, is just below 15; the exact floor would be 15 and the timestep 494.
  CHECK(lcm_sampler{.rule = timestep_rule::diffusers, .origin_steps = 30}.timesteps(p, 22)[11] == 527);
}

TEST_CASE("lcm_sampler has the log-probabilities of the published policy at horizon 8") {
  const auto table = lcm_sampler{.last = last_step::reference}.table(fewstep::lcm{}, 8);
  const double published[] = {-1.410094, -1.392126, -1.351652, -1.274045, -1.141300, -0.927550, -0.575266, -0.575266};
  REQUIRE(table.horizon() == 8);
  CHECK(table.trained == 8);
  CHECK(table.result == fewstep::emitted::clean);
  CHECK(table.initial_sigma == 1.0f);
  for (std::size_t i = 0; i < 8; ++i) {
    CAPTURE(i);
    const double expected =
        -0.5 - std::log(static_cast<double>(table.rows[i].sigma)) - 0.5 * std::log(2 * std::acos(-1.0));
    CHECK(expected == Approx(published[i]).margin(6e-7));
  }
}

TEST_CASE("an lcm_sampler row is the published step, written out") {
  const fewstep::lcm p;
  const auto table = lcm_sampler{.last = last_step::reference}.table(p, 4);
  const double x = -0.83, eps = 0.41;
  for (std::size_t i = 0; i < 4; ++i) {
    const auto& row = table.rows[i];
    const double alpha_now = p.schedule.alpha_bar(static_cast<int>(row.time));
    const double alpha_next = p.schedule.alpha_bar(static_cast<int>(i < 3 ? table.rows[i + 1].time : row.time));
    const double clean = (x - std::sqrt(1 - alpha_now) * eps) / std::sqrt(alpha_now);
    const double scaled = 10.0 * static_cast<double>(row.time);
    const double denoised = scaled / std::sqrt(scaled * scaled + 0.25) * clean + 0.25 / (scaled * scaled + 0.25) * x;
    CAPTURE(i, row.time);
    CHECK(static_cast<double>(row.a) * x + static_cast<double>(row.b) * eps ==
          Approx(std::sqrt(alpha_next) * denoised).margin(1e-6));
    CHECK(static_cast<double>(row.sigma) == Approx(std::sqrt(1 - alpha_next)).epsilon(1e-7));
    CHECK(static_cast<double>(row.skip) * x + static_cast<double>(row.out) * eps == Approx(denoised).epsilon(1e-6));
  }
}

TEST_CASE("lcm_sampler masks the last step by default and refuses impossible horizons") {
  const fewstep::lcm p;
  const auto table = lcm_sampler{}.table(p, 4);
  CHECK(table.trained == 3);
  CHECK(table.rows[3].sigma == 0.0f);
  CHECK_THROWS_WITH(lcm_sampler{}.table(p, 1), contains("lcm_sampler: horizon is 1 but last_step is mask"));
  CHECK_THROWS_WITH(lcm_sampler{}.table(p, 51), contains("horizon is 51; it must be in [1, 50]"));
  CHECK_THROWS_WITH(lcm_sampler{}.table(p, 0), contains("horizon is 0"));
  CHECK_THROWS_WITH(lcm_sampler{.origin_steps = 0}.table(p, 4), contains("origin_steps is 0"));
}
