// SPDX-License-Identifier: Apache-2.0
// GRPO's trust region, windows of steps and REBEL on a device: the same results as on the CPU.
#include "cuda/history.cuh"
#include "cuda/support.cuh"
#include "support/nearness.hpp"

#include <fewstep/advantage/group.hpp>
#include <fewstep/algorithm/grpo.hpp>
#include <fewstep/algorithm/rebel.hpp>
#include <fewstep/cuda.cuh>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/reward/per_sample.hpp>

#include <cstdint>
#include <vector>

using namespace fewstep;
using namespace fewstep::test;

namespace {

/// The figures of some updates on a small perceptron and the parameters after them; make(backend, model, reward, rule)
/// gives the trainer.
template <class Backend, class Make>
std::vector<float> history(Backend& backend, int updates, const Make& make) {
  mlp_generator<Backend> model(backend, {.network = {.dimension = 5, .classes = 3, .hidden = {16, 24}}, .seed = 1});
  auto trainer = make(backend, model, per_sample(nearness{}), adam{.learning_rate = 3e-3f});
  using r = update_report;
  return history_of(backend, model, trainer, updates,
                    {&r::reward_mean, &r::loss, &r::ratio_deviation, &r::approximate_kl, &r::policy_kl,
                     &r::gradient_norm, &r::clip_fraction});
}

/// On the CPU, on a device with and without recorded work.
template <class Backend, class Make>
void compare(int updates, const Make& make) {
  cpu_backend cpu({.threads = 1});
  Backend recorded({.graphs = true}), piece_by_piece({.graphs = false});
  const auto on_device = history(recorded, updates, make);
  CHECK(relative_error(on_device, history(cpu, updates, make)) < 1e-4);
  CHECK(same_bits(on_device, history(piece_by_piece, updates, make)));
}

/// A window of one step of three that slides, an update at each place but two at the first, and comes back.
struct there_and_back {
  static constexpr bool noise_elsewhere = false;
  [[nodiscard]] step_window window(std::int64_t update, int, std::uint64_t) const {
    constexpr int places[] = {0, 0, 1, 2};
    return {places[update % 4], 1};
  }
};

constexpr policy_gradient_options small{
    .horizon = 4, .batch = {.prompts = 3, .samples_per_prompt = 7}, .training = {.seed = 5}};

}  // namespace

TEMPLATE_LIST_TEST_CASE("a trust region on the policies' divergence is that of the CPU on a device", "[cuda]",
                        devices) {
  compare<TestType>(2, [](auto& backend, auto& model, auto reward, auto optimizer) {
    return cps_grpo(
        backend, model,
        policy_gradient_parts{.reward = reward, .optimizer = optimizer, .objective = divergence_mask{1e-4f}}, small);
  });
}

TEMPLATE_LIST_TEST_CASE("a window that moves is that of the CPU on a device, recorded for each place", "[cuda]",
                        devices) {
  for (const int optimizer_steps : {1, 2})
    compare<TestType>(9, [&](auto& backend, auto& model, auto reward, auto optimizer) {
      auto o = small;
      o.batch.shared_initial_noise = true;
      o.optimizer_steps = optimizer_steps;
      return cps_grpo(backend, model,
                      policy_gradient_parts{.reward = reward,
                                            .optimizer = optimizer,
                                            .objective = divergence_mask{1e-4f},
                                            .selection = there_and_back{}},
                      o);
    });
}

TEMPLATE_LIST_TEST_CASE("REBEL's steps on a device are those of the CPU", "[cuda]", devices) {
  compare<TestType>(2, [](auto& backend, auto& model, auto reward, auto optimizer) {
    return rebel(backend, model,
                 policy_gradient_parts{.reward = reward, .optimizer = optimizer, .advantage = group_advantage{}},
                 {.horizon = 3,
                  .inner_epochs = 2,
                  .optimizer_steps = 2,
                  .batch = {.prompts = 6, .samples_per_prompt = 3},
                  .training = {.seed = 5}});
  });
}
