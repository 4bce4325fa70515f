// SPDX-License-Identifier: Apache-2.0
#include "support/arrays.hpp"
#include "test.hpp"

#include <fewstep/algorithm/consistency_training.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/optimizer/adam.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

using fewstep::cpu_backend;
using fewstep::index_t;

namespace {

constexpr float mean = 0.4f, deviation = 0.3f, sigma_min = 0.01f;

struct gaussian_data {
  void operator()(std::int64_t step, fewstep::matrix<float> x, std::span<std::int32_t>) const {
    const fewstep::random_stream random{7, fewstep::stream::data};
    for (index_t i = 0; i < x.rows(); ++i)
      x(i, 0) = mean + deviation * random.normal(static_cast<std::uint64_t>(step * x.rows() + i));
  }
};

using mlp = fewstep::mlp_generator<cpu_backend>;
mlp make_model(cpu_backend& backend) {
  return {backend,
          {.network = {.dimension = 1, .hidden = {32, 32}},
           .preconditioner = {.sigma_data = 0.5f, .sigma_min = sigma_min, .sigma_max = 3},
           .seed = 1}};
}

constexpr fewstep::consistency_training_options settings{.steps = 3000,
                                                         .batch = 128,
                                                         .stages = 5,
                                                         .log_time_mean = -0.7f,
                                                         .log_time_deviation = 1.3f,
                                                         .ema_decay = 0.99f,
                                                         .schedule = {.hold = 2000, .total = 3000, .final = 0.05f}};

}  // namespace

// For data N(mu, v): f(x, t) = mu + (x - mu) sqrt((v + sigma_min^2) / (v + t^2)).
TEST_CASE("consistency training on Gaussian data finds the consistency function") {
  cpu_backend backend({.threads = 1});
  mlp model = make_model(backend);
  fewstep::consistency_training training(backend, model, fewstep::adam{.learning_rate = 3e-3f}, settings);
  gaussian_data data;
  double first_loss = 0;
  while (!training.finished()) {
    const auto report = training.step(data);
    if (report.step == 0) first_loss = report.loss;
  }
  CHECK(first_loss > 0);
  std::copy(training.ema().begin(), training.ema().end(), model.parameters().begin());

  // Errors in units of the data's deviation, over the states that occur.
  double largest = 0, squares = 0, count = 0;
  auto workspace = model.make_workspace(backend, 32);
  for (const float t : {0.02f, 0.1f, 0.3f, 1.0f, 2.0f, 3.0f})
    for (float z = -2; z <= 2; z += 0.5f) {
      const float x = mean + z * std::sqrt(deviation * deviation + t * t);
      const std::int32_t context = 0;
      float o = 0;
      model.predict(backend, {{&x, {1, 1}}, {&t, {1}}, {&context, {1}}}, {&o, {1, 1}}, workspace);
      const auto [in, skip, out] = model.preconditioner()(t);
      const double exact = static_cast<double>(mean) +
                           static_cast<double>(x - mean) *
                               std::sqrt(static_cast<double>((deviation * deviation + sigma_min * sigma_min) /
                                                             (deviation * deviation + t * t)));
      const double off = (static_cast<double>(skip * x + out * o) - exact) / static_cast<double>(deviation);
      INFO("t " << t << " z " << z << " error " << off);
      largest = std::max(largest, std::abs(off));
      squares += off * off;
      count += 1;
    }
  CAPTURE(largest, std::sqrt(squares / count));
  CHECK(largest < 0.16);
  CHECK(std::sqrt(squares / count) < 0.07);
}

TEST_CASE("consistency training has the same bits on any number of threads") {
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2}) {
    cpu_backend backend({.threads = threads});
    mlp model = make_model(backend);
    auto few = settings;
    few.steps = 60;
    fewstep::consistency_training training(backend, model, fewstep::adam{.learning_rate = 3e-3f}, few);
    gaussian_data data;
    while (!training.finished()) training.step(data);
    CHECK(training.stage(0) == 0);
    CHECK(training.stage(59) == 5);
    results.emplace_back(model.parameters().begin(), model.parameters().end());
    results.back().insert(results.back().end(), training.ema().begin(), training.ema().end());
  }
  CHECK(fewstep::test::same_bits(results[0], results[1]));
}

TEST_CASE("consistency training refuses settings without a step, and a loss that is not finite") {
  cpu_backend backend({.threads = 1});
  mlp model = make_model(backend);
  CHECK_THROWS_WITH(fewstep::consistency_training(backend, model, fewstep::adam{}, {.steps = 0}),
                    contains("consistency_training: steps is 0; it must be at least 1"));
  fewstep::consistency_training training(backend, model, fewstep::adam{}, settings);
  const auto broken = [](std::int64_t, fewstep::matrix<float> x, std::span<std::int32_t>) { x(3, 0) = NAN; };
  const auto parameters = [&] { return std::vector<float>(model.parameters().begin(), model.parameters().end()); };
  const auto before = parameters();
  CHECK_THROWS_WITH(training.step(broken), contains("consistency_training: step 0 has loss"));
  CHECK(training.index() == 0);
  CHECK(fewstep::test::same_bits(before, parameters()));
}
