// SPDX-License-Identifier: Apache-2.0
// Rewards of steps, GAE and its value function on a device: the same results as on the CPU.
#include "cuda/support.cuh"

#include <fewstep/advantage/gae_advantage.hpp>
#include <fewstep/advantage/value_function.hpp>
#include <fewstep/algorithm/policy_gradient.hpp>
#include <fewstep/cuda.cuh>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/objective/clipped_surrogate.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/reward/step_reward.hpp>

#include <cstdint>
#include <vector>

using namespace fewstep;
using namespace fewstep::test;

namespace {

struct closeness {
  template <class Context>
  float operator()(int k, vec<const float> x, vec<const float> next, const Context& context) const {
    const float goal = static_cast<float>(context) - static_cast<float>(k), off = next[0] - goal,
                moved = next[1] - x[1];
    return -off * off - 0.1f * moved * moved;
  }
};

/// Rewards, parameters of the policy and of the value function after two updates.
template <class Backend>
std::vector<float> history(Backend& backend) {
  mlp_generator<Backend> model(backend, {.network = {.dimension = 2, .classes = 3, .hidden = {16, 24}}, .seed = 1});
  value_function value(backend, model.preconditioner(), adam{.learning_rate = 1e-2f},
                       {.network = {.dimension = 2, .classes = 3, .hidden = {16}}, .seed = 2});
  policy_gradient trainer(
      backend, model,
      policy_gradient_parts{.reward = per_step{closeness{}},
                            .optimizer = adam{.learning_rate = 3e-3f},
                            .objective = clipped_surrogate{0.2f},
                            .advantage = gae_advantage(value, {.estimate = {.discount = 0.9f, .lambda = 0.8f}}),
                            .sampler = consistency_sampler{.last = last_step::stochastic, .final_sigma = 0.5f}},
      {.horizon = 3, .batch = {.prompts = 3, .samples_per_prompt = 7}, .training = {.seed = 5}});
  std::vector<float> figures;
  for (int k = 0; k < 2; ++k) {
    const update_report r = trainer.update(std::vector<std::int32_t>{0, 1, 2});
    CHECK(r.gradient_norm > 0);
    figures.push_back(static_cast<float>(r.reward_mean));
  }
  for (const vec<float> p : {model.parameters(), value.parameters()}) {
    const auto there = to_host(backend, p.data, p.size());
    figures.insert(figures.end(), there.begin(), there.end());
  }
  return figures;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("rewards of steps train a policy and its value function on a device as on the CPU", "[cuda]",
                        devices) {
  cpu_backend cpu({.threads = 1});
  TestType recorded({.graphs = true}), piece_by_piece({.graphs = false});
  const auto on_device = history(recorded);
  CHECK(relative_error(on_device, history(cpu)) < 1e-4);
  CHECK(same_bits(on_device, history(piece_by_piece)));
}
