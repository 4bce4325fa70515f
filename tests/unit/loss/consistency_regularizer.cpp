// SPDX-License-Identifier: Apache-2.0
// The regularizer is the loss of consistency_training, whose gradient it must have to the bit; and an independent
// computation in double of loss and gradient.
#include "support/arrays.hpp"
#include "test.hpp"

#include <fewstep/algorithm/consistency_training.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/loss/consistency_regularizer.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/sampler/consistency.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

using namespace fewstep;
using namespace fewstep::test;

namespace {

using perceptron = mlp_generator<cpu_backend>;
constexpr index_t samples = 70, size = 3;
constexpr std::uint64_t seed = 9;
constexpr int update = 3;

perceptron make_model(cpu_backend& backend) {
  return {backend, {.network = {.dimension = size, .classes = 4}, .seed = 3}};
}

const std::vector<float> clean = normals<float>(samples * size, 5, 0.5);

/// The same examples for every step.
struct examples {
  void operator()(std::int64_t step, matrix<float> x, std::span<std::int32_t> contexts) const {
    REQUIRE(step == update);
    std::copy(clean.begin(), clean.end(), x.data);
    for (std::size_t i = 0; i < contexts.size(); ++i) contexts[i] = static_cast<std::int32_t>(i % 4);
  }
};

/// A trajectory whose results are the examples.
trajectory<cpu_backend, std::int32_t> make_path(cpu_backend& backend, const perceptron& model) {
  trajectory<cpu_backend, std::int32_t> path(backend, consistency_sampler{}.table(model.preconditioner(), 2), samples,
                                             size);
  std::copy(clean.begin(), clean.end(), path.result().data);
  for (index_t r = 0; r < samples; ++r) path.set_context(r, static_cast<std::int32_t>(r % 4));
  return path;
}

struct added {
  double loss;
  std::vector<float> gradient;
};

template <class Loss>
added add(cpu_backend& backend, perceptron& model, Loss loss, index_t rows, auxiliary_key key = {seed, update, 0}) {
  const auto path = make_path(backend, model);
  auto workspace = model.make_workspace(backend, rows);
  loss.prepare(backend, model, path.table(), samples, rows);
  std::fill(model.gradients().begin(), model.gradients().end(), 0.0f);
  const double value = loss.add_gradient(backend, model, workspace, path, key);
  return {value, {model.gradients().begin(), model.gradients().end()}};
}

}  // namespace

TEST_CASE("consistency_regularizer has the bits of consistency_training, in any parts, from results or a source") {
  cpu_backend backend({.threads = 1});
  auto model = make_model(backend);
  consistency_training training(backend, model, sgd{.learning_rate = 0},
                                {.steps = 4, .batch = samples, .stages = 3, .huber = 0.01f, .seed = seed});
  double loss = 0;
  for (int step = 0; step <= update; ++step) {
    auto source = [&](std::int64_t at, matrix<float> x, std::span<std::int32_t> contexts) {
      if (at == update) return examples{}(at, x, contexts);
      std::fill(x.begin(), x.end(), 0.0f);
      std::fill(contexts.begin(), contexts.end(), 0);
    };
    const auto report = training.step(source);
    CHECK(report.stage == step);
    loss = report.loss;
  }
  const std::vector<float> expected(model.gradients().begin(), model.gradients().end());
  for (const index_t rows : {32, 64, 96}) {
    const added own = add(backend, model, consistency_regularizer(backend, {.huber = 0.01f}), rows);
    CHECK(same_bits(own.gradient, expected));
    CHECK(own.loss == Approx(loss).epsilon(1e-12));
    const added drawn =
        add(backend, model, consistency_regularizer(backend, model, {.huber = 0.01f}, examples{}), rows);
    CHECK(same_bits(drawn.gradient, expected));
  }
}

