// SPDX-License-Identifier: Apache-2.0
#include "second.hpp"

places places_seen_by_second_unit() { return {&fewstep::detail::crc32c_tables, &fewstep::crc32c}; }

std::pair<double, double> train(fewstep::cpu_backend& backend,
                                fewstep::mlp_generator<fewstep::cpu_backend>& generator) {
  const auto nearness =
      fewstep::per_sample([](fewstep::vec<const float> x, std::int32_t) { return -std::hypot(x[0] - 1.0f, x[1]); });
  auto trainer =
      fewstep::rlcm(backend, generator, nearness, fewstep::adam{.learning_rate = 1e-2f},
                    {.horizon = 4, .batch = {.prompts = 2, .samples_per_prompt = 64}, .training = {.seed = 2}});
  std::vector<double> rewards;
  for (const auto& update : trainer.run(std::vector<std::int32_t>{0}, 10)) rewards.push_back(update.reward_mean);
  return {rewards.front(), rewards.back()};
}
