// SPDX-License-Identifier: Apache-2.0
#include "support/published_timesteps.hpp"
#include "test.hpp"

#include <fewstep/generator/rescaled.hpp>
#include <fewstep/sampler/ddim.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

using fewstep::ddim_sampler;

TEST_CASE("ddim_sampler has the timesteps and deviations of DDPO") {
  const auto table = ddim_sampler{}.table(fewstep::epsilon_prediction{}, 50);
  REQUIRE(table.horizon() == 50);
  CHECK(table.trained == 50);
  CHECK(table.result == fewstep::emitted::state);
  CHECK(table.initial_sigma == 1.0f);
  for (std::size_t i = 0; i < 50; ++i) CHECK(table.rows[i].time == 981.0f - 20.0f * static_cast<float>(i));
  CHECK(table.rows.back().next_time == 0.0f);
  const auto deviation = [&](float time) {
    return static_cast<double>(
        std::find_if(table.rows.begin(), table.rows.end(), [&](const auto& row) { return row.time == time; })->sigma);
  };
  CHECK(deviation(981) == Approx(0.454463).margin(6e-7));
  CHECK(deviation(961) == Approx(0.448282).margin(6e-7));
  CHECK(deviation(501) == Approx(0.294785).margin(6e-7));
  CHECK(deviation(41) == Approx(0.099887).margin(6e-7));
  CHECK(deviation(21) == Approx(0.039480).margin(6e-7));
  CHECK(deviation(1) == Approx(0.020648).margin(6e-7));
}

TEST_CASE("a ddim_sampler row is the published step in terms of abar, written out") {
  const fewstep::epsilon_prediction p;
  const double x = 0.62, eps = -0.87;
  for (const double eta : {0.0, 0.4, 1.0}) {
    const auto table = ddim_sampler{.eta = static_cast<float>(eta)}.table(p, 50);
    for (const auto& row : table.rows) {
      const double now = p.schedule.alpha_bar(static_cast<int>(row.time));
      const double next = p.schedule.alpha_bar(std::max(static_cast<int>(row.time) - 20, 0));
      const double rate = static_cast<double>(static_cast<float>(eta));
      const double variance = rate * rate * (1 - next) / (1 - now) * (1 - now / next);
      const double clean = (x - std::sqrt(1 - now) * eps) / std::sqrt(now);
      const double mean = std::sqrt(next) * clean + std::sqrt(1 - next - variance) * eps;
      CAPTURE(eta, row.time);
      CHECK(static_cast<double>(row.a) * x + static_cast<double>(row.b) * eps == Approx(mean).margin(2e-6));
      CHECK(static_cast<double>(row.sigma) == Approx(std::sqrt(variance)).margin(1e-7));
    }
  }
}

TEST_CASE("ddim_sampler gives the same trajectory in variance-preserving and -exploding coordinates") {
  const fewstep::epsilon_prediction preserving;
  const auto latent = ddim_sampler{}.table(preserving, 10);
  std::vector<float> sigmas;
  for (const auto& row : latent.rows) {
    const auto [signal, noise] = preserving.exact_level(row.time);
    sigmas.push_back(static_cast<float>(noise / signal));
  }
  const auto [last_signal, last_noise] = preserving.exact_level(0);
  const fewstep::edm_denoiser exploding{.sigma_min = static_cast<float>(last_noise / last_signal)};
  const auto pixel = ddim_sampler{.times = sigmas}.table(exploding, 10);
  for (std::size_t i = 0; i < 10; ++i) {
    const auto& vp = latent.rows[i];
    const auto& ve = pixel.rows[i];
    const double next_signal = preserving.exact_level(vp.next_time).signal;
    const double now_signal = preserving.exact_level(vp.time).signal;
    // x_ve = x_vp / signal. Both rows are x' = p x + q f + sigma z with the same f.
    const double q_vp = static_cast<double>(vp.b) / static_cast<double>(vp.out);
    const double q_ve = static_cast<double>(ve.b) / static_cast<double>(ve.out);
    const double p_vp = static_cast<double>(vp.a) - q_vp * static_cast<double>(vp.skip);
    const double p_ve = static_cast<double>(ve.a) - q_ve * static_cast<double>(ve.skip);
    CAPTURE(i);
    CHECK(static_cast<double>(vp.sigma) / next_signal == Approx(static_cast<double>(ve.sigma)).epsilon(1e-5));
    CHECK(q_vp / next_signal == Approx(q_ve).epsilon(1e-5));
    CHECK(p_vp * now_signal / next_signal == Approx(p_ve).margin(1e-4));
  }
}

