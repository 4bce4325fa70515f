// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/generator/rescaled.hpp>
#include <fewstep/sampler/consistency.hpp>

#include <cmath>
#include <cstddef>
#include <vector>

using fewstep::consistency_sampler;
using fewstep::emitted;
using fewstep::last_step;

namespace {
const std::vector<float> times = {40.0f, 6.0f, 2.0f, 0.6f};
}

TEST_CASE("consistency_sampler noises f to the next time, less the floor that f keeps") {
  const fewstep::edm_consistency p;
  const auto table = consistency_sampler{.times = times}.table(p, 4);
  REQUIRE(table.horizon() == 4);
  CHECK(table.initial_sigma == 40.0f);
  for (std::size_t i = 0; i + 1 < 4; ++i) {
    CAPTURE(i);
    const auto& row = table.rows[i];
    const double next = static_cast<double>(times[i + 1]);
    CHECK(row.time == times[i]);
    CHECK(row.next_time == times[i + 1]);
    CHECK(row.in == p(times[i]).in);
    CHECK(row.skip == p(times[i]).skip);
    CHECK(row.out == p(times[i]).out);
    CHECK(row.a == row.skip);
    CHECK(row.b == row.out);
    CHECK(row.sigma == Approx(std::sqrt(next * next - 0.002 * 0.002)).epsilon(1e-7));
  }
}

TEST_CASE("last_step says what becomes of the last transition") {
  const fewstep::edm_consistency p;
  SECTION("mask: deterministic, not trained, the reward sees f") {
    const auto table = consistency_sampler{.times = times, .last = last_step::mask}.table(p, 4);
    CHECK(table.trained == 3);
    CHECK(table.result == emitted::clean);
    CHECK(table.rows[3].sigma == 0.0f);
    CHECK(table.rows[3].a == table.rows[3].skip);
    CHECK(table.rows[3].b == table.rows[3].out);
  }
  SECTION("reference: noised back to its own time and trained, the reward sees f") {
    const auto table = consistency_sampler{.times = times, .last = last_step::reference}.table(p, 4);
    CHECK(table.trained == 4);
    CHECK(table.result == emitted::clean);
    CHECK(table.rows[3].next_time == 0.6f);
    CHECK(table.rows[3].sigma == Approx(std::sqrt(0.36 - 4e-6)).epsilon(1e-6));
  }
  SECTION("stochastic: f with the noise asked for, which the reward sees") {
    const auto table =
        consistency_sampler{.times = times, .last = last_step::stochastic, .final_sigma = 0.125f}.table(p, 4);
    CHECK(table.trained == 4);
    CHECK(table.result == emitted::state);
    CHECK(table.rows[3].sigma == 0.125f);
    CHECK(table.rows[3].a == table.rows[3].skip);
  }
}

TEST_CASE("horizon 1 needs a stochastic last step") {
  const fewstep::edm_consistency p;
  CHECK_THROWS_WITH(consistency_sampler{}.table(p, 1),
                    contains("horizon is 1 but last_step is mask; use horizon >= 2 or last_step::stochastic"));
  CHECK_THROWS_WITH(consistency_sampler{.last = last_step::reference}.table(p, 1),
                    contains("horizon is 1 but last_step is reference"));
  const auto table = consistency_sampler{.last = last_step::stochastic}.table(p, 1);
  CHECK(table.trained == 1);
  CHECK(table.rows[0].time == 80.0f);
  CHECK_THROWS_WITH((consistency_sampler{.last = last_step::stochastic, .final_sigma = 0.0f}.table(p, 1)),
                    contains("final_sigma is 0"));
}

TEST_CASE("a step to the floor draws nothing, so neither it nor the call there is trained") {
  const auto check_process = [](const auto& p) {
    for (const last_step last : {last_step::mask, last_step::reference}) {
      const auto table = consistency_sampler{.times = {10.0f, 1.0f, p.min_time()}, .last = last}.table(p, 3);
      CHECK(table.first_trained == 0);
      CHECK(table.trained == 1);
      CHECK(table.result == emitted::clean);
      CHECK(table.rows[0].sigma > 0.9f * p.level(1.0f).noise);
      CHECK(table.rows[1].sigma == 0.0f);
      CHECK(table.rows[2].sigma == 0.0f);
      CHECK(table.rows[2].out == 0.0f);
    }
  };
  check_process(fewstep::edm_consistency{});
  check_process(fewstep::rectified_flow<fewstep::edm_consistency>{});
  // Where the schedule begins below the network, the floor is the network's, scaled with the state.
  check_process(fewstep::variance_preserving<fewstep::edm_consistency>{.base = {.sigma_min = 0.1f}});
}

TEST_CASE("at time 0 a latent consistency function is the identity, so that call is not trained") {
  const fewstep::lcm p;
  for (const last_step last : {last_step::mask, last_step::reference, last_step::stochastic}) {
    const auto table = consistency_sampler{.times = {999, 499, 0}, .last = last}.table(p, 3);
    CHECK(table.trained == 2);
    CHECK(table.rows[1].sigma == Approx(std::sqrt(0.00085)).epsilon(1e-6));
    CHECK(table.rows[2].b == 0.0f);
  }
}

TEST_CASE("consistency_sampler takes variance-preserving processes and flows") {
  const fewstep::lcm latent;
  const auto table = consistency_sampler{}.table(latent, 3);
  const auto next = latent.exact_level(table.rows[1].time);
  CHECK(table.initial_sigma == 1.0f);
  CHECK(table.rows[0].a == Approx(next.signal * static_cast<double>(table.rows[0].skip)).epsilon(1e-6));
  CHECK(table.rows[0].b == Approx(next.signal * static_cast<double>(table.rows[0].out)).epsilon(1e-6));
  CHECK(table.rows[0].sigma == Approx(next.noise).epsilon(1e-6));

  const auto flow = consistency_sampler{}.table(fewstep::flow_matching{}, 4);
  CHECK(flow.rows[0].a == 0.25f);
  CHECK(flow.rows[0].b == -0.25f);
  CHECK(flow.rows[0].sigma == 0.75f);
}
