// SPDX-License-Identifier: Apache-2.0
#include "cuda/support.cuh"
#include "support/users_optimizers.hpp"

#include <fewstep/optimizer/adam.hpp>
#include <fewstep/optimizer/optimizer.hpp>
#include <fewstep/optimizer/sgd.hpp>

#include <cmath>
#include <vector>

using namespace fewstep;
using namespace fewstep::test;

namespace {

/// Parameters and, where it is kept, their average after three steps; arrays begin `shift` floats behind a boundary.
template <class Backend, class Optimizer>
std::vector<float> stepped(Backend& backend, const Optimizer& optimizer, index_t n, bool averaged, index_t shift = 0) {
  std::vector<float> start(static_cast<std::size_t>(shift));
  const auto values = normals<float>(n, 1);
  start.insert(start.end(), values.begin(), values.end());
  auto parameters = to_device(backend, start), ema = to_device(backend, start);
  std::vector<parameter_kind> kinds_of(static_cast<std::size_t>(n + shift));
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i)
    kinds_of[i + static_cast<std::size_t>(shift)] = static_cast<parameter_kind>(i % 5);
  const auto kinds = to_device(backend, kinds_of);
  auto state = make_optimizer_state(optimizer, backend, n);
  for (std::uint64_t step = 0; step < 3; ++step) {
    const auto gradient = to_device(backend, normals<float>(n, 2 + step));
    optimizer_arrays arrays{{parameters.data() + shift, {n}}, gradient.view()};
    if (reads_kinds(optimizer)) arrays.kinds = {kinds.data() + shift, {n}};
    if (averaged) {
      arrays.ema = {ema.data() + shift, {n}};
      arrays.ema_decay = 0.9f;
    }
    optimizer_step(optimizer, backend, state, arrays, {0.7f, 0.5f});
  }
  auto result = to_host(backend, parameters.data() + shift, n);
  const auto mean = to_host(backend, ema.data() + shift, n);
  result.insert(result.end(), mean.begin(), mean.end());
  return result;
}

template <class Backend, class Optimizer>
void check(const Optimizer& optimizer) {
  for (const index_t n : {1, 3, 4, 1023, 2050})
    for (const bool averaged : {false, true}) {
      CAPTURE(n, averaged);
      cpu_backend cpu({.threads = 1});
      const auto expected = stepped(cpu, optimizer, n, averaged);
      in_every_order<Backend>([&](Backend& backend) {
        const auto result = stepped(backend, optimizer, n, averaged);
        CHECK(relative_error(result, expected) < 1e-6);  // roundings of three steps
        CHECK(same_bits(stepped(backend, optimizer, n, averaged, 1), result));
        return result;
      });
    }
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("optimizer steps are the CPU's, in packets and off a boundary", "[cuda]", devices) {
  check<TestType>(sgd{.momentum = 0.9f});
  check<TestType>(adam{.learning_rate = 0.01f});
  check<TestType>(adamw{.learning_rate = 0.01f, .weight_decay = 0.1f});
  check<TestType>(adamw{.learning_rate = 0.01f, .weight_decay = 0.5f, .decay_on = weights_and_tables});
  check<TestType>(lion{.learning_rate = 0.01f});
  check<TestType>(falling_descent{});
}

TEMPLATE_LIST_TEST_CASE("the first step of AdamW has the length of the rate", "[cuda]", devices) {
  constexpr index_t n = 6;
  constexpr double rate = 0.01, decay = 0.1;
  const std::vector<float> start{1, -2, 3, -4, 5, -6}, slope{1, -1, 5, 7, -3, -2};
  TestType backend;
  auto parameters = to_device(backend, start);
  const auto gradient = to_device(backend, slope);
  const adamw optimizer{.learning_rate = static_cast<float>(rate), .weight_decay = static_cast<float>(decay)};
  auto state = make_optimizer_state(optimizer, backend, n);
  optimizer_step(optimizer, backend, state, {parameters.view(), gradient.view()}, {});
  const auto result = to_host(backend, parameters);
  for (std::size_t i = 0; i < start.size(); ++i) {
    const double p = start[i];
    CHECK(result[i] == Approx(p - rate * decay * p - std::copysign(rate, slope[i])).epsilon(1e-6));
  }
}
