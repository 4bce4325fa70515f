// SPDX-License-Identifier: Apache-2.0
#include <fewstep/fewstep.hpp>

#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <span>
#include <vector>

// Fine-tunes a new generator by a reward of any type and prints the mean reward before and after.
template <class Reward>
void learn(const char* form, Reward reward) {
  fewstep::cpu_backend backend({.threads = 1});
  fewstep::mlp_generator<fewstep::cpu_backend> generator(
      backend, {.network = {.classes = 3}, .preconditioner = {.sigma_max = 2.0f}});
  fewstep::policy_gradient_options options{.horizon = 3, .batch = {.prompts = 8, .samples_per_prompt = 32}};
  //! [leave_out]
  // Up to a twentieth of the samples may have no reward (NaN) and are left out.
  options.batch.rewards = {.when_not_finite = fewstep::non_finite::leave_out, .at_most = 0.05f};
  //! [leave_out]
  auto trainer = fewstep::rlcm(backend, generator, reward, fewstep::adam{.learning_rate = 2e-3f}, options);
  double first = 0, last = 0;
  for (const auto& update : trainer.run(std::vector<std::int32_t>{0, 1, 2}, 101))
    (update.index == 0 ? first : last) = update.reward_mean;
  std::printf("%s: reward %.1f, then %.1f\n", form, first, last);
}

int main() {
  // One sample [D] and what it was made for: the generator's context, here the number of a place.
  const std::array<std::array<float, 2>, 3> places{{{1.0f, 0.0f}, {-0.5f, 0.9f}, {-0.5f, -0.9f}}};
  auto nearness = [&](fewstep::vec<const float> sample, std::int32_t place) {
    const auto [x, y] = places[static_cast<std::size_t>(place)];
    return -std::hypot(sample[0] - x, sample[1] - y);
  };
  learn("sample by sample", fewstep::per_sample(nearness));

  // Samples on all cores: worth it where one takes long; the function then has to be thread-safe.
  learn("in threads", fewstep::per_sample(nearness, {.threads = 0}));

  // The whole batch at once, for what is faster in bulk, such as a network: samples is [B, D], and every element of
  // `out` is written, each from its own row.
  auto batch = [&](fewstep::matrix<const float> samples, std::span<const std::int32_t> contexts, std::span<float> out) {
    for (std::size_t i = 0; i < out.size(); ++i)
      out[i] = nearness({samples.row(static_cast<fewstep::index_t>(i)), {samples.cols()}}, contexts[i]);
  };
  learn("batch by batch", batch);
}
