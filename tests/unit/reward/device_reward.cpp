// SPDX-License-Identifier: Apache-2.0
#include <fewstep/reward/device_reward.hpp>

#include "support/gaussian_consistency.hpp"
#include "test.hpp"

#include <fewstep/advantage/batch.hpp>
#include <fewstep/algorithm/policy_gradient.hpp>
#include <fewstep/monitor/held_out_samples.hpp>
#include <fewstep/objective/reinforce.hpp>
#include <fewstep/optimizer/sgd.hpp>

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

using namespace fewstep;
using namespace fewstep::test;

namespace {

float judged(matrix<const float> samples, index_t r, std::int32_t context) {
  return samples(r, 0) - samples(r, 1) * samples(r, 2) + static_cast<float>(context);
}

struct on_host_reward {
  void operator()(matrix<const float> samples, std::span<const std::int32_t> contexts, std::span<float> out) const {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = judged(samples, static_cast<index_t>(i), contexts[i]);
  }
};

struct there {
  float of_class_2 = 0;  ///< added to the rewards of class 2
  bool writes = true;

  template <class Contexts>
  void operator()(cpu_backend&, matrix<const float> samples, Contexts contexts, vec<float> out) const {
    for (index_t r = 0; writes && r < out.size(); ++r)
      out[r] = judged(samples, r, contexts[r]) + (contexts[r] == 2 ? of_class_2 : 0);
  }
};
static_assert(device_reward<there, cpu_backend, std::int32_t> && !reward<there, std::int32_t>);

const std::vector<std::int32_t> prompts = {0, 1, 2};

template <class Reward>
auto trainer_of(cpu_backend& backend, gaussian_consistency& model, const Reward& reward, reward_check check = {}) {
  return policy_gradient(
      backend, model,
      policy_gradient_parts{.reward = reward,
                            .optimizer = sgd{.learning_rate = 1e-2f},
                            .objective = reinforce{},
                            .advantage = batch_advantage{}},
      {.horizon = 3, .batch = {.prompts = 12, .samples_per_prompt = 5, .rewards = check}, .training = {.seed = 9}});
}

}  // namespace

TEST_CASE("a reward where the samples are trains as one on the host, bit for bit") {
  cpu_backend backend({.threads = 2});
  gaussian_consistency model, other;
  auto trainer = trainer_of(backend, model, there{});
  auto expected = trainer_of(backend, other, on_host_reward{});
  for (int k = 0; k < 4; ++k) {
    trainer.update(prompts);
    expected.update(prompts);
    CHECK(std::vector(trainer.rewards().begin(), trainer.rewards().end()) ==
          std::vector(expected.rewards().begin(), expected.rewards().end()));
    CHECK(model.mean == other.mean);
  }
  CHECK(std::vector(trainer.samples().begin(), trainer.samples().end()) ==
        std::vector(expected.samples().begin(), expected.samples().end()));

  held_out_samples held_out(backend, model, trainer.table(), std::span(prompts), 4);
  held_out.draw();
  there reward;
  on_host_reward same;
  CHECK(held_out.mean_reward(reward).mean == held_out.mean_reward(same).mean);
}

TEST_CASE("a reward where the samples are is checked as any: not finite, left out, not written") {
  cpu_backend backend({.threads = 1});
  gaussian_consistency model;
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  auto trainer = trainer_of(backend, model, there{.of_class_2 = nan});
  CHECK_THROWS_WITH(trainer.update(prompts), contains("rewards must be finite"));
  auto silent = trainer_of(backend, model, there{.writes = false});
  CHECK_THROWS_WITH(silent.update(prompts), contains("the reward of sample 0 of 60 is nan"));
  CHECK(model.mean == gaussian_consistency{}.mean);

  auto leaving =
      trainer_of(backend, model, there{.of_class_2 = nan}, {.when_not_finite = non_finite::leave_out, .at_most = 0.9f});
  const double left_out = leaving.update(prompts).left_out;
  double of_class_2 = 0;
  for (const std::int32_t prompt : leaving.prompts()) of_class_2 += prompt == 2 ? 1 : 0;
  CHECK(left_out == of_class_2);
  CHECK(left_out > 0);
}
