// SPDX-License-Identifier: Apache-2.0
#include <fewstep/generator/rescaled.hpp>

#include "test.hpp"

#include <fewstep/sampler/consistency.hpp>
#include <fewstep/sampler/ddim.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <vector>

using fewstep::ddim_sampler;
using fewstep::edm_consistency;
using fewstep::edm_denoiser;
using fewstep::rectified_flow;
using fewstep::step_row;
using fewstep::step_table;
using fewstep::variance_preserving;

namespace {

/// How large a state of the process is beside one of signal 1.
template <class P>
double scale(const P& p, float time) {
  return fewstep::exact_level(p, time).signal;
}

double number(float x) { return static_cast<double>(x); }

/// Deterministic rollout of a network that is linear in its input, o = 0.3 in x - 0.2 and a little of the time.
double rollout(const step_table& table, double x) {
  for (const step_row& row : table.rows) {
    const double o = 0.3 * number(row.in) * x - 0.2 + 0.01 * std::log(number(row.time));
    x = number(row.a) * x + number(row.b) * o;
  }
  return x;
}

/// Both tables are the same law, the second in states scaled by `signal(time)`.
template <class P>
void check_same_law(const step_table& edm, const step_table& scaled, const P& p) {
  REQUIRE(edm.rows.size() == scaled.rows.size());
  for (std::size_t i = 0; i < edm.rows.size(); ++i) {
    const step_row &row = edm.rows[i], &other = scaled.rows[i];
    const double now = scale(p, row.time), next = scale(p, row.next_time);
    CAPTURE(i, row.time, row.next_time);
    CHECK(other.time == row.time);
    CHECK(other.next_time == row.next_time);
    CHECK(number(other.a) == Approx(number(row.a) * next / now).epsilon(2e-6).margin(1e-6));
    CHECK(number(other.b) == Approx(number(row.b) * next).epsilon(2e-6).margin(1e-7));
    CHECK(number(other.sigma) == Approx(number(row.sigma) * next).epsilon(2e-6));
    CHECK(number(other.in) == Approx(number(row.in) / now).epsilon(2e-7));
    CHECK(number(other.skip) == Approx(number(row.skip) / now).epsilon(2e-7));
    CHECK(other.out == row.out);
  }
}

}  // namespace

TEST_CASE("a variance-preserving state has unit noise and signal together, a flow's sum up") {
  const variance_preserving<edm_denoiser> preserving;
  const rectified_flow<edm_denoiser> straight;
  for (const float sigma : {0.002f, 0.0292f, 0.7f, 14.6f, 80.0f}) {
    const auto vp = preserving.exact_level(sigma), flow = straight.exact_level(sigma);
    CHECK(vp.signal * vp.signal + vp.noise * vp.noise == Approx(1).epsilon(1e-14));
    CHECK(flow.signal + flow.noise == Approx(1).epsilon(1e-14));
    CHECK(vp.noise / vp.signal == Approx(number(sigma)).epsilon(1e-14));
    CHECK(flow.noise / flow.signal == Approx(number(sigma)).epsilon(1e-14));
    CHECK(straight.time_of_noise(flow.noise) == Approx(sigma).epsilon(1e-6));
    CHECK(preserving.level(sigma).signal == static_cast<float>(vp.signal));
    CHECK(straight.level(sigma).noise == static_cast<float>(flow.noise));
  }
}

TEST_CASE("a rescaled network gives the prediction that it gives in its own process") {
  const edm_consistency base{.sigma_data = 0.5f, .sigma_min = 0.01f, .sigma_max = 40};
  const auto check_process = [&](const auto& p) {
    for (const float sigma : {0.03f, 0.8f, 14.0f}) {
      const double x = 1.3, o = -0.4, s = 1 / scale(p, sigma);
      const auto own = base(sigma), other = p(sigma);
      CHECK(number(other.in) * x == Approx(number(own.in) * s * x).epsilon(2e-7));
      CHECK(number(other.skip) * x + number(other.out) * o ==
            Approx(number(own.skip) * s * x + number(own.out) * o).epsilon(2e-7));
    }
    CHECK(p.noise_floor() == 0.01f);
  };
  check_process(variance_preserving<edm_consistency>{base});
  check_process(rectified_flow<edm_consistency>{base});
}

TEST_CASE("a variance-preserving EDM network has the timesteps and deviations of DDPO") {
  const variance_preserving<edm_denoiser> p;
  const auto table = ddim_sampler{}.table(p, 50);
  REQUIRE(table.horizon() == 50);
  CHECK(table.trained == 50);
  CHECK(table.initial_sigma == 1.0f);
  CHECK(table.result == fewstep::emitted::state);
  const auto deviation = [&](int timestep) {
    const float time = p.time_of_timestep(timestep);
    return number(
        std::find_if(table.rows.begin(), table.rows.end(), [&](const auto& row) { return row.time == time; })->sigma);
  };
  CHECK(deviation(981) == Approx(0.454463).margin(6e-7));
  CHECK(deviation(961) == Approx(0.448282).margin(6e-7));
  CHECK(deviation(501) == Approx(0.294785).margin(6e-7));
  CHECK(deviation(41) == Approx(0.099887).margin(6e-7));
  CHECK(deviation(21) == Approx(0.039480).margin(6e-7));
  CHECK(deviation(1) == Approx(0.020648).margin(6e-7));
  CHECK(table.rows.back().next_time == p.min_time());
  const auto discrete = ddim_sampler{}.table(fewstep::epsilon_prediction{}, 50);
  for (std::size_t i = 0; i < 50; ++i) CHECK(table.rows[i].sigma == Approx(discrete.rows[i].sigma).epsilon(1e-5));
}