TEST_CASE("ddim_sampler with eta 0 is deterministic and trains nothing") {
  const auto table = ddim_sampler{.eta = 0.0f}.table(fewstep::edm_denoiser{}, 5);
  CHECK(table.trained == 0);
  for (const auto& row : table.rows) {
    CAPTURE(row.time);
    CHECK(row.sigma == 0.0f);
    // Euler's step of the probability flow: x' = x + (t' - t) (x - f) / t.
    const double t = static_cast<double>(row.time), next = static_cast<double>(row.next_time);
    const double a = next / t + (1 - next / t) * static_cast<double>(row.skip);
    CHECK(static_cast<double>(row.a) == Approx(a).epsilon(1e-6));
    CHECK(static_cast<double>(row.b) == Approx((1 - next / t) * static_cast<double>(row.out)).epsilon(1e-6));
  }
  CHECK(table.rows.back().next_time == 0.002f);
}

TEST_CASE("ddim_sampler on a flow lands on the sample without noise, and does not train that row") {
  const auto table = ddim_sampler{}.table(fewstep::flow_matching{}, 4);
  CHECK(table.trained == 3);
  CHECK(table.rows[0].a == Approx(0.25));
  CHECK(table.rows[0].sigma == 0.75f);
  CHECK(table.rows[3].sigma == 0.0f);
  CHECK(table.rows[3].a == 1.0f);
  CHECK(table.rows[3].b == -0.25f);
}

namespace {

/// A table whose last call stands where it would land: the call is not trained, leaves the state as it is, and its
/// clean prediction is the result, with noise and without.
template <class P>
void check_standing_end(const ddim_sampler& sampler, const P& p, int calls, int trained) {
  for (const auto& [made, learns] : {std::pair{sampler, trained}, std::pair{sampler.without_noise(), 0}}) {
    const auto table = made.table(p, calls);
    CAPTURE(calls, made.eta, table.rows.back().time);
    REQUIRE(table.horizon() == calls);
    CHECK(table.first_trained == 0);
    CHECK(table.trained == learns);
    CHECK(table.result == fewstep::emitted::clean);
    const auto& last = table.rows.back();
    CHECK(last.a == 1.0f);
    CHECK(last.b == 0.0f);
    CHECK(last.sigma == 0.0f);
    for (int k = 0; k < learns; ++k) CHECK(table.rows[static_cast<std::size_t>(k)].sigma > 0.0f);
  }
}

}  // namespace

TEST_CASE("ddim_sampler does not train a last call that stands at timestep 0, whose prediction is the result") {
  const fewstep::epsilon_prediction p;
  for (const float eta : {0.01f, 0.3f, 1.0f}) {
    for (const int calls : {2, 10, 50, 999, 1000})
      check_standing_end({.eta = eta, .steps_offset = 0}, p, calls, calls - 1);
    check_standing_end({.eta = eta, .times = {999, 500, 0}}, p, 3, 2);
    check_standing_end({.eta = eta, .times = {999, 500, 0.25f}}, p, 3, 2);
    check_standing_end({.eta = eta, .times = {999, 500, 0}}, fewstep::velocity_prediction{}, 3, 2);
    check_standing_end({.eta = eta, .steps_offset = 0}, fewstep::variance_preserving<fewstep::edm_denoiser>{}, 50, 49);
    check_standing_end({.eta = eta, .times = {80, 1, 0.002f}}, fewstep::edm_consistency{}, 3, 2);
    check_standing_end({.eta = eta, .times = {80, 1, 0.002f}}, fewstep::rectified_flow<fewstep::edm_denoiser>{}, 3, 2);
    // A flow has no noise left at 0, so that the step which leads there has none either.
    check_standing_end({.eta = eta, .times = {1, 0.5f, 0.25f, 0}}, fewstep::flow_matching{}, 4, 2);
  }
  check_standing_end({.steps_offset = 0}, p, 1, 0);
}

namespace {

/// A process of 1000 timesteps whose levels cost nothing.
struct plain_timesteps {
  fewstep::coefficients operator()(float) const { return {1, 1, -1}; }
  fewstep::noise_level level(float t) const { return {1, t + 1}; }
  float noise_floor() const { return 0; }
  float min_time() const { return 0; }
  float max_time() const { return 999; }
  int training_steps() const { return 1000; }
};

}  // namespace

TEST_CASE("ddim_sampler has the leading timesteps of diffusers for every number of steps") {
  for (const auto& [offset, most, digest] : fewstep::test::published_timesteps("leading")) {
    fewstep::test::timestep_digest all;
    for (int calls = 1; calls <= most; ++calls) {
      std::vector<float> times;
      for (const auto& row : ddim_sampler{.steps_offset = offset}.table(plain_timesteps{}, calls).rows)
        times.push_back(row.time);
      all.add(times);
    }
    CAPTURE(offset);
    CHECK(all.value == digest);
  }
}

