// SPDX-License-Identifier: Apache-2.0
#include <fewstep/fewstep.hpp>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <numeric>
#include <span>
#include <vector>

// RLOO (Kool et al. 2019; Ahmadian et al. 2024, arXiv:2402.14740): what a sample got above the mean of the prompt's
// other samples, which is a baseline that does not depend on the sample itself. A sample without others learns nothing.
struct leave_one_out {
  void operator()(std::span<const float> rewards, std::span<const std::int32_t> prompts, std::span<float> out) const {
    for (std::size_t i = 0; i < rewards.size(); ++i) {
      double sum = 0, others = 0;
      for (std::size_t j = 0; j < rewards.size(); ++j)
        if (j != i && prompts[j] == prompts[i]) sum += rewards[j], others += 1;
      out[i] = others > 0 ? static_cast<float>(rewards[i] - sum / others) : 0.0f;
    }
  }
};

int main() {
  // By hand: the others of the first sample have the mean 4, those of the second 3.5, those of the third 1.5.
  const std::vector<float> rewards{1, 2, 6};
  const std::vector<std::int32_t> prompts{7, 7, 7};
  std::vector<float> advantages(3);
  leave_one_out{}(rewards, prompts, advantages);
  std::printf("rewards 1 2 6: advantages %.1f %.1f %.1f\n", advantages[0], advantages[1], advantages[2]);

  // Two prompts, one of which always earns less: only a baseline of its own lets both learn alike.
  fewstep::cpu_backend backend({.threads = 1});
  fewstep::mlp_generator<fewstep::cpu_backend> generator(
      backend, {.network = {.classes = 2}, .preconditioner = {.sigma_max = 2.0f}});
  auto reward = fewstep::per_sample([](fewstep::vec<const float> x, std::int32_t prompt) {
    return prompt == 0 ? -std::hypot(x[0] - 1, x[1]) : -std::hypot(x[0] + 1, x[1]) - 10;
  });
  auto trainer = fewstep::rlcm(
      backend, generator,
      fewstep::policy_gradient_parts{
          .reward = reward, .optimizer = fewstep::adam{.learning_rate = 2e-3f}, .advantage = leave_one_out{}},
      {.horizon = 3, .batch = {.prompts = 4, .samples_per_prompt = 64}});
  const auto reward_of = [&](std::int32_t prompt) {
    trainer.sample(std::span<const std::int32_t>(&prompt, 1));  // a rollout alone, which trains nothing
    return std::accumulate(trainer.rewards().begin(), trainer.rewards().end(), 0.0f) / 256;
  };
  std::printf("before: %.1f and %.1f\n", reward_of(0), reward_of(1));
  for (int i = 0; i < 150; ++i) trainer.update(std::vector<std::int32_t>{0, 1});
  std::printf("after:  %.1f and %.1f\n", reward_of(0), reward_of(1));
}
