// SPDX-License-Identifier: Apache-2.0
#include "support/arrays.hpp"
#include "test.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/optimizer/gradient_norm.hpp>
#include <fewstep/optimizer/optimizer.hpp>
#include <fewstep/optimizer/sgd.hpp>

#include <cmath>
#include <vector>

using fewstep::as_vec;
using fewstep::clip_factor;
using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::test::same_bits;

TEST_CASE("gradient_norm is the Euclidean norm, with the same bits for any number of threads") {
  const index_t n = GENERATE(0, 1, 7, 9, 16384, 16385, 100003);
  const auto gradient = fewstep::test::normals<float>(n, 1);
  double squares = 0;
  for (const float g : gradient) squares += static_cast<double>(g) * static_cast<double>(g);
  cpu_backend one({.threads = 1}), two({.threads = 2});
  CAPTURE(n);
  const double norm = gradient_norm(one, as_vec(std::span(gradient)));
  CHECK(norm == Approx(std::sqrt(squares)).epsilon(1e-13));
  CHECK(gradient_norm(two, as_vec(std::span(gradient))) == norm);
}

TEST_CASE("gradient_norm does not overflow in single precision, and shows what is not finite") {
  cpu_backend backend({.threads = 1});
  CHECK(gradient_norm(backend, as_vec(std::span<const float>(std::vector<float>{3e30f, 4e30f}))) ==
        Approx(5e30).epsilon(1e-6));
  std::vector<float> gradient(40000, 1.0f);
  for (const float bad : {NAN, INFINITY}) {
    gradient[35001] = bad;
    CHECK_FALSE(std::isfinite(gradient_norm(backend, as_vec(std::span<const float>(gradient)))));
  }
}

TEST_CASE("clip_factor brings a norm down to the largest allowed, and leaves smaller ones alone") {
  CHECK(clip_factor(10.0, 5.0f) == Approx(0.5));
  CHECK(clip_factor(2.0, 5.0f) == 1.0f);
  CHECK(clip_factor(0.0, 5.0f) == 1.0f);
  CHECK(clip_factor(1e9, 0.0f) == 1.0f);
  CHECK(clip_factor(5.0, 5.0f) == Approx(1.0).epsilon(1e-6));
}

namespace {

/// Parameters and average after a few steps on a backend of so many threads.
template <class Optimizer>
std::vector<float> stepped(const Optimizer& optimizer, int threads) {
  cpu_backend backend({.threads = threads});
  constexpr index_t n = 50001;
  auto parameters = fewstep::test::normals<float>(n, 1), ema = parameters;
  auto state = make_optimizer_state(optimizer, backend, n);
  for (std::uint64_t step = 0; step < 3; ++step) {
    const auto gradient = fewstep::test::normals<float>(n, 2 + step);
    optimizer_step(optimizer, backend, state,
                   {as_vec(std::span(parameters)), as_vec(std::span(gradient)), as_vec(std::span(ema)), 0.9f},
                   {1.0f, 0.5f});
  }
  parameters.insert(parameters.end(), ema.begin(), ema.end());
  return parameters;
}

}  // namespace

TEST_CASE("an optimizer step has the same bits for any number of threads") {
  const auto check = [](const auto& optimizer) { CHECK(same_bits(stepped(optimizer, 1), stepped(optimizer, 2))); };
  check(fewstep::sgd{.momentum = 0.9f});
  check(fewstep::adam{});
  check(fewstep::adamw{});
}

TEST_CASE("an element's step depends neither on where it stands nor on whether an average is kept") {
  const auto check = [](const auto& optimizer) {
    cpu_backend backend({.threads = 1});
    constexpr index_t n = 77, steps = 50;
    const auto start = fewstep::test::normals<float>(1, 1), gradients = fewstep::test::normals<float>(steps, 2);
    std::vector<float> parameters(n, start[0]), alone = parameters, ema = parameters;
    auto state = make_optimizer_state(optimizer, backend, n), state_alone = make_optimizer_state(optimizer, backend, n);
    for (const float g : gradients) {
      const std::vector<float> gradient(n, g);
      optimizer_step(optimizer, backend, state,
                     {as_vec(std::span(parameters)), as_vec(std::span(gradient)), as_vec(std::span(ema)), 0.9f},
                     {1.0f, 0.7f});
      optimizer_step(optimizer, backend, state_alone, {as_vec(std::span(alone)), as_vec(std::span(gradient))},
                     {1.0f, 0.7f});
    }
    CHECK(same_bits(parameters, std::vector<float>(n, parameters[0])));
    CHECK(same_bits(ema, std::vector<float>(n, ema[0])));
    CHECK(same_bits(parameters, alone));
  };
  check(fewstep::sgd{.momentum = 0.9f});
  check(fewstep::adam{});
  check(fewstep::adamw{.weight_decay = 0.1f});
}

TEST_CASE("a rate of 0 moves nothing") {
  const auto check = [](const auto& optimizer) {
    cpu_backend backend({.threads = 1});
    const auto initial = fewstep::test::normals<float>(100, 1), gradient = fewstep::test::normals<float>(100, 2);
    auto parameters = initial;
    auto state = make_optimizer_state(optimizer, backend, 100);
    for (int step = 0; step < 3; ++step)
      optimizer_step(optimizer, backend, state, {as_vec(std::span(parameters)), as_vec(std::span(gradient))},
                     {0.0f, 1.0f});
    CHECK(same_bits(parameters, initial));
  };
  check(fewstep::sgd{.momentum = 0.9f});
  check(fewstep::adam{});
  check(fewstep::adamw{.weight_decay = 0.1f});
}
