// SPDX-License-Identifier: Apache-2.0
#include <fewstep/sampler/cps.hpp>

#include "support/published_table.hpp"
#include "test.hpp"

#include <fewstep/generator/rescaled.hpp>
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/sampler/ddim.hpp>

#include <cmath>
#include <cstddef>
#include <cstring>
#include <vector>

using fewstep::cps_sampler;
using fewstep::flow_matching;
using fewstep::test::check_rows;
using fewstep::test::published_tables;

namespace {

template <class P>
void check_consistency_sampler(const P& p, int calls, const std::vector<float>& times = {}) {
  const auto cps = cps_sampler{.noise = 1, .times = times}.table(p, calls);
  const auto consistency =
      fewstep::consistency_sampler{.times = times, .last = fewstep::last_step::mask}.table(p, calls);
  REQUIRE(cps.rows.size() == consistency.rows.size());
  for (std::size_t i = 0; i < cps.rows.size(); ++i) {
    CAPTURE(i, cps.rows[i].time);
    CHECK(std::memcmp(&cps.rows[i], &consistency.rows[i], sizeof(fewstep::step_row)) == 0);
  }
  CHECK(cps.trained == consistency.trained);
  CHECK(cps.result == consistency.result);
  CHECK(cps.initial_sigma == consistency.initial_sigma);
}

}  // namespace

TEST_CASE("cps_sampler has the published steps of a flow") {
  for (const auto& expected : published_tables("cps", "flow")) {
    const auto table = cps_sampler{.noise = expected.level, .times = expected.times()}.table(
        flow_matching{}, static_cast<int>(expected.rows.size()));
    CHECK(table.trained == table.horizon() - 1);
    CHECK(table.result == fewstep::emitted::clean);
    check_rows(table, expected, expected.rows.size());
  }
}

TEST_CASE("cps_sampler has the same steps for an EDM network as a flow") {
  const fewstep::rectified_flow<fewstep::edm_denoiser> p{{.sigma_data = 0.5f, .sigma_min = 0.01f, .sigma_max = 40}};
  for (const auto& expected : published_tables("cps", "edm")) {
    const auto table = cps_sampler{.noise = expected.level, .times = expected.times()}.table(
        p, static_cast<int>(expected.rows.size()));
    check_rows(table, expected, expected.rows.size() - 1);  // published, the last lands at sigma_min; here on f
    CHECK(table.rows.back().a == table.rows.back().skip);
    CHECK(table.rows.back().b == table.rows.back().out);
  }
}

TEST_CASE("with noise 1 cps_sampler is the consistency sampler, to the bit") {
  for (const int calls : {2, 3, 4, 8, 50}) {
    CAPTURE(calls);
    check_consistency_sampler(fewstep::edm_consistency{}, calls);
    check_consistency_sampler(fewstep::edm_denoiser{.sigma_data = 0.7f, .sigma_max = 5}, calls);
    check_consistency_sampler(fewstep::lcm{}, calls);
    check_consistency_sampler(fewstep::epsilon_prediction{}, calls);
    check_consistency_sampler(fewstep::velocity_prediction{}, calls);
    check_consistency_sampler(flow_matching{}, calls);
    check_consistency_sampler(fewstep::variance_preserving<fewstep::edm_consistency>{}, calls);
    check_consistency_sampler(fewstep::rectified_flow<fewstep::edm_consistency>{}, calls);
  }
  check_consistency_sampler(fewstep::edm_consistency{}, 3, {40.0f, 3.0f, 0.003f});
}

TEST_CASE("without noise cps_sampler is deterministic: DDIM's steps where f keeps no noise") {
  const cps_sampler sampler{.noise = 0.8f};
  const auto check_process = [&](const auto& p) {
    const auto table = sampler.without_noise().table(p, 6);
    const auto noisy = sampler.table(p, 6);
    std::vector<float> times;
    for (const auto& row : table.rows) times.push_back(row.time);
    const auto ddim = fewstep::ddim_sampler{.eta = 0, .times = times}.table(p, 6);
    CHECK(table.trained == 0);
    for (std::size_t i = 0; i < 6; ++i) {
      CAPTURE(i);
      CHECK(table.rows[i].sigma == 0.0f);
      CHECK(table.rows[i].time == noisy.rows[i].time);
      CHECK(table.rows[i].next_time == noisy.rows[i].next_time);
      if (i == 5) continue;
      CHECK(table.rows[i].a == Approx(ddim.rows[i].a).margin(1e-7));
      CHECK(table.rows[i].b == Approx(ddim.rows[i].b).margin(1e-7));
    }
    CHECK(table.rows[5].a == table.rows[5].skip);
    CHECK(table.rows[5].b == table.rows[5].out);
  };
  check_process(fewstep::edm_denoiser{});
  check_process(fewstep::epsilon_prediction{});
  check_process(flow_matching{});
}

TEST_CASE("every cps_sampler row leaves the noise that the process has at the next time") {
  // From x = signal clean + noise eps, with the exact f but for its floor: the estimate of eps and the new noise.
  const fewstep::edm_consistency p{.sigma_min = 0.1f, .sigma_max = 4};
  for (const float noise : {0.0f, 0.3f, 0.8f, 1.0f}) {
    const auto table = cps_sampler{.noise = noise}.table(p, 5);
    for (std::size_t i = 0; i < 4; ++i) {
      const auto& row = table.rows[i];
      const double q = static_cast<double>(row.b) / static_cast<double>(row.out);
      const double kept = (static_cast<double>(row.a) - q * static_cast<double>(row.skip)) *
                          static_cast<double>(row.time);  // coefficient of eps
      const double next = static_cast<double>(row.next_time);
      CAPTURE(noise, i);
      CHECK(kept * kept + static_cast<double>(row.sigma) * static_cast<double>(row.sigma) + 0.01 ==
            Approx(next * next).epsilon(1e-5));
    }
  }
}

TEST_CASE("a cps_sampler step to the floor draws nothing, so it is not trained") {
  const auto check_process = [](const auto& p, const std::vector<float>& times) {
    const auto table = cps_sampler{.times = times}.table(p, 3);
    CHECK(table.trained == 1);
    CHECK(table.rows[0].sigma > 0.0f);
    const double signal = fewstep::exact_level(p, times.back()).signal;
    CHECK(table.rows[1].a == Approx(signal * static_cast<double>(table.rows[1].skip)));
    CHECK(table.rows[1].b == Approx(signal * static_cast<double>(table.rows[1].out)));
    CHECK(table.rows[1].sigma == 0.0f);
    CHECK(table.result == fewstep::emitted::clean);
  };
  check_process(fewstep::edm_consistency{}, {60, 1, 0.002f});
  check_process(fewstep::rectified_flow<fewstep::edm_consistency>{}, {60, 1, 0.002f});
  check_process(flow_matching{}, {1, 0.5f, 0});
}

TEST_CASE("cps_sampler refuses what it cannot do, by name") {
  CHECK_THROWS_WITH(cps_sampler{.noise = 1.5f}.table(flow_matching{}, 4),
                    contains("noise is 1.5; it must be in [0, 1]"));
  CHECK_THROWS_WITH(cps_sampler{.noise = std::nanf("")}.table(flow_matching{}, 4), contains("noise is"));
  CHECK_THROWS_WITH(cps_sampler{}.table(flow_matching{}, 1), contains("cps_sampler: horizon is 1"));
  CHECK_NOTHROW(cps_sampler{}.without_noise().table(flow_matching{}, 1));
}
