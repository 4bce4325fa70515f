// SPDX-License-Identifier: Apache-2.0
// A policy for a robot: a point mass crosses a room with a pillar in its middle. The policy is shown position, velocity
// and goal, and answers with a chunk of actions, two seconds of accelerations. It imitates careless demonstrations,
// then learns from a reward, which is a simulation of the chunk. Figures that depend on the machine go to stderr.
#include "count_allocations.hpp"

#include <fewstep/fewstep.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <vector>

struct observation {
  float position[2], velocity[2], goal[2];  // m and m/s; the pillar, 0.3 m in radius, stands at the origin
};
constexpr int actions = 8;  // of a chunk [8, 2], in units of 4 m/s^2; each is held for a quarter of a second

/// A start on the left and a goal on the right.
observation observe(const fewstep::random_stream& random, std::uint64_t n) {
  const auto between = [&](float a, float b, std::uint64_t i) { return a + (b - a) * random.uniform(n, 0, i); };
  return {{between(-1, -0.6f, 0), between(-0.5f, 0.5f, 1)},
          {0.2f * random.normal(n, 1, 0), 0.2f * random.normal(n, 1, 1)},
          {between(0.6f, 1, 2), between(-0.5f, 0.5f, 3)}};
}

struct outcome {
  float cost;
  bool success;
};
/// The simulator: effort and closeness to the pillar cost at every step, distance from the goal and speed at the end.
outcome execute(observation now, const float* chunk) {
  float cost = 0;
  bool touched = false;
  for (int tick = 0; tick < 4 * actions; ++tick) {
    const float* action = chunk + tick / 4 * 2;
    for (int d = 0; d < 2; ++d) now.position[d] += 0.0625f * (now.velocity[d] += 0.25f * action[d]);
    const float clearance = std::hypot(now.position[0], now.position[1]) - 0.3f;
    touched = touched || clearance < 0;
    cost += 0.02f * (action[0] * action[0] + action[1] * action[1]) + 1.2f * std::max(0.0f, 0.1f - clearance);
  }
  const float distance = std::hypot(now.goal[0] - now.position[0], now.goal[1] - now.position[1]);
  const float speed = std::hypot(now.velocity[0], now.velocity[1]);
  return {cost + distance + 0.5f * speed, !touched && distance < 0.15f && speed < 0.3f};
}

/// The way of least effort, bent to pass the pillar on either side: by a shaky hand with a poor eye for the pillar.
void demonstrate(const observation& start, const fewstep::random_stream& random, std::uint64_t n, float* chunk) {
  const float side = random.below(2, n, 2) == 0 ? -1.0f : 1.0f, height = side * (0.6f + 0.15f * random.normal(n, 2, 4));
  const float bend[2] = {0, height - 0.5f * (start.position[1] + start.goal[1])};
  for (int k = 0; k < actions; ++k)
    for (int d = 0; d < 2; ++d) {
      const float time = (static_cast<float>(k) + 0.5f) / actions;
      *chunk++ = 0.375f * (start.goal[d] - start.position[d]) * (1 - 2 * time) -
                 0.125f * start.velocity[d] * (4 - 6 * time) - 1.234f * bend[d] * std::cos(6.2832f * time) +
                 0.05f * random.normal(n, 3, static_cast<std::uint64_t>(2 * k + d));
    }
}

int main() {
  fewstep::cpu_backend backend({.threads = 1});
  fewstep::mlp_generator<fewstep::cpu_backend, fewstep::edm_consistency, fewstep::observation_conditioning<observation>>
      model(backend, {.network = {.dimension = 2 * actions, .hidden = {128, 128}},
                      .preconditioner = {.sigma_min = 0.02f, .sigma_max = 5}});
  // Three network calls a plan, and none of the noise by which training explores.
  fewstep::policy policy(backend, model, fewstep::consistency_sampler{}.table(model.preconditioner(), 3));
  const fewstep::random_stream data{1, fewstep::stream::data}, held_out{1, fewstep::stream::evaluation};
  const auto percent_that_succeed = [&] {
    int successes = 0;
    for (std::uint64_t n = 0; n < 1000; ++n)
      successes += execute(observe(held_out, n), policy.act(observe(held_out, n), n).data).success ? 1 : 0;
    return 0.1 * successes;
  };

  auto demonstrations = [&](std::int64_t step, fewstep::matrix<float> chunks, std::span<observation> starts) {
    for (std::size_t i = 0; i < starts.size(); ++i) {
      const std::uint64_t n = static_cast<std::uint64_t>(step) * starts.size() + i;
      starts[i] = observe(data, n);
      demonstrate(starts[i], data, n, chunks.row(static_cast<fewstep::index_t>(i)));
    }
  };
  fewstep::consistency_training imitation(backend, model, fewstep::adam{.learning_rate = 2e-3f},
                                          {.steps = 2000, .batch = 128, .schedule = {.total = 2000, .final = 0.1f}});
  while (!imitation.finished()) imitation.step(demonstrations);
  const double before = percent_that_succeed();

  std::vector<observation> starts;
  for (std::uint64_t n = 0; n < 4096; ++n) starts.push_back(observe(data, n));
  auto thrift = fewstep::per_sample(
      [](fewstep::vec<const float> chunk, const observation& start) { return -execute(start, chunk.data).cost; });
  // The last step explores around the actions, too.
  const fewstep::consistency_sampler sampler{.last = fewstep::last_step::stochastic, .final_sigma = 0.03f};
  auto trainer = fewstep::rlcm(backend, model,
                               fewstep::policy_gradient_parts{.reward = thrift,
                                                              .optimizer = fewstep::adam{.learning_rate = 3e-3f},
                                                              .advantage = fewstep::group_advantage{},
                                                              .sampler = sampler},
                               {.horizon = 3,
                                .batch = {.prompts = 64, .samples_per_prompt = 8},
                                .training = {.schedule = {.total = 400, .final = 0.1f}}});
  double deviation = 0;
  for (const auto& update : trainer.run(starts, 400)) deviation = std::max(deviation, update.ratio_deviation);
  const double after = percent_that_succeed();

  std::vector<double> microseconds(10000);
  const std::size_t allocated = allocations;
  for (std::size_t n = 0; n < microseconds.size(); ++n) {
    const auto begin = std::chrono::steady_clock::now();
    (void)policy.act(starts[n % starts.size()], n);
    microseconds[n] = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count();
  }
  const std::size_t allocated_by_plans = allocations - allocated;
  std::sort(microseconds.begin(), microseconds.end());

  std::printf("less than half of the crossings succeed before: %s\n", before < 50 ? "yes" : "no");
  std::printf("more than 90 %% of them after: %s\n", after > 90 ? "yes" : "no");
  std::printf("all importance ratios are exactly 1: %s\n", deviation == 0 ? "yes" : "no");
  std::printf("allocations in %zu plans: %zu\n", microseconds.size(), allocated_by_plans);
  std::fprintf(stderr, "crossings: %.1f %% before, %.1f %% after; a plan takes %.1f us (median), %.1f us (99 %%)\n",
               before, after, microseconds[5000], microseconds[9900]);
}
