// SPDX-License-Identifier: Apache-2.0
#include <fewstep/fewstep.hpp>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <vector>

// A flow sampled with noise, after Flow-GRPO (Liu et al. 2025, arXiv:2505.05470): the stochastic differential equation
// that has the flow's marginals, in Euler steps of h = t - t' with a noise of one's own choice, s = eta t. With the
// noise estimate e = (x - (1 - t) f) / t and the velocity v = (x - f) / t,
//   x' = x - h (v + s^2 e / (2 t)) + s sqrt(h) z = p x + q f + sigma z,
//   p = 1 - h / t - h s^2 / (2 t^2),   q = h / t + h s^2 (1 - t) / (2 t^2),   sigma = s sqrt(h).
// The last step lands on t' = 0 without noise and is not trained.
struct flow_sde {
  float eta = 1;

  template <fewstep::preconditioning P>
  fewstep::step_table table(const P& flow, int network_calls) const {
    fewstep::step_table table{.rows = {}, .trained = network_calls - 1, .result = fewstep::emitted::state};
    const float h = 1 / static_cast<float>(network_calls);
    for (int k = 0; k < network_calls; ++k) {
      const float t = 1 - static_cast<float>(k) * h, s = k + 1 < network_calls ? eta * t : 0;
      const float p = 1 - h / t - h * s * s / (2 * t * t), q = h / t + h * s * s * (1 - t) / (2 * t * t);
      const auto [in, skip, out] = flow(t);  // f = skip x + out o, so p x + q f = a x + b o
      table.rows.push_back({.time = t,
                            .next_time = t - h,
                            .a = p + q * skip,
                            .b = q * out,
                            .sigma = s * std::sqrt(h),
                            .in = in,
                            .skip = skip,
                            .out = out});
    }
    return table;
  }
};

int main() {
  fewstep::cpu_backend backend({.threads = 1});
  fewstep::mlp_generator<fewstep::cpu_backend, fewstep::flow_matching> generator(backend, {});
  auto nearness =
      fewstep::per_sample([](fewstep::vec<const float> x, std::int32_t) { return -std::hypot(x[0] - 1, x[1]); });
  fewstep::policy_gradient trainer(
      backend, generator,
      fewstep::policy_gradient_parts{
          .reward = nearness, .optimizer = fewstep::adam{.learning_rate = 1e-3f}, .sampler = flow_sde{.eta = 0.8f}},
      {.horizon = 4, .batch = {.prompts = 1, .samples_per_prompt = 256}});
  for (const fewstep::step_row& row : trainer.table().rows)
    std::printf("time %.2f to %.2f: sigma %.3f\n", row.time, row.next_time, row.sigma);
  for (const auto& update : trainer.run(std::vector<std::int32_t>{0}, 101))
    if (update.index % 50 == 0)
      std::printf("update %3d: reward %.2f\n", static_cast<int>(update.index), update.reward_mean);
}
