// SPDX-License-Identifier: Apache-2.0
// A reward for every step. A walk on a line takes three steps, each drawn by a network from where it stands. Being away
// from home costs, and so does moving, so the best walk approaches home a part of the way at a time.
#include <fewstep/fewstep.hpp>

#include <cstdio>

//! [environment]
/// The sampler is the environment's clock: three network calls, and the action is where the walk goes next.
struct three_steps {
  template <fewstep::preconditioning P>
  fewstep::step_table table(const P& process, int) const {
    fewstep::step_table t{.rows = {}, .trained = 3, .initial_sigma = 2};
    for (const float time : {3.0f, 2.0f, 1.0f})
      t.rows.push_back(fewstep::transition_row(process, time, time, {.p = 0, .q = 1, .sigma = 0.2}));  // f + 0.2 z
    return t;
  }
};

/// What step k earns, which leads from x to next.
float earned(int, fewstep::vec<const float> x, fewstep::vec<const float> next, std::int32_t) {
  const float moved = next[0] - x[0];
  return -next[0] * next[0] - moved * moved;
}
//! [environment]

/// The most that a walk from a state before step k can earn on average: -(p x^2 + c), by Riccati's recursion.
double best(int k, double x) {
  double p = 0, c = 0;
  for (int step = 2; step >= k; --step) {
    c += 0.2 * 0.2 * (2 + p);
    p = (1 + p) / (2 + p);
  }
  return -(p * x * x + c);
}

int main() {
  //! [training]
  fewstep::cpu_backend backend({.threads = 1});
  const fewstep::edm_consistency process{.sigma_data = 1, .sigma_min = 0.1f, .sigma_max = 3};
  fewstep::mlp_generator<fewstep::cpu_backend> policy(
      backend, {.network = {.dimension = 1, .hidden = {24, 24}}, .preconditioner = process, .seed = 1});
  fewstep::value_function value(backend, process, fewstep::adam{.learning_rate = 1e-2f},
                                {.network = {.dimension = 1, .hidden = {24, 24}}, .steps_per_fit = 8, .seed = 2});

  fewstep::policy_gradient trainer(
      backend, policy,
      fewstep::policy_gradient_parts{.reward = fewstep::per_step{earned},
                                     .optimizer = fewstep::adam{.learning_rate = 3e-3f},
                                     .objective = fewstep::clipped_surrogate{0.2f},
                                     .advantage = fewstep::gae_advantage(value, {.estimate = {.lambda = 0.5f}}),
                                     .sampler = three_steps{}},
      {.horizon = 3, .inner_epochs = 4, .batch = {.prompts = 256}});

  std::puts("updates      earned   (at best -2.7)");
  double sum = 0;
  for (const auto& update : trainer.run({0}, 120)) {
    sum += update.reward_mean / 40;
    if (update.index % 40 < 39) continue;
    std::printf("%3d to %3d   %6.1f\n", static_cast<int>(update.index - 38), static_cast<int>(update.index + 1), sum);
    sum = 0;
  }
  //! [training]

  std::puts("before step   at x   the value function   at best");
  const float x[] = {-2, 0, 1, -0.9f, 0, 0.7f, -0.6f, 0, 0.4f}, times[] = {3, 3, 3, 2, 2, 2, 1, 1, 1};
  const std::int32_t walks[9] = {};
  float values[9];
  value.values(backend, {{x, {9, 1}}, {times, {9}}, {walks, {9}}}, values);
  for (int i = 0; i < 9; ++i)
    std::printf("%11d   %4.1f   %18.1f   %7.1f\n", i / 3, static_cast<double>(x[i]), static_cast<double>(values[i]),
                best(i / 3, static_cast<double>(x[i])));
}
