// SPDX-License-Identifier: Apache-2.0
#include "ring.hpp"

#include <cstdio>
#include <numeric>
#include <string>
#include <vector>

constexpr int classes = 8, runs = 3;

/// Every class has a point of its own on the circle, which samples shall come near; and some classes pay better than
/// others whatever the sample is, as some prompts do.
float distance(fewstep::vec<const float> x, std::int32_t c) {
  const float angle = 6.2831853f * static_cast<float>(c) / classes;
  return std::hypot(x[0] - std::cos(angle), x[1] - std::sin(angle));
}
float reward(fewstep::vec<const float> x, std::int32_t c) { return static_cast<float>(c) - distance(x, c); }

/// Prints the mean distance after 100 updates of prompts x samples, over 1024 fresh samples of each of the runs.
template <class Advantage>
void measure(const char* name, int prompts, int samples) {
  static fewstep::cpu_backend backend({.threads = 1});
  static ring_generator generator = ring_base(backend, classes);
  static const std::vector<float> base(generator.parameters().begin(), generator.parameters().end());
  std::vector<std::int32_t> all(classes);
  std::iota(all.begin(), all.end(), 0);

  double sum = 0;
  for (std::uint64_t seed = 0; seed < runs; ++seed) {
    std::ranges::copy(base, generator.parameters().begin());
    auto trainer = fewstep::rlcm(
        backend, generator,
        fewstep::policy_gradient_parts{.reward = fewstep::per_sample(reward),
                                       .optimizer = fewstep::adam{.learning_rate = 2e-3f},
                                       .advantage = Advantage{}},
        {.horizon = 4, .batch = {.prompts = prompts, .samples_per_prompt = samples}, .training = {.seed = seed}});
    for ([[maybe_unused]] const auto& update : trainer.run(all, 100)) {
    }
    fewstep::policy draw(backend, generator, trainer.table(), seed);
    for (unsigned i = 0; i < 1024; ++i) {
      const auto c = static_cast<std::int32_t>(i % classes);
      sum += static_cast<double>(distance(draw.act(c, i), c)) / 1024 / runs;
    }
  }
  std::printf("%s   %7d x %2d   %8.2f\n", name, prompts, samples, sum);
}

int main() {
  std::puts("advantage       prompts x samples   distance");
  measure<fewstep::batch_advantage>("batch        ", 64, 1);
  measure<fewstep::prompt_buffer_advantage>("prompt buffer", 64, 1);
  measure<fewstep::group_advantage>("group        ", 16, 4);
  measure<fewstep::group_advantage>("group        ", 4, 16);
  measure<fewstep::group_advantage>("group        ", 1, 64);
}
