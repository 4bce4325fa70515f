// SPDX-License-Identifier: Apache-2.0
#include <fewstep/fewstep.hpp>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <vector>

// SPO (Xie et al. 2024, arXiv:2401.16025): r A - |A| (r - 1)^2 / (2 epsilon) with r the importance ratio. Where PPO's
// clipped objective goes flat outside of its band, this one leads back into it.
struct simple_policy_optimization {
  float epsilon = 0.2f;

  FEWSTEP_HD fewstep::surrogate operator()(fewstep::transition t) const {
    const float ratio = fewstep::exp_float(t.log_ratio), off = ratio - 1, size = std::abs(t.advantage);
    return {.value = ratio * t.advantage - size * off * off / (2 * epsilon),
            .slope = ratio * (t.advantage - size * off / epsilon)};  // by log_ratio: d ratio / d log_ratio = ratio
  }
};

template <class Objective>
void learn(const char* name, Objective objective) {
  fewstep::cpu_backend backend({.threads = 1});
  fewstep::mlp_generator<fewstep::cpu_backend> generator(backend, {.preconditioner = {.sigma_max = 2.0f}});
  auto nearness =
      fewstep::per_sample([](fewstep::vec<const float> x, std::int32_t) { return -std::hypot(x[0] - 1.0f, x[1]); });

  //! [trainer]
  // Four passes over each rollout, in which the policy moves away from the one that sampled it.
  fewstep::policy_gradient trainer(
      backend, generator,
      fewstep::policy_gradient_parts{
          .reward = nearness, .optimizer = fewstep::adam{.learning_rate = 3e-4f}, .objective = objective},
      {.horizon = 3,
       .inner_epochs = 4,
       .reduction = fewstep::reduction::sum,
       .batch = {.prompts = 1, .samples_per_prompt = 256}});
  //! [trainer]
  const int updates = 100;
  double reward = 0, kl = 0;
  for (const auto& update : trainer.run(std::vector<std::int32_t>{0}, updates)) {
    reward = update.reward_mean;
    kl += update.approximate_kl / updates;
  }
  std::printf("%-9s moved by a KL of %.3f an update, reward %.1f\n", name, kl, reward);
}

int main() {
  learn("SPO", simple_policy_optimization{});
  learn("PPO", fewstep::clipped_surrogate{0.2f});
  learn("REINFORCE", fewstep::reinforce{});
}