TEST_CASE("ddim_sampler with steps_offset 0 has the steps of diffusers' default, DDIMScheduler") {
  // diffusers 0.42.1, DDIMScheduler(beta_start=.00085, beta_end=.012, beta_schedule="scaled_linear"), 50 steps, eta 1:
  // sqrt(_get_variance(t, t - 20)), which is 0 at t = 0.
  const auto table = ddim_sampler{.steps_offset = 0}.table(fewstep::epsilon_prediction{}, 50);
  for (std::size_t i = 0; i < 50; ++i) CHECK(table.rows[i].time == 980.0f - 20.0f * static_cast<float>(i));
  CHECK(static_cast<double>(table.rows[0].sigma) == Approx(0.454155).margin(6e-7));
  CHECK(static_cast<double>(table.rows[24].sigma) == Approx(0.294430).margin(6e-7));
  CHECK(static_cast<double>(table.rows[48].sigma) == Approx(0.028496).margin(6e-7));
  CHECK(table.rows[49].sigma == 0.0f);
}

TEST_CASE("ddim_sampler at Karras times down to sigma_min has the steps of diffusers' EDMEulerScheduler") {
  // diffusers 0.42.1, EDMEulerScheduler(sigma_min=.002, sigma_max=80, sigma_data=.5), 5 steps: its sigmas, and the
  // state after a step from state 2 under the network output 0.7. The last sigma is 0: the step makes the clean
  // prediction.
  const double sigmas[] = {80, 17.52783203125, 2.51521897315979, 0.16975276172161102, 0.002};
  const double states[] = {0.711567163, 0.588043451, 0.525994182, 1.906926155, 2.001368046};
  std::vector<float> times = fewstep::karras_times(80, 0.002f, 4);
  times.push_back(0.002f);
  const auto table = ddim_sampler{.eta = 0, .times = times}.table(fewstep::edm_denoiser{}, 5);
  REQUIRE(table.result == fewstep::emitted::clean);
  for (std::size_t i = 0; i < 5; ++i) {
    const auto& row = table.rows[i];
    const bool last = i == 4;
    CAPTURE(i);
    CHECK(static_cast<double>(row.time) == Approx(sigmas[i]).epsilon(1e-6));
    const double on_state = static_cast<double>(last ? row.skip : row.a);
    const double on_output = static_cast<double>(last ? row.out : row.b);
    CHECK(on_state * 2 + on_output * 0.7 == Approx(states[i]).epsilon(1e-6));
  }
}

TEST_CASE("ddim_sampler keeps the marginal of a Gaussian data law") {
  // x_0 ~ N(0, 1): with the exact denoiser, f = signal x / (signal^2 + noise^2), one step from the marginal at t leads
  // towards the marginal at t'; the exact variance of its result in closed form, as the rows tell it.
  const fewstep::edm_denoiser p{.sigma_max = 5.0f};
  const auto table = ddim_sampler{}.table(p, 400);
  double variance = 1 + 25.0;
  for (const auto& row : table.rows) {
    const double t = static_cast<double>(row.time);
    const double q = static_cast<double>(row.b) / static_cast<double>(row.out);
    const double gain = static_cast<double>(row.a) - q * static_cast<double>(row.skip) + q / (1 + t * t);
    variance = gain * gain * variance + static_cast<double>(row.sigma) * static_cast<double>(row.sigma);
  }
  CHECK(variance == Approx(1.0).epsilon(0.03));
}

TEST_CASE("ddim_sampler steps to the next of its times, whatever their gaps") {
  // Data of deviation 0.5, whose noise is known: eps = noise x / (signal^2 / 4 + noise^2), so that a row scales the
  // state. diffusers steps to t - 1000 / calls instead and has 0.023 with 61 calls, 0.706 with 501 (docs/samplers.md).
  const fewstep::epsilon_prediction p;
  for (const int calls : {60, 61, 500, 501, 700}) {
    const auto table = ddim_sampler{.eta = 0, .times = fewstep::default_times(p, calls)}.table(p, calls);
    double deviation = 1;
    for (const auto& row : table.rows) {
      const auto [signal, noise] = p.exact_level(row.time);
      const double eps = noise / (signal * signal / 4 + noise * noise);
      deviation *= static_cast<double>(row.a) + static_cast<double>(row.b) * eps;
    }
    CAPTURE(calls);
    CHECK(deviation == Approx(0.5).epsilon(0.05));
    if (calls >= 500) CHECK(deviation == Approx(0.5).epsilon(0.005));
  }
}

TEST_CASE("ddim_sampler refuses what it cannot do, by name") {
  const fewstep::epsilon_prediction p;
  CHECK_THROWS_WITH(ddim_sampler{.eta = 1.5f}.table(p, 50), contains("eta is 1.5; it must be in [0, 1]"));
  CHECK_THROWS_WITH(ddim_sampler{}.table(p, 1000),
                    contains("leaves the 1000 timesteps") && contains("use fewer calls or a smaller steps_offset"));
  CHECK_THROWS_WITH(ddim_sampler{.steps_offset = std::numeric_limits<int>::max()}.table(p, 50),
                    contains("leaves the 1000 timesteps"));
  CHECK_THROWS_WITH(ddim_sampler{}.table(p, 0), contains("0 network calls"));
}
