// SPDX-License-Identifier: Apache-2.0
#include "ring.hpp"

#include <fewstep/regularizer/kl_to_reference.hpp>

#include <cstdio>
#include <vector>

int main() {
  fewstep::cpu_backend backend({.threads = 1});
  ring_generator base = ring_base(backend), generator = ring_base(backend);
  auto on_the_right =
      fewstep::per_sample([](fewstep::vec<const float> x, std::int32_t) { return x[0] > 0 ? 1.0f : 0.0f; });

  std::puts("coefficient   reward   near the circle   KL to the base");
  for (const float coefficient : {0.0f, 0.01f, 1.0f}) {
    constexpr int runs = 3, updates = 80;
    double reward = 0, near = 0, kl = 0;
    for (std::uint64_t seed = 0; seed < runs; ++seed) {
      std::ranges::copy(base.parameters(), generator.parameters().begin());
      auto trainer = fewstep::rlcm(
          backend, generator,
          fewstep::policy_gradient_parts{
              .reward = on_the_right,
              .optimizer = fewstep::adam{.learning_rate = 1e-3f},
              .advantage = fewstep::group_advantage{},
              .regularizer = fewstep::kl_to_reference<ring_generator>(base, {.coefficient = coefficient})},
          {.horizon = 4, .batch = {.prompts = 1, .samples_per_prompt = 256}, .training = {.seed = seed}});
      for (const auto& update : trainer.run(std::vector<std::int32_t>{0}, updates)) {
        if (update.index + 1 < updates) continue;
        reward += update.reward_mean / runs;
        near += near_circle(trainer.samples()) / runs;
        kl += update.reference_kl / runs;
      }
    }
    std::printf("%11g   %6.1f   %15.1f   %14.1f\n", static_cast<double>(coefficient), reward, near, kl);
  }
}
