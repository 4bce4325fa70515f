// SPDX-License-Identifier: Apache-2.0
#include <fewstep/fewstep.hpp>

#include <cmath>
#include <cstdio>

// The data: three tight clusters on a circle. x[B,2] is filled for one step of training; there is no conditioning.
struct clusters {
  void operator()(std::int64_t step, fewstep::matrix<float> x, std::span<std::int32_t>) const {
    const fewstep::random_stream random{7, fewstep::stream::data};
    for (fewstep::index_t i = 0; i < x.rows(); ++i) {
      const auto sample = static_cast<std::uint64_t>(step * x.rows() + i);
      const float angle = 2.0943951f * static_cast<float>(random.below(3, sample));
      x(i, 0) = std::cos(angle) + 0.1f * random.normal(sample, 1, 0);
      x(i, 1) = std::sin(angle) + 0.1f * random.normal(sample, 1, 1);
    }
  }
};

int main() {
  fewstep::cpu_backend backend({.threads = 1});  // a problem this small is not worth two
  fewstep::mlp_generator<fewstep::cpu_backend> generator(
      backend, {.preconditioner = {.sigma_data = 0.7f, .sigma_min = 0.01f, .sigma_max = 5.0f}, .seed = 1});

  clusters data;
  fewstep::consistency_training pretraining(
      backend, generator, fewstep::adam{.learning_rate = 2e-3f},
      {.steps = 1000, .batch = 128, .log_time_mean = -0.5f, .log_time_deviation = 1.5f});
  while (!pretraining.finished()) pretraining.step(data);

  auto reward = fewstep::per_sample([](fewstep::vec<const float> x, std::int32_t) {
    return -std::hypot(x[0] - 1.0f, x[1]);  // how far from the first cluster
  });
  auto trainer =
      fewstep::rlcm(backend, generator, reward, fewstep::adam{.learning_rate = 1e-3f},
                    {.horizon = 4, .prompts_per_update = 4, .samples_per_prompt = 35}, fewstep::group_advantage{});
  const std::int32_t contexts[] = {0, 0, 0, 0};
  for (const auto& update : trainer.run(contexts, 150))
    if (update.index % 50 == 0 || update.index == 149)
      std::printf("%3d  reward %+.4f +- %.4f  ratio %.9f\n", static_cast<int>(update.index), update.reward_mean,
                  update.reward_error, update.ratio_mean);
}