TEST_CASE("consistency_regularizer: loss and gradient are those of the formula, the target being held fixed") {
  cpu_backend backend({.threads = 1});
  auto model = make_model(backend);
  const float weight = 0.7f;
  const added claimed = add(backend, model, consistency_regularizer(backend, {.weight = weight}), 32, {seed, 5, 2});
  const std::uint64_t first = 5 * samples + (std::uint64_t{2} << 40);
  const random_stream of_times{seed, stream::training_times}, of_noise{seed, stream::training_noise};
  const auto p = model.preconditioner();
  auto workspace = model.make_workspace(backend, 0);
  std::vector<double> target;
  const auto prediction = [&](index_t r, double t) {
    std::vector<float> x(size), o(size);
    const auto time = static_cast<float>(t);
    const auto context = static_cast<std::int32_t>(r % 4);
    for (index_t d = 0; d < size; ++d)
      x[static_cast<std::size_t>(d)] =
          clean[static_cast<std::size_t>(r * size + d)] +
          time * of_noise.normal(first + static_cast<std::uint64_t>(r), 0, static_cast<std::uint64_t>(d));
    model.predict(backend, {{x.data(), {1, size}}, {&time, {1}}, {&context, {1}}}, {o.data(), {1, size}}, workspace);
    std::vector<double> f;
    for (std::size_t d = 0; d < size; ++d)
      f.push_back(static_cast<double>(p(time).skip) * static_cast<double>(x[d]) +
                  static_cast<double>(p(time).out) * static_cast<double>(o[d]));
    return f;
  };
  const auto loss = [&] {
    double sum = 0;
    const bool fixes = target.empty();
    for (index_t r = 0; r < samples; ++r) {
      const double z = static_cast<double>(of_times.normal(first + static_cast<std::uint64_t>(r)));
      const double t = std::clamp(std::exp(-1.1 + 2.0 * z), 0.002 * 1.001, 80.0);
      double before = std::max(0.0, t * (1 - 0.125 * (1 + 8 / (1 + std::exp(t)))));
      if (before <= 0.002) before = 0;
      if (fixes) {
        const auto f = prediction(r, before);
        for (std::size_t d = 0; d < size; ++d)
          target.push_back(before > 0 ? f[d] : static_cast<double>(clean[static_cast<std::size_t>(r) * size + d]));
      }
      const auto f = prediction(r, t);
      double squares = 0;
      for (std::size_t d = 0; d < size; ++d)
        squares += std::pow(f[d] - target[static_cast<std::size_t>(r) * size + d], 2);
      sum += static_cast<double>(weight) * std::sqrt(squares) / (t - before) / samples;
    }
    return sum;
  };
  CHECK(claimed.loss == Approx(loss()).epsilon(1e-4));
  const std::vector<float> start(model.parameters().begin(), model.parameters().end());
  for (std::uint64_t direction = 0; direction < 4; ++direction) {
    const auto v = normals<float>(model.parameters().size(), direction + 50);
    double along = 0, difference = 0;
    constexpr double step = 1.0 / 1024;
    for (const double sign : {1.0, -1.0}) {
      for (std::size_t i = 0; i < v.size(); ++i)
        model.parameters()[static_cast<index_t>(i)] = start[i] + static_cast<float>(sign * step) * v[i];
      difference += sign * loss() / (2 * step);
    }
    std::copy(start.begin(), start.end(), model.parameters().begin());
    for (std::size_t i = 0; i < v.size(); ++i)
      along += static_cast<double>(claimed.gradient[i]) * static_cast<double>(v[i]);
    CHECK(along == Approx(difference).epsilon(1e-2).margin(1e-2));
  }
}

TEST_CASE("consistency_regularizer draws anew for every step, and scales with its weight") {
  cpu_backend backend({.threads = 1});
  auto model = make_model(backend);
  const auto with = [&](float weight, auxiliary_key key) {
    return add(backend, model, consistency_regularizer(backend, {.weight = weight}), 32, key);
  };
  const added one = with(1, {seed, 2, 0});
  CHECK(same_bits(with(1, {seed, 2, 0}).gradient, one.gradient));
  CHECK_FALSE(same_bits(with(1, {seed, 2, 1}).gradient, one.gradient));
  CHECK_FALSE(same_bits(with(1, {seed, 3, 0}).gradient, one.gradient));
  CHECK_FALSE(same_bits(with(1, {seed + 1, 2, 0}).gradient, one.gradient));
  const added twice = with(2, {seed, 2, 0}), none = with(0, {seed, 2, 0});
  CHECK(twice.loss == Approx(2 * one.loss));
  for (std::size_t i = 0; i < one.gradient.size(); ++i)
    CHECK(twice.gradient[i] == Approx(2 * one.gradient[i]).margin(1e-6));
  CHECK(none.loss == 0);
  CHECK(std::all_of(none.gradient.begin(), none.gradient.end(), [](float g) { return g == 0; }));
}

TEST_CASE("consistency_regularizer refuses settings without a loss") {
  cpu_backend backend({.threads = 1});
  CHECK_THROWS_WITH(consistency_regularizer(backend, {.weight = -1}), contains("weight is -1"));
  CHECK_THROWS_WITH(consistency_regularizer(backend, {.times = {.stage = 0}}), contains("stage is 0"));
  CHECK_THROWS_WITH(consistency_regularizer(backend, {.times = {.q = 1}}),
                    contains("times.q is 1; it must be above 1"));
}
