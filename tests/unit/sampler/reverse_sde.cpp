// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/generator/rescaled.hpp>
#include <fewstep/sampler/reverse_sde.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

TEST_CASE("a step of the reverse equation is its drift and diffusion, written out") {
  const double x = 0.8, f = -0.3, t = 0.6, next = 0.45, s = 0.9;
  const double dt = next - t, v = (x - f) / t, eps = (x - (1 - t) * f) / t;
  const double mean = x + (v + s * s / 2 * eps / t) * dt;  // score = -eps / t
  const auto [p, q, sigma, duration] = fewstep::reverse_sde_step(t, next, s);
  CHECK(p * x + q * f == Approx(mean).epsilon(1e-12));
  CHECK(sigma == Approx(s * std::sqrt(-dt)));
  CHECK(duration == -dt);
}

TEST_CASE("without diffusion the reverse equation lands on the prediction exactly") {
  for (const double t : {0.1, 0.25, 1.0 / 3, 0.9876, 1.0}) {
    const auto [p, q, sigma, duration] = fewstep::reverse_sde_step(t, 0, 0);
    CHECK(p == 0.0);
    CHECK(q == 1.0);
    CHECK(sigma == 0.0);
    CHECK(duration == t);
  }
}

TEST_CASE("the diffusion is asked for every drawn step, with all times and the landing") {
  std::vector<std::size_t> asked;
  const auto diffusion = [&](std::size_t k, std::span<const double> t) {
    asked.push_back(k);
    CHECK(t.size() == 4);
    CHECK(t.back() == 0.0);
    return k == 0 ? 0.0 : 0.5;
  };
  const std::vector<float> times = {1.0f, 0.5f, 0.25f};
  const auto table = [&](fewstep::last_step last) {
    return fewstep::reverse_sde_table(fewstep::flow_matching{}, times, last, "test", diffusion);
  };
  const auto quiet_end = table(fewstep::last_step::mask);
  CHECK(asked == std::vector<std::size_t>{0, 1});
  CHECK(quiet_end.first_trained == 1);  // a row without noise cannot be trained
  CHECK(quiet_end.trained == 1);
  const auto noisy_end = table(fewstep::last_step::stochastic);
  CHECK(asked == std::vector<std::size_t>{0, 1, 0, 1, 2});
  CHECK(noisy_end.first_trained == 1);
  CHECK(noisy_end.trained == 2);
}

TEST_CASE("a call at the cleanest time moves nothing: the last step of the reverse equation is the one before") {
  using fewstep::last_step;
  const auto check_process = [](const auto& p, const std::vector<float>& times) {
    const auto made = [&](last_step last) {
      return fewstep::reverse_sde_table(p, times, last, "test",
                                        [](std::size_t, std::span<const double>) { return 0.5; });
    };
    for (const last_step last : {last_step::mask, last_step::reference, last_step::stochastic}) {
      const auto table = made(last);
      REQUIRE(table.horizon() == 4);
      CHECK(table.trained == (last == last_step::stochastic ? 3 : 2));
      CHECK((table.rows[2].sigma == 0.0f) == (last == last_step::mask));
      CHECK(table.rows[3].a == 1.0f);
      CHECK(table.rows[3].b == 0.0f);
      CHECK(table.rows[3].sigma == 0.0f);
      CHECK(table.rows[3].duration == 0.0f);
      CHECK(table.result == fewstep::emitted::clean);
    }
  };
  check_process(fewstep::flow_matching{}, {1, 0.75f, 0.5f, 0});
  check_process(fewstep::rectified_flow<fewstep::edm_denoiser>{}, {60, 3, 1, 0.002f});
}
