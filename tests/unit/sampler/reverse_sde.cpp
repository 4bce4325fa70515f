// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

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
  // A row without noise cannot be trained, wherever it stands.
  CHECK_THROWS_WITH(table(fewstep::last_step::mask), contains("row 0 (time 1 to 0.5) is trained but its sigma is 0"));
  CHECK(asked == std::vector<std::size_t>{0, 1});
}
