// SPDX-License-Identifier: Apache-2.0
// The optimizers against twenty steps of PyTorch's (tests/python/reference_optimizers.py).
#include "support/pytorch_reference.hpp"
#include "test.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/optimizer/gradient_norm.hpp>
#include <fewstep/optimizer/optimizer.hpp>
#include <fewstep/optimizer/schedule.hpp>
#include <fewstep/optimizer/sgd.hpp>

#include <string>
#include <vector>

using fewstep::cpu_backend;
using fewstep::index_t;

namespace {

constexpr index_t steps = 20, count = 37;
constexpr fewstep::linear_schedule decay{.total = steps};

/// Runs the steps and compares the parameters after each; returns the last average.
template <class Optimizer>
void check_against(const std::string& name, const Optimizer& optimizer, float ema_decay = 0,
                   const std::string& average_name = {}) {
  const fewstep::test::pytorch_reference file("optimizers.safetensors");
  cpu_backend backend({.threads = 1});
  auto parameters = file.flat<float>("initial"), ema = parameters;
  const auto gradients = file.flat<float>("gradients"), expected = file.flat<float>(name + ".parameters"),
             norms = file.flat<float>("gradient_norm"), rates = file.flat<float>(name + ".learning_rate");
  auto state = make_optimizer_state(optimizer, backend, count);
  std::vector<float> expected_average;
  if (!average_name.empty()) expected_average = file.flat<float>(average_name);

  for (index_t step = 0; step < steps; ++step) {
    const auto first = static_cast<std::size_t>(step * count);
    const fewstep::vec<const float> gradient{gradients.data() + first, {count}};
    const double norm = gradient_norm(backend, gradient);
    CAPTURE(name, step);
    CHECK(norm == Approx(norms[static_cast<std::size_t>(step)]).epsilon(1e-6));
    CHECK(optimizer.learning_rate * decay(step) == Approx(rates[static_cast<std::size_t>(step)]).epsilon(1e-6));
    optimizer_step(optimizer, backend, state,
                   {fewstep::as_vec(std::span(parameters)), gradient,
                    average_name.empty() ? fewstep::vec<float>{} : fewstep::as_vec(std::span(ema)), ema_decay},
                   {decay(step), fewstep::clip_factor(norm, 1.0f)});
    const std::vector<float> now(&expected[first], &expected[first] + count);
    CHECK(fewstep::test::largest_difference(parameters, now) < 2e-6);
    if (average_name.empty()) continue;
    const std::vector<float> average_now(&expected_average[first], &expected_average[first] + count);
    CHECK(fewstep::test::largest_difference(ema, average_now) < 2e-6);
  }
}

}  // namespace

TEST_CASE("sgd follows PyTorch") {
  check_against("sgd", fewstep::sgd{.learning_rate = 0.1f});
  check_against("sgd_momentum_0.9", fewstep::sgd{.learning_rate = 0.1f, .momentum = 0.9f});
}

TEST_CASE("adam follows PyTorch") {
  check_against("adam", fewstep::adam{.learning_rate = 0.01f});
  check_against("adam_0.9_0.99", fewstep::adam{.learning_rate = 0.01f, .beta2 = 0.99f});
}

TEST_CASE("adamw follows PyTorch") {
  check_against("adamw", fewstep::adamw{.learning_rate = 0.01f, .weight_decay = 0.01f});
}

TEST_CASE("the moving average of the parameters follows PyTorch") {
  check_against("adam", fewstep::adam{.learning_rate = 0.01f}, 0.999f, "adam.ema_0.999");
  check_against("adam", fewstep::adam{.learning_rate = 0.01f}, 0.9f, "adam.ema_0.9");
}
