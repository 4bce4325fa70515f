// SPDX-License-Identifier: Apache-2.0
#include "ring.hpp"

#include <cmath>
#include <cstdio>
#include <utility>
#include <vector>

namespace {

using fewstep::policy_gradient_options;
using fewstep::policy_gradient_parts;

/// What every member gets: so many samples an update, in groups of 16, two optimizer steps on them, four network calls.
constexpr policy_gradient_options settings(std::uint64_t seed) {
  return {.horizon = 4,
          .optimizer_steps = 2,
          .batch = {.prompts = 16, .samples_per_prompt = 16},
          .training = {.max_gradient_norm = 5, .seed = seed}};
}
constexpr fewstep::adam optimizer{.learning_rate = 1e-3f};
constexpr int updates = 10, runs = 3;

const auto on_the_right =
    fewstep::per_sample([](fewstep::vec<const float> x, std::int32_t) { return x[0] > 0 ? 1.0f : 0.0f; });

/// Trains from the base and prints the rewards of the samples that the last update would be followed by.
template <class Generator, class Make>
void measure(const char* name, Generator& generator, const std::vector<float>& base, const Make& make_trainer) {
  double reward = 0, near = 0, clipped = 0;
  for (std::uint64_t seed = 0; seed < runs; ++seed) {
    std::ranges::copy(base, generator.parameters().begin());
    auto trainer = make_trainer(settings(seed));
    for (const auto& update : trainer.run(std::vector<std::int32_t>{0}, updates + 1)) {
      if (update.index < updates) {
        clipped += update.clip_fraction / (runs * updates);
        continue;
      }
      reward += update.reward_mean / runs;
      near += near_circle(trainer.samples()) / runs;
    }
  }
  std::printf("%-28s   %6.2f   %15.2f   %7.2f\n", name, reward, near, clipped);
}

}  // namespace

int main() {
  fewstep::cpu_backend backend({.threads = 1});
  ring_generator generator = ring_base(backend);
  const std::vector<float> base(generator.parameters().begin(), generator.parameters().end());
  // The same network as a rectified flow, for the samplers that want one.
  using flow_generator =
      fewstep::mlp_generator<fewstep::cpu_backend, fewstep::rectified_flow<fewstep::edm_consistency>>;
  flow_generator flow(backend, {.preconditioner = {generator.preconditioner()}});
  const auto consistent = [&](const char* name, const auto& make) { measure(name, generator, base, make); };
  const auto flowing = [&](const char* name, const auto& make) { measure(name, flow, base, make); };

  std::puts("member                         reward   near the circle   clipped");
  //! [members]
  consistent("grpo, consistency steps",
             [&](policy_gradient_options o) { return fewstep::grpo(backend, generator, on_the_right, optimizer, o); });
  consistent("cps_grpo", [&](policy_gradient_options o) {
    return fewstep::cps_grpo(backend, generator, on_the_right, optimizer, o);
  });
  flowing("flow_grpo",
          [&](policy_gradient_options o) { return fewstep::flow_grpo(backend, flow, on_the_right, optimizer, o); });
  flowing("dance_grpo",
          [&](policy_gradient_options o) { return fewstep::dance_grpo(backend, flow, on_the_right, optimizer, o); });
  flowing("mix_grpo, window of 2", [&](policy_gradient_options o) {
    return fewstep::mix_grpo(backend, flow,
                             policy_gradient_parts{.reward = on_the_right,
                                                   .optimizer = optimizer,
                                                   .selection = fewstep::sliding_window{.length = 2, .every = 5}},
                             o);
  });
  flowing("flow_grpo_fast, window of 1", [&](policy_gradient_options o) {
    return fewstep::flow_grpo_fast(
        backend, flow,
        policy_gradient_parts{
            .reward = on_the_right, .optimizer = optimizer, .selection = fewstep::random_window{.length = 1}},
        o);
  });
  flowing("grpo_guard", [&](policy_gradient_options o) {
    return fewstep::grpo_guard(backend, flow,
                               policy_gradient_parts{.reward = on_the_right,
                                                     .optimizer = optimizer,
                                                     .objective = fewstep::guarded_surrogate{.clip_range = 0.1f}},
                               o);
  });
  consistent("flow_dppo, cps steps", [&](policy_gradient_options o) {
    return fewstep::flow_dppo(backend, generator,
                              policy_gradient_parts{.reward = on_the_right,
                                                    .optimizer = optimizer,
                                                    .objective = fewstep::divergence_mask{.threshold = 0.05f},
                                                    .sampler = fewstep::cps_sampler{}},
                              o);
  });
  consistent("rebel", [&](policy_gradient_options o) {
    return fewstep::rebel(
        backend, generator,
        policy_gradient_parts{.reward = on_the_right, .optimizer = optimizer, .advantage = fewstep::group_advantage{}},
        o);
  });
  //! [members]

  // The same question as a slope that a gradient can follow.
  const auto steep = [](float x) { return 1 / (1 + std::exp(-5 * x)); };
  auto rightness =
      fewstep::differentiable_per_sample([&](fewstep::vec<const float> x, std::int32_t, fewstep::vec<float> gradient) {
        const float r = steep(x[0]);
        gradient[0] = 5 * r * (1 - r);
        gradient[1] = 0;
        return r;
      });
  std::puts("\nwith a differentiable reward");
  //! [differentiable]
  const policy_gradient_parts grouped{
      .reward = rightness, .optimizer = optimizer, .advantage = fewstep::group_advantage{}};
  consistent("rlcm", [&](policy_gradient_options o) { return fewstep::rlcm(backend, generator, grouped, o); });
  consistent("rlcm_hybrid",
             [&](policy_gradient_options o) { return fewstep::rlcm_hybrid(backend, generator, grouped, o); });
  consistent("draft, all calls", [&](policy_gradient_options o) {
    return fewstep::draft(
        backend, generator, rightness, optimizer,
        {.horizon = o.horizon, .steps_with_gradient = o.horizon, .batch = o.batch, .training = o.training});
  });
  consistent("refl", [&](policy_gradient_options o) {
    return fewstep::refl(backend, generator, rightness, optimizer,
                         {.horizon = o.horizon, .batch = o.batch, .training = o.training});
  });
  //! [differentiable]
}
