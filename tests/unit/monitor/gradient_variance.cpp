// SPDX-License-Identifier: Apache-2.0
#include "support/gaussian_consistency.hpp"
#include "test.hpp"

#include <fewstep/advantage/prompt_buffer.hpp>
#include <fewstep/algorithm/policy_gradient.hpp>
#include <fewstep/monitor/gradient_variance.hpp>
#include <fewstep/objective/reinforce.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/reward/per_sample.hpp>

#include <cmath>
#include <cstdint>
#include <vector>

using fewstep::cpu_backend;
using fewstep::test::gaussian_consistency;

namespace {

float first_value(fewstep::vec<const float> x, std::int32_t) { return x[0]; }

template <class Advantage>
struct rig {
  using reward_type = fewstep::per_sample<float (*)(fewstep::vec<const float>, std::int32_t)>;
  using parts = fewstep::policy_gradient_parts<reward_type, fewstep::sgd, fewstep::reinforce, Advantage,
                                               fewstep::consistency_sampler>;
  cpu_backend backend{{.threads = 1}};
  gaussian_consistency model;
  fewstep::policy_gradient<cpu_backend, gaussian_consistency, parts> trainer;

  explicit rig(int samples)
      : trainer(backend, model,
                parts{.reward = reward_type(&first_value),
                      .optimizer = {.learning_rate = 0.1f},
                      .sampler = {.times = {4, 1}}},
                {.horizon = 2, .batch = {.prompts = 1, .samples_per_prompt = samples}, .training = {.seed = 7}}) {}
};

const std::vector<std::int32_t> contexts{0};

}  // namespace

TEST_CASE("the gradient's variance and expectation are those of the estimator, and fall as one over the batch") {
  constexpr int rollouts = 4000;
  rig<fewstep::test::raw_advantage> small(8), large(32);
  const auto of_small = fewstep::measure_gradient(small.backend, small.model, small.trainer, contexts, rollouts);
  const auto of_large = fewstep::measure_gradient(large.backend, large.model, large.trainer, contexts, rollouts);

  // x_1 = m_0 + sigma z and the reward is m_1 = f(x_1): a sample's estimate is r (sum_d z_d / (3 sigma)) dm_0/dmean, in
  // all three dimensions alike, so that E = s_1 (1 - s_0) / 3 from the one dimension that the reward sees.
  const double s0 = gaussian_consistency::shrinking(4), s1 = gaussian_consistency::shrinking(1);
  const double expected = s1 * (1 - s0) / 3;
  CAPTURE(of_small.variance, of_large.variance, of_small.squared_norm, of_large.squared_norm, expected);
  // A sample variance of n heavy-tailed values (products of normals, kurtosis below 9 for a mean of 8) is known to
  // sqrt(8 / n) = 4.5 %; 6 of these in the ratio of two.
  CHECK(of_small.variance / of_large.variance == Approx(4.0).epsilon(6 * 0.045 * std::sqrt(2.0)));
  const double error = std::sqrt(of_large.variance / rollouts);
  CHECK(std::abs(std::sqrt(of_large.squared_norm) - expected) < 6 * error);
  CHECK(of_large.noise_scale() == Approx(of_large.variance / of_large.squared_norm));
}

TEST_CASE("measuring a gradient changes nothing of a run") {
  rig<fewstep::prompt_buffer_advantage> measured(8), plain(8);
  for (int k = 0; k < 4; ++k) {
    const auto a = measured.trainer.update(contexts), b = plain.trainer.update(contexts);
    CHECK(a.reward_mean == b.reward_mean);
    CHECK(a.gradient_norm == b.gradient_norm);
    CHECK(measured.model.mean == plain.model.mean);
    (void)fewstep::measure_gradient(measured.backend, measured.model, measured.trainer, contexts, 2);
    CHECK(measured.trainer.is_whole());
  }
  CHECK_THROWS_WITH(fewstep::measure_gradient(plain.backend, plain.model, plain.trainer, contexts, 1),
                    contains("rollouts is 1; use at least 2"));
  plain.trainer.sample(contexts);
  CHECK_THROWS_WITH(plain.trainer.probe(contexts, 0), contains("probe was called between sample() and train()"));
}