TEST_CASE("one network sampled in three processes is the same law") {
  // sigma_min is that of timestep 0, so that all land at one level.
  const float lowest = variance_preserving<edm_denoiser>{}.time_of_timestep(0);
  const edm_denoiser base{.sigma_data = 0.5f, .sigma_min = lowest, .sigma_max = 80};
  const variance_preserving<edm_denoiser> preserving{base};
  const rectified_flow<edm_denoiser> straight{base};
  std::vector<float> times;
  for (const auto& row : ddim_sampler{}.table(preserving, 20).rows) times.push_back(row.time);
  for (const float eta : {0.0f, 0.6f, 1.0f}) {
    CAPTURE(eta);
    const auto own = ddim_sampler{.eta = eta, .times = times}.table(base, 20);
    check_same_law(own, ddim_sampler{.eta = eta}.table(preserving, 20), preserving);
    check_same_law(own, ddim_sampler{.eta = eta, .times = times}.table(straight, 20), straight);
  }
  const auto own = ddim_sampler{.eta = 0, .times = times}.table(base, 20);
  const double x = 4.2, result = rollout(own, x);
  CHECK(rollout(ddim_sampler{.eta = 0}.table(preserving, 20), x * scale(preserving, times[0])) ==
        Approx(result * scale(preserving, lowest)).epsilon(1e-5));
  CHECK(rollout(ddim_sampler{.eta = 0, .times = times}.table(straight, 20), x * scale(straight, times[0])) ==
        Approx(result * scale(straight, lowest)).epsilon(1e-5));
}

TEST_CASE("a rescaled consistency model keeps its floor: the noise added is that of its own process, scaled") {
  const edm_consistency base{.sigma_data = 0.5f, .sigma_min = 0.05f, .sigma_max = 40};
  const std::vector<float> times = {10, 2, 0.4f, 0.08f};
  const auto own = fewstep::consistency_sampler{.times = times}.table(base, 4);
  const auto check_process = [&](const auto& p) {
    const auto table = fewstep::consistency_sampler{.times = times}.table(p, 4);
    for (std::size_t i = 0; i < 3; ++i) {
      const double next = scale(p, times[i + 1]);
      CHECK(number(table.rows[i].sigma) == Approx(number(own.rows[i].sigma) * next).epsilon(2e-6));
      CHECK(number(table.rows[i].b) == Approx(number(own.rows[i].b) * next).epsilon(2e-6));
    }
    CHECK(table.rows[3].sigma == 0.0f);
    CHECK(table.rows[3].b == own.rows[3].b);  // f is not scaled
  };
  check_process(variance_preserving<edm_consistency>{base});
  check_process(rectified_flow<edm_consistency>{base});
}

TEST_CASE("a rescaled process begins at its own variance and spreads its times in its own clock") {
  const variance_preserving<edm_denoiser> preserving;
  const rectified_flow<edm_denoiser> straight{{.sigma_max = 79}};
  CHECK(fewstep::initial_sigma(preserving, 14.0f) == 1.0f);
  CHECK(fewstep::initial_sigma(straight, 1.0f) == 0.5f);
  const auto steps = fewstep::default_times(preserving, 4);
  for (const int i : {0, 1, 2, 3})
    CHECK(steps[static_cast<std::size_t>(i)] == preserving.time_of_timestep(999 - 250 * i));
  const auto flow = fewstep::default_times(straight, 4);
  CHECK(flow[0] == 79.0f);
  const double high = 79.0 / 80, low = number(0.002f) / (1 + number(0.002f));
  for (std::size_t i = 0; i < 4; ++i)
    CHECK(straight.exact_level(flow[i]).noise == Approx(high + (low - high) * static_cast<double>(i) / 4));
}

TEST_CASE("a network is not asked for times beyond those it knows") {
  CHECK(variance_preserving<edm_denoiser>{}.min_time() == Approx(0.029168).epsilon(1e-4));
  CHECK(variance_preserving<edm_denoiser>{}.max_time() == Approx(14.6146).epsilon(1e-4));
  const variance_preserving<edm_denoiser> narrow{{.sigma_min = 0.05f, .sigma_max = 10}};
  CHECK(narrow.min_time() == 0.05f);
  CHECK(narrow.max_time() == 10.0f);
  CHECK_THROWS_WITH(ddim_sampler{}.table(narrow, 50),
                    contains("ask the network for time 13.") && contains("outside [0.05, 10]"));
  const variance_preserving<edm_denoiser> coarse{{.sigma_min = 0.05f, .sigma_max = 80}};
  CHECK_THROWS_WITH(ddim_sampler{}.table(coarse, 50), contains("ask the network for time 0.04"));
  CHECK_THROWS_WITH(fewstep::default_times(narrow, 4), contains("this generator knows [0.05, 10]"));
  CHECK_NOTHROW(ddim_sampler{.times = {10, 1, 0.1f}}.table(narrow, 3));
  // A shorter schedule is within its range.
  const variance_preserving<edm_denoiser> fitting{{.sigma_max = 10}, {.beta_end = 0.01}};
  CHECK_NOTHROW(ddim_sampler{}.table(fitting, 50));
}
