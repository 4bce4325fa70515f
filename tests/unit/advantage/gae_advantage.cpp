// SPDX-License-Identifier: Apache-2.0
#include "support/arrays.hpp"
#include "test.hpp"

#include <fewstep/advantage/gae_advantage.hpp>
#include <fewstep/backend/cpu/backend.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

using fewstep::array_extents;
using fewstep::cpu_backend;
using fewstep::earned_steps;
using fewstep::gae_advantage;
using fewstep::index_t;
using fewstep::matrix;

namespace {

/// A value function that says what it was told, and keeps what it is asked to learn.
struct told_values {
  std::vector<float> told, targets, weights;
  void values(cpu_backend&, const fewstep::batch<std::int32_t>&, std::span<float> out) {
    std::copy(told.begin(), told.end(), out.begin());
  }
  double fit(cpu_backend&, const fewstep::batch<std::int32_t>&, std::span<const float> t, std::span<const float> w) {
    targets.assign(t.begin(), t.end());
    weights.assign(w.begin(), w.end());
    return 0;
  }
};
static_assert(fewstep::step_advantage<gae_advantage<told_values>, cpu_backend, std::int32_t>);

/// Three steps of four samples.
struct rollout {
  static constexpr index_t steps = 3, samples = 4;
  std::vector<float> rewards = fewstep::test::normals<float>(12, 1), weights = std::vector<float>(12, 1.0f);
  std::vector<float> out = std::vector<float>(12);
  cpu_backend backend{{.threads = 1}};

  [[nodiscard]] earned_steps<std::int32_t> earned() const { return {{}, {rewards.data(), {steps, samples}}, weights}; }
  [[nodiscard]] matrix<float> to() { return {out.data(), {steps, samples}}; }
};

}  // namespace

TEST_CASE("the advantages of steps are GAE of a trajectory that ends with its last step") {
  rollout r;
  told_values value{fewstep::test::normals<float>(12, 2), {}, {}};
  gae_advantage advantage(value, {.estimate = {.discount = 0.9f, .lambda = 0.8f}, .standardizes = false});
  advantage.weigh(r.backend, r.earned(), r.to());
  for (std::size_t i = 0; i < 4; ++i) {
    const auto reward = [&](std::size_t k) { return static_cast<double>(r.rewards[4 * k + i]); };
    const auto v = [&](std::size_t k) { return static_cast<double>(value.told[4 * k + i]); };
    const double last = reward(2) - v(2), middle = reward(1) + 0.9 * v(2) - v(1) + 0.72 * last;
    CHECK(static_cast<double>(r.out[8 + i]) == Approx(last).epsilon(1e-5));
    CHECK(static_cast<double>(r.out[4 + i]) == Approx(middle).epsilon(1e-5));
    CHECK(static_cast<double>(r.out[i]) == Approx(reward(0) + 0.9 * v(1) - v(0) + 0.72 * middle).epsilon(1e-5));
  }
  CHECK(value.targets.empty());
  advantage.learn(r.backend, r.earned());
  for (std::size_t i = 0; i < 12; ++i) CHECK(value.targets[i] == Approx(r.out[i] + value.told[i]).margin(1e-6));
  CHECK(value.weights == r.weights);
}

TEST_CASE("standardized advantages of steps have mean 0 and deviation 1 over the samples that count") {
  rollout r;
  for (std::size_t k = 0; k < 3; ++k) {
    r.weights[4 * k + 2] = 0;
    r.rewards[4 * k + 2] = 1e6f;
  }
  told_values value{std::vector<float>(12), {}, {}};
  gae_advantage advantage(value);
  advantage.weigh(r.backend, r.earned(), r.to());
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < 12; ++i) {
    sum += static_cast<double>(r.weights[i] * r.out[i]);
    squares += static_cast<double>(r.weights[i] * r.out[i] * r.out[i]);
  }
  CHECK(sum == Approx(0).margin(1e-5));
  CHECK(squares == Approx(9).epsilon(1e-5));
  // The same rollout weighs the same again.
  const std::vector<float> before = r.out;
  advantage.weigh(r.backend, r.earned(), r.to());
  CHECK(r.out == before);
}
