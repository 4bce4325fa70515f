// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/generator/rescaled.hpp>
#include <fewstep/sampler/transition_row.hpp>

#include <cmath>

TEST_CASE("a transition row is the step x' = p x + q f + sigma z in terms of the network output") {
  const fewstep::edm_consistency p;
  const fewstep::prediction_step step{0.3, 0.6, 0.2, 0.75};
  const auto row = fewstep::transition_row(p, 5.0f, 1.0f, step);
  const auto [in, skip, out] = p(5.0f);
  const double x = 2.1, o = -0.7;
  const double f = static_cast<double>(skip) * x + static_cast<double>(out) * o;
  CHECK(static_cast<double>(row.a) * x + static_cast<double>(row.b) * o == Approx(0.3 * x + 0.6 * f).epsilon(1e-6));
  CHECK(row.sigma == 0.2f);
  CHECK(row.duration == 0.75f);
  CHECK(row.time == 5.0f);
  CHECK(row.next_time == 1.0f);
  CHECK(row.in == in);
  CHECK(row.skip == skip);
  CHECK(row.out == out);
}

TEST_CASE("a noised prediction has the next level's signal and as much of the old noise as is kept") {
  const fewstep::exact_noise_level now{0.6, 0.8}, next{0.9, 0.4};
  const double clean = 0.37, eps = -1.2;
  const auto [p, q, sigma, duration] = fewstep::noised_prediction(now, next, 0.25, 0.3);
  CHECK(p * (0.6 * clean + 0.8 * eps) + q * clean == Approx(0.9 * clean + 0.25 * eps));
  CHECK(sigma == 0.3);
  CHECK(duration == 0.0);  // one jump, no step of an equation
}

TEST_CASE("the noise to be added is that of the level less what the prediction keeps") {
  CHECK(fewstep::added_noise(fewstep::edm_consistency{.sigma_min = 0.3f}, 0.5f) == Approx(0.4).epsilon(1e-7));
  CHECK(fewstep::added_noise(fewstep::flow_matching{}, 0.25f) == 0.25);
  CHECK(fewstep::added_noise(fewstep::flow_matching{}, 0.0f) == 0.0);
  CHECK(fewstep::added_noise(fewstep::edm_consistency{}, 0.002f) == 0.0);
  CHECK(fewstep::added_noise(fewstep::edm_consistency{}, std::nextafter(0.002f, 1.0f)) > 0.0);
}

TEST_CASE("two levels have one noise if they differ by the rounding of double, not if by that of a time") {
  const auto check_process = [](const auto& p, float time) {
    const auto level = fewstep::exact_level(p, time), cleaner = fewstep::exact_level(p, std::nextafter(time, 0.0f));
    const auto rounded = [&](double by) { return fewstep::exact_noise_level{level.signal, level.noise * (1 + by)}; };
    CAPTURE(time);
    CHECK(fewstep::same_noise(level, level));
    CHECK(fewstep::same_noise(level, rounded(4e-16)));
    CHECK(fewstep::same_noise(level, rounded(-4e-16)));
    CHECK_FALSE(fewstep::same_noise(level, cleaner));
  };
  for (const float time : {0.002f, 0.5f, 1.0f}) {
    check_process(fewstep::flow_matching{}, time);
    check_process(fewstep::edm_denoiser{}, time);
    check_process(fewstep::rectified_flow<fewstep::edm_denoiser>{}, time);
    check_process(fewstep::variance_preserving<fewstep::edm_denoiser>{}, time);
  }
  CHECK(fewstep::same_noise(fewstep::exact_level(fewstep::flow_matching{}, 0), {1.0, 0.0}));
}
