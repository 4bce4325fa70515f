// SPDX-License-Identifier: Apache-2.0
// The policy gradient on data whose consistency function is known exactly, against closed forms.
#include "support/gaussian_consistency.hpp"
#include "test.hpp"

#include <fewstep/algorithm/policy_gradient.hpp>
#include <fewstep/objective/reinforce.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/reward/per_sample.hpp>
#include <fewstep/sampler/consistency.hpp>

#include <cmath>
#include <cstdint>
#include <vector>

using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::last_step;
using fewstep::test::gaussian_consistency;

namespace {

constexpr double first_time = 4, second_time = 1, target = 1, final_sigma = 0.5, mean = 0.3;
constexpr int samples = 512, updates = 300;

/// -|x - target|^2, shifted by a constant so that its gradient estimate has less variance.
float quadratic(fewstep::vec<const float> x, std::int32_t) {
  float sum = 0;
  for (const float value : x) sum += (value - static_cast<float>(target)) * (value - static_cast<float>(target));
  return 3.0f - sum;
}

/// Mean and standard error over updates.
struct estimate {
  double mean = 0, error = 0;
  explicit estimate(const std::vector<double>& values) {
    const auto n = static_cast<double>(values.size());
    for (const double v : values) mean += v / n;
    for (const double v : values) error += (v - mean) * (v - mean) / (n - 1) / n;
    error = std::sqrt(error);
  }
};

struct measured {
  estimate all, last;  ///< gradients of the mean over all trained rows, and over those of the last step
};

/// Policy gradients d J / d mean of many rollouts of two steps. The parameter does not move.
measured measure(last_step last, std::uint64_t seed) {
  cpu_backend backend({.threads = 1});
  gaussian_consistency model;
  using reward_type = fewstep::per_sample<float (*)(fewstep::vec<const float>, std::int32_t)>;
  const fewstep::consistency_sampler sampler{.times = {static_cast<float>(first_time), static_cast<float>(second_time)},
                                             .last = last,
                                             .final_sigma = static_cast<float>(final_sigma)};
  fewstep::policy_gradient trainer(
      backend, model,
      fewstep::policy_gradient_parts{.reward = reward_type(&quadratic),
                                     .optimizer = fewstep::sgd{.learning_rate = 0},
                                     .objective = fewstep::reinforce{},
                                     .advantage = fewstep::test::raw_advantage{},
                                     .sampler = sampler},
      {.horizon = 2, .batch = {.prompts = 1, .samples_per_prompt = samples}, .training = {.seed = seed}});
  const std::vector<std::int32_t> contexts{0};
  std::vector<double> all, of_last;
  for (int k = 0; k < updates; ++k) {
    const auto report = trainer.update(contexts);
    REQUIRE(report.ratio_mean == 1.0);
    REQUIRE(model.mean == static_cast<float>(mean));
    all.push_back(-static_cast<double>(model.gradient));
    if (last == last_step::mask) continue;
    model.gradient = 0;
    fewstep::update_report scratch;
    trainer.accumulate(samples, 2 * samples, samples, scratch);
    of_last.push_back(-static_cast<double>(model.gradient));
  }
  if (of_last.empty()) of_last = {0, 0};
  return {estimate(all), estimate(of_last)};
}

// x_0 ~ N(0, first_time^2); m_0 = f(x_0, first_time), of mean `mean` (1 - s_0); the action x_1 ~ N(m_0, sigma^2);
// m_1 = f(x_1, second_time). A score-function gradient sees the parameter in the means of the actions only.
const double s0 = gaussian_consistency::shrinking(first_time), s1 = gaussian_consistency::shrinking(second_time);
const double mean_of_x1 = mean * (1 - s0), mean_of_m1 = mean * (1 - s1) + s1 * mean_of_x1;
// d E[reward] / d m_0 = -2 s_1 (E m_1 - target) and d m_0 / d mean = 1 - s_0, alike in every dimension; the mean over
// dimensions in the log-probability divides the sum over them away.
const double of_first_action = -2 * s1 * (mean_of_m1 - target) * (1 - s0);
const double of_second_action = -2 * (mean_of_m1 - target) * (1 - s1);

// 6 standard errors; the estimates are means over 300 rollouts of 512 samples: a false alarm is below 1e-7.
constexpr double errors = 6;

}  // namespace

TEST_CASE("the policy gradient of a masked two-step policy is the closed form") {
  constexpr std::uint64_t seed = 1;
  const auto [all, last] = measure(last_step::mask, seed);
  CAPTURE(seed, all.mean, all.error, of_first_action);
  CHECK(all.error < 0.02 * of_first_action);
  CHECK(std::abs(all.mean - of_first_action) < errors * all.error);
}

TEST_CASE("under last_step::reference the last transition's gradient is zero on average, and dilutes the others'") {
  constexpr std::uint64_t seed = 2;
  const auto [all, last] = measure(last_step::reference, seed);
  CAPTURE(seed, all.mean, all.error, last.mean, last.error, of_first_action);
  CHECK(last.error > 0);
  CHECK(last.error < 0.05 * of_first_action);
  CHECK(std::abs(last.mean) < errors * last.error);
  // Twice the rows: half the mask's gradient.
  CHECK(std::abs(all.mean - of_first_action / 2) < errors * all.error);
}

TEST_CASE("under last_step::stochastic the last action counts") {
  constexpr std::uint64_t seed = 3;
  const auto [all, last] = measure(last_step::stochastic, seed);
  CAPTURE(seed, all.mean, all.error, last.mean, last.error, of_first_action, of_second_action);
  CHECK(last.error < 0.1 * of_second_action);
  CHECK(std::abs(last.mean - of_second_action) < errors * last.error);
  CHECK(std::abs(all.mean - (of_first_action + of_second_action) / 2) < errors * all.error);
}
