// SPDX-License-Identifier: Apache-2.0
#include "support/published_table.hpp"
#include "test.hpp"

#include <fewstep/sampler/dance_sde.hpp>

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

using fewstep::dance_sde_sampler;
using fewstep::flow_matching;
using fewstep::last_step;
using fewstep::test::check_rows;
using fewstep::test::published_tables;

using straight = fewstep::rectified_flow<fewstep::edm_denoiser>;

TEST_CASE("dance_sde_sampler has the steps of DanceGRPO") {
  for (const auto& expected : published_tables("dance_sde", "flow")) {
    const dance_sde_sampler sampler{.eta = expected.level, .times = expected.times(), .last = last_step::stochastic};
    const auto table = sampler.table(flow_matching{}, static_cast<int>(expected.rows.size()));
    CHECK(table.trained == table.horizon());
    CHECK(table.result == fewstep::emitted::state);
    CHECK(table.initial_sigma == 1.0f);
    check_rows(table, expected, expected.rows.size());
  }
}

TEST_CASE("dance_sde_sampler has the same steps for an EDM network as a flow") {
  const straight p{{.sigma_data = 0.5f, .sigma_min = 0.01f, .sigma_max = 40}};
  for (const auto& expected : published_tables("dance_sde", "edm")) {
    const dance_sde_sampler sampler{.eta = expected.level, .times = expected.times(), .last = last_step::stochastic};
    const auto table = sampler.table(p, static_cast<int>(expected.rows.size()));
    CHECK(table.initial_sigma == Approx(40.0 / 41.0));
    CHECK(table.rows.back().next_time == 0.01f);
    check_rows(table, expected, expected.rows.size());
    for (const auto& row : table.rows)  // a flow's time is its noise, whatever the network's is
      CHECK(row.duration == Approx(p.exact_level(row.time).noise - p.exact_level(row.next_time).noise).epsilon(1e-6));
  }
}

TEST_CASE("the last step of dance_sde_sampler lands on the clean prediction, or keeps its noise where asked to") {
  const flow_matching p;
  const auto quiet = dance_sde_sampler{}.table(p, 4);
  CHECK(quiet.trained == 3);
  CHECK(quiet.result == fewstep::emitted::state);
  CHECK(quiet.rows[3].sigma == 0.0f);
  CHECK(quiet.rows[3].a == quiet.rows[3].skip);
  CHECK(quiet.rows[3].b == quiet.rows[3].out);
  const auto published = dance_sde_sampler{.last = last_step::reference}.table(p, 4);
  const auto trained = dance_sde_sampler{.last = last_step::stochastic}.table(p, 4);
  CHECK(published.trained == 3);
  CHECK(trained.trained == 4);
  CHECK(published.rows[3].sigma == Approx(0.3 * std::sqrt(0.25)));
  CHECK(published.rows[3].sigma == trained.rows[3].sigma);
}

TEST_CASE("without noise dance_sde_sampler is Euler's method at the same times") {
  const dance_sde_sampler sampler{.eta = 0.9f, .last = last_step::stochastic};
  for (const int calls : {1, 2, 7}) {
    const auto table = sampler.without_noise().table(flow_matching{}, calls);
    CHECK(table.trained == 0);
    for (std::size_t i = 0; i < table.rows.size(); ++i) {
      const auto& row = table.rows[i];
      CHECK(row.sigma == 0.0f);
      // x' = x + v dt, and the network predicts v.
      CHECK(row.a == Approx(1.0));
      CHECK(row.b == Approx(static_cast<double>(row.next_time) - static_cast<double>(row.time)));
      if (calls > 1) CHECK(row.time == sampler.table(flow_matching{}, calls).rows[i].time);
      if (calls > 1) CHECK(row.next_time == sampler.table(flow_matching{}, calls).rows[i].next_time);
    }
  }
}

TEST_CASE("dance_sde_sampler keeps the marginal of a Gaussian data law") {
  // x_0 ~ N(0, 1): with the exact prediction f = (1 - t) x / ((1 - t)^2 + t^2) the variance of each state in closed
  // form, as the rows tell it.
  const flow_matching p;
  const auto table = dance_sde_sampler{.eta = 0.7f}.table(p, 2000);
  double variance = 1;
  for (const auto& row : table.rows) {
    const double t = static_cast<double>(row.time);
    const double o = (t - (1 - t)) / ((1 - t) * (1 - t) + t * t);  // (x - f) / t of x = 1
    const double gain = static_cast<double>(row.a) + static_cast<double>(row.b) * o;
    variance = gain * gain * variance + static_cast<double>(row.sigma) * static_cast<double>(row.sigma);
  }
  CHECK(variance == Approx(1.0).epsilon(0.01));
}

TEST_CASE("dance_sde_sampler refuses what it cannot do, by name") {
  CHECK_THROWS_WITH(dance_sde_sampler{}.table(fewstep::edm_denoiser{}, 4),
                    contains("dance_sde_sampler: at time 80") && contains("rectified_flow<P>"));
  CHECK_THROWS_WITH(dance_sde_sampler{}.table(fewstep::epsilon_prediction{}, 4), contains("rectified_flow<P>"));
  CHECK_THROWS_WITH(dance_sde_sampler{.eta = -1}.table(flow_matching{}, 4), contains("eta is -1"));
  CHECK_THROWS_WITH(dance_sde_sampler{.eta = std::numeric_limits<float>::infinity()}.table(flow_matching{}, 4),
                    contains("eta is inf"));
  CHECK_THROWS_WITH(dance_sde_sampler{}.table(flow_matching{}, 1), contains("horizon is 1"));
}
