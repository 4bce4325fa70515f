// SPDX-License-Identifier: Apache-2.0
#include "ring.hpp"

#include <cstdio>
#include <vector>

int main() {
  fewstep::cpu_backend backend({.threads = 1});
  ring_generator generator = ring_base(backend);
  const std::vector<float> base(generator.parameters().begin(), generator.parameters().end());
  auto on_the_right =
      fewstep::per_sample([](fewstep::vec<const float> x, std::int32_t) { return x[0] > 0 ? 1.0f : 0.0f; });

  std::puts("optimizer steps   clip range   reward   clipped");
  for (const int steps : {1, 4, 16})
    for (const float range : {fewstep::automatic, 0.01f}) {
      std::ranges::copy(base, generator.parameters().begin());
      auto trainer =
          fewstep::rlcm(backend, generator,
                        fewstep::policy_gradient_parts{.reward = on_the_right,
                                                       .optimizer = fewstep::adam{.learning_rate = 1e-3f},
                                                       .objective = fewstep::clipped_surrogate{.clip_range = range},
                                                       .advantage = fewstep::group_advantage{}},
                        {.horizon = 4, .optimizer_steps = steps, .batch = {.prompts = 1, .samples_per_prompt = 256}});
      fewstep::update_report last;
      for (const auto& update : trainer.run(std::vector<std::int32_t>{0}, 11)) last = update;
      std::printf("%15d   %10.2f   %6.1f   %7.2f\n", steps,
                  static_cast<double>(trainer.parts().objective.clip_range.low), last.reward_mean, last.clip_fraction);
    }
}
