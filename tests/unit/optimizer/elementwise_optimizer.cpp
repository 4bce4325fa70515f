// SPDX-License-Identifier: Apache-2.0
#include <fewstep/optimizer/elementwise_optimizer.hpp>

#include "support/arrays.hpp"
#include "support/users_optimizers.hpp"
#include "test.hpp"

#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/io/checkpoint.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/optimizer/optimizer.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/reward/per_sample.hpp>

#include <unistd.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

using fewstep::as_vec;
using fewstep::cpu_backend;
using fewstep::index_t;
using namespace fewstep::test;

namespace {

constexpr float rate_factor = 0.5f, clipping = 0.25f, ema_decay = 0.9f;

/// Parameters, then their average, after some steps of 77 parameters.
template <class Optimizer>
std::vector<float> stepped(const Optimizer& optimizer, int steps, int threads = 1) {
  cpu_backend backend({.threads = threads});
  constexpr index_t n = 77;
  auto parameters = normals<float>(n, 1), ema = parameters;
  auto state = make_optimizer_state(optimizer, backend, n);
  for (int step = 0; step < steps; ++step) {
    const auto gradient = normals<float>(n, 2 + static_cast<std::uint64_t>(step));
    optimizer_step(optimizer, backend, state,
                   {as_vec(std::span(parameters)), as_vec(std::span(gradient)), as_vec(std::span(ema)), ema_decay},
                   {rate_factor, clipping});
  }
  parameters.insert(parameters.end(), ema.begin(), ema.end());
  return parameters;
}

/// The same of one parameter at a time in double; move(p, g, moments, step) is the rule.
template <class Move>
std::vector<float> expected(int steps, const Move& move) {
  const auto start = normals<float>(77, 1);
  std::vector<float> parameters, averages;
  for (std::size_t i = 0; i < start.size(); ++i) {
    double p = start[i], mean = p, moments[2] = {};
    for (int step = 0; step < steps; ++step) {
      const double g = normals<float>(77, 2 + static_cast<std::uint64_t>(step))[i];
      move(p, g * static_cast<double>(clipping), moments, step + 1);
      mean += (1 - static_cast<double>(ema_decay)) * (p - mean);
    }
    parameters.push_back(static_cast<float>(p));
    averages.push_back(static_cast<float>(mean));
  }
  parameters.insert(parameters.end(), averages.begin(), averages.end());
  return parameters;
}

}  // namespace

TEST_CASE("a user's optimizer of a few lines is clipped, scheduled and averaged") {
  const int steps = 5;
  const double rate = static_cast<double>(lion{}.learning_rate) * static_cast<double>(rate_factor);
  CHECK(largest_difference(stepped(lion{}, steps), expected(steps, [&](double& p, double g, double* m, int) {
                             const double c = 0.9 * m[0] + 0.1 * g;
                             p -= rate * std::copysign(1.0, c);
                             m[0] = 0.99 * m[0] + 0.01 * g;
                           })) < 1e-6);
  CHECK(same_bits(stepped(lion{}, steps, 1), stepped(lion{}, steps, 2)));
}

TEST_CASE("an optimizer may keep nothing and may count its steps") {
  const double rate = static_cast<double>(descent{}.learning_rate) * static_cast<double>(rate_factor);
  CHECK(largest_difference(stepped(descent{}, 4),
                           expected(4, [&](double& p, double g, double*, int) { p -= rate * g; })) < 1e-6);
  // Robbins and Monro's rate, which falls as 1 / step.
  CHECK(largest_difference(stepped(falling_descent{}, 4),
                           expected(4, [&](double& p, double g, double*, int step) { p -= rate / step * g; })) < 1e-6);
  CHECK(largest_difference(stepped(prepared_descent{}, 4), stepped(falling_descent{}, 4)) < 1e-6);
}

TEST_CASE("the bytes of the state are those of the moments") {
  CHECK(fewstep::optimizer_state_bytes(lion{}, 100) == 400);
  CHECK(fewstep::optimizer_state_bytes(descent{}, 100) == 0);
  CHECK(fewstep::optimizer_state_bytes(fewstep::adam{}, 100) == 800);
  CHECK(fewstep::optimizer_state_bytes(fewstep::sgd{}, 100) == 400);
}

TEST_CASE("a run with a user's optimizer resumes bit for bit and refuses another one") {
  cpu_backend backend({.threads = 1});
  const auto reward =
      fewstep::per_sample([](fewstep::vec<const float> x, std::int32_t) { return -std::hypot(x[0] - 1, x[1]); });
  const std::vector<std::int32_t> contexts{0};
  const auto path = std::filesystem::temp_directory_path() / ("fewstep-elementwise-" + std::to_string(::getpid()));
  const auto trainer_of = [&](auto& model, const auto& optimizer) {
    return fewstep::rlcm(
        backend, model, reward, optimizer,
        {.horizon = 2, .batch = {.prompts = 1, .samples_per_prompt = 8}, .training = {.ema_decay = 0.9f}});
  };
  fewstep::mlp_generator<cpu_backend> model(backend, {}), other(backend, {.seed = 5});
  auto trainer = trainer_of(model, falling_lion{});
  trainer.update(contexts);
  fewstep::save_checkpoint(path, trainer);
  trainer.update(contexts);
  trainer.update(contexts);

  auto resumed = trainer_of(other, falling_lion{});
  fewstep::load_checkpoint(path, resumed);
  resumed.update(contexts);
  resumed.update(contexts);
  CHECK(same_bits(other.parameters().data, model.parameters().data, model.parameters().size()));
  CHECK(same_bits(resumed.ema().data, trainer.ema().data, trainer.ema().size()));

  auto of_another = trainer_of(other, lion{});
  CHECK_THROWS_WITH(fewstep::load_checkpoint(path, of_another), contains("'optimizer.moment0'"));
  auto named = trainer_of(other, falling_lion{.learning_rate = 0.5f});
  CHECK_THROWS_WITH(fewstep::load_checkpoint(path, named), contains("optimizer.learning_rate"));
  CHECK_THROWS_WITH(trainer_of(other, falling_lion{.learning_rate = -1}),
                    contains("falling_lion: learning_rate is -1; it must be at least 0"));
  std::filesystem::remove(path);
}
