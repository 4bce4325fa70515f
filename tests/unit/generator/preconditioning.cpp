// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/generator/preconditioning.hpp>

#include <cmath>
#include <vector>

namespace {

struct published_level {
  float time;
  double alpha_bar, signal, noise, c_skip, c_out;
};

// The scaled-linear schedule of latent diffusion and the boundary condition of its consistency models, computed in
// double precision by an independent program.
const std::vector<published_level> published = {{0, 0.99915000, 0.99957491, 0.02915476, 1, 0},
                                                {1, 0.99829603, 0.99914765, 0.04127920, 2.494e-3, 0.9987523389},
                                                {99, 0.89546277, 0.94628895, 0.32332217, 2.551e-7, 0.9999998725},
                                                {159, 0.81499010, 0.90276802, 0.43012777, 9.889e-8, 0.9999999506},
                                                {279, 0.62572939, 0.79103059, 0.61177660, 3.212e-8, 0.9999999839},
                                                {399, 0.42608636, 0.65275291, 0.75757088, 1.570e-8, 0.9999999921},
                                                {519, 0.25157775, 0.50157527, 0.86511401, 9.281e-9, 0.9999999954},
                                                {639, 0.12591052, 0.35483872, 0.93492753, 6.123e-9, 0.9999999969},
                                                {759, 0.05221293, 0.22850148, 0.97354356, 4.340e-9, 0.9999999978},
                                                {879, 0.01753416, 0.13241661, 0.99119415, 3.236e-9, 0.9999999984},
                                                {999, 0.00466010, 0.06826491, 0.99766723, 2.505e-9, 0.9999999987}};

/// The prediction f of a network that answers o, in double precision.
template <class P>
double prediction(const P& p, float t, double x, double o) {
  const auto [in, skip, out] = p(t);
  return static_cast<double>(skip) * x + static_cast<double>(out) * o;
}

}  // namespace

TEST_CASE("the scaled-linear schedule has its published levels") {
  const fewstep::lcm p;
  for (const auto& row : published) {
    CAPTURE(row.time);
    CHECK(p.schedule.alpha_bar(static_cast<int>(row.time)) == Approx(row.alpha_bar).margin(6e-9));
    CHECK(p.exact_level(row.time).signal == Approx(row.signal).margin(6e-9));
    CHECK(p.exact_level(row.time).noise == Approx(row.noise).margin(6e-9));
    CHECK(p.level(row.time).signal == static_cast<float>(p.exact_level(row.time).signal));
    CHECK(p.boundary_at(row.time).skip == Approx(row.c_skip).epsilon(3e-4));
    CHECK(p.boundary_at(row.time).out == Approx(row.c_out).margin(6e-11));
  }
}

TEST_CASE("discrete times round to the nearest timestep and stay within the schedule") {
  const fewstep::scaled_linear_schedule schedule;
  CHECK(schedule.timestep(498.6f) == 499);
  CHECK(schedule.timestep(499.4f) == 499);
  CHECK(schedule.timestep(-3.0f) == 0);
  CHECK(schedule.timestep(1e9f) == 999);
}

TEST_CASE("every preconditioning recovers the clean sample from a perfect network") {
  const double clean = 0.37, eps = -1.21;
  for (const float t : {1.0f, 159.0f, 519.0f, 999.0f}) {
    CAPTURE(t);
    const auto [signal, noise] = fewstep::epsilon_prediction{}.exact_level(t);
    const double x = signal * clean + noise * eps;
    CHECK(prediction(fewstep::epsilon_prediction{}, t, x, eps) == Approx(clean).margin(3e-6));
    CHECK(prediction(fewstep::velocity_prediction{}, t, x, signal * eps - noise * clean) == Approx(clean).margin(3e-7));
    const auto [c_skip, c_out] = fewstep::lcm{}.boundary_at(t);
    CHECK(prediction(fewstep::lcm{}, t, x, eps) == Approx(c_out * clean + c_skip * x).margin(3e-6));
  }
  for (const float t : {0.125f, 0.5f, 1.0f}) {
    const double x = (1 - static_cast<double>(t)) * clean + static_cast<double>(t) * eps;
    CHECK(prediction(fewstep::flow_matching{}, t, x, eps - clean) == Approx(clean).margin(1e-7));
  }
}

TEST_CASE("the EDM coefficients are those of the papers") {
  const double sd = 0.5;
  for (const float t : {0.002f, 0.1f, 0.821f, 10.0f, 80.0f}) {
    CAPTURE(t);
    const double time = static_cast<double>(t), floor = static_cast<double>(0.002f);
    const auto consistency = fewstep::edm_consistency{}(t);
    CHECK(consistency.skip == Approx(sd * sd / (std::pow(time - floor, 2) + sd * sd)).epsilon(1e-6));
    CHECK(consistency.out == Approx(sd * (time - floor) / std::hypot(time, sd)).epsilon(1e-6));
    CHECK(consistency.in == Approx(1 / std::hypot(time, sd)).epsilon(1e-6));
    const auto denoiser = fewstep::edm_denoiser{}(t);
    CHECK(denoiser.skip == Approx(sd * sd / (time * time + sd * sd)).epsilon(1e-6));
    CHECK(denoiser.out == Approx(sd * time / std::hypot(time, sd)).epsilon(1e-6));
    CHECK(denoiser.in == consistency.in);
  }
}

TEST_CASE("a consistency function is the identity at its boundary") {
  for (const float sigma_min : {0.002f, 0.003f, 0.1f}) {
    const fewstep::edm_consistency p{.sigma_data = 0.27f, .sigma_min = sigma_min};
    CHECK(p(sigma_min).skip == 1.0f);
    CHECK(p(sigma_min).out == 0.0f);
    CHECK(p.noise_floor() == sigma_min);
  }
  CHECK(fewstep::lcm{}(0).skip == 1.0f);
  CHECK(fewstep::lcm{}(0).out == 0.0f);
}

TEST_CASE("a trajectory starts at unit variance or at the noise of its first time") {
  CHECK(fewstep::initial_sigma(fewstep::lcm{}, 999) == 1.0f);
  CHECK(fewstep::initial_sigma(fewstep::edm_consistency{}, 80) == 80.0f);
  CHECK(fewstep::initial_sigma(fewstep::flow_matching{}, 1) == 1.0f);
}
