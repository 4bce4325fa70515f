// SPDX-License-Identifier: Apache-2.0
#include <fewstep/fewstep.hpp>

#include <cmath>
#include <cstdio>

int main() {
  fewstep::cpu_backend backend({.threads = 1});
  fewstep::mlp_generator<fewstep::cpu_backend> generator(
      backend, {.preconditioner = {.sigma_data = 0.7f, .sigma_min = 0.01f, .sigma_max = 5.0f}});

  // A consistency model of three clusters on a circle.
  auto clusters = [](std::int64_t step, fewstep::matrix<float> x, std::span<std::int32_t>) {
    const fewstep::random_stream random{7, fewstep::stream::data};
    for (fewstep::index_t i = 0; i < x.rows(); ++i) {
      const auto sample = static_cast<std::uint64_t>(step * x.rows() + i);
      const float angle = 2.0943951f * static_cast<float>(random.below(3, sample));
      x(i, 0) = std::cos(angle) + 0.1f * random.normal(sample, 1, 0);
      x(i, 1) = std::sin(angle) + 0.1f * random.normal(sample, 1, 1);
    }
  };
  fewstep::consistency_training training(backend, generator, fewstep::adam{.learning_rate = 2e-3f},
                                         {.steps = 1000, .batch = 128, .log_time_mean = -0.5f});
  while (!training.finished()) training.step(clusters);

  // RLCM moves all of it to the first cluster.
  auto nearness =
      fewstep::per_sample([](fewstep::vec<const float> x, std::int32_t) { return -std::hypot(x[0] - 1.0f, x[1]); });
  auto trainer = fewstep::rlcm(backend, generator, nearness, fewstep::adam{.learning_rate = 1e-3f},
                               {.horizon = 4, .batch = {.prompts = 4, .samples_per_prompt = 64}});
  for (const auto& update : trainer.run(std::vector<std::int32_t>{0}, 101))
    if (update.index % 50 == 0)
      std::printf("update %3d: reward %.2f, importance ratio %.9f\n", static_cast<int>(update.index),
                  update.reward_mean, update.ratio_mean);
}
