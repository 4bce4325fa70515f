// SPDX-License-Identifier: Apache-2.0
#include "support/arrays.hpp"
#include "support/temporary_directory.hpp"
#include "test.hpp"

#include <fewstep/advantage/value_function.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/io/checkpoint.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/optimizer/sgd.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

using Catch::Matchers::StartsWith;
using fewstep::adam;
using fewstep::batch;
using fewstep::cpu_backend;
using fewstep::edm_consistency;
using fewstep::index_t;
using fewstep::value_function;

namespace {

/// Rows of two values, at times 1 and 2 and of two classes, and what they are worth: x_0 - t + class.
struct table_of_rows {
  static constexpr index_t n = 200;
  std::vector<float> x = fewstep::test::normals<float>(2 * n, 1), times, targets, weights;
  std::vector<std::int32_t> classes;

  table_of_rows() {
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
      times.push_back(i % 2 == 0 ? 1.0f : 2.0f);
      classes.push_back(i % 3 == 0 ? 1 : 0);
      targets.push_back(x[2 * i] - times[i] + static_cast<float>(classes[i]));
      weights.push_back(1);
    }
  }
  [[nodiscard]] batch<std::int32_t> rows() const {
    return {{x.data(), {n, 2}}, {times.data(), {n}}, {classes.data(), {n}}};
  }
};

fewstep::value_function_options small(int steps, index_t rows_at_once = 1024) {
  return {.network = {.dimension = 2, .classes = 2, .hidden = {32}},
          .steps_per_fit = steps,
          .max_gradient_norm = 0,
          .rows_at_once = rows_at_once,
          .seed = 3};
}
constexpr edm_consistency process{.sigma_data = 0.5f, .sigma_min = 0.1f, .sigma_max = 4};

}  // namespace

TEST_CASE("a value function is 0 before it is fitted and learns what states, times and classes are worth") {
  cpu_backend backend({.threads = 1});
  const table_of_rows data;
  value_function value(backend, process, adam{.learning_rate = 1e-2f}, small(1500));
  std::vector<float> out(table_of_rows::n, 7);
  value.values(backend, data.rows(), out);
  CHECK(out == std::vector<float>(table_of_rows::n, 0));
  double squares = 0;
  for (const float target : data.targets) squares += static_cast<double>(target) * static_cast<double>(target);
  CHECK(value.fit(backend, data.rows(), data.targets, data.weights) == Approx(squares / table_of_rows::n));
  value.values(backend, data.rows(), out);
  CHECK(fewstep::test::largest_difference(out, data.targets) < 0.1);
}

TEST_CASE("the fit of a value function does not depend on threads or on how rows are cut") {
  const table_of_rows data;
  const auto fitted = [&](int threads, index_t rows_at_once) {
    cpu_backend backend({.threads = threads});
    value_function value(backend, process, adam{.learning_rate = 1e-2f}, small(5, rows_at_once));
    value.fit(backend, data.rows(), data.targets, data.weights);
    return std::vector<float>(value.parameters().begin(), value.parameters().end());
  };
  const auto expected = fitted(1, 1024);
  CHECK(fewstep::test::same_bits(fitted(2, 1024), expected));
  CHECK(fewstep::test::same_bits(fitted(1, 1), expected));
  CHECK(fewstep::test::same_bits(fitted(2, 64), expected));
}

TEST_CASE("the step of a fit is the gradient of the weighted mean square") {
  cpu_backend backend({.threads = 1});
  table_of_rows data;
  for (std::size_t i = 0; i < data.weights.size(); i += 4) data.weights[i] = 0;
  // The last bias alone is not multiplied by anything: its first step is known, as V is 0.
  double slope = 0, total = 0;
  for (std::size_t i = 0; i < data.weights.size(); ++i) {
    slope -= 2 * static_cast<double>(data.weights[i]) * static_cast<double>(data.targets[i]);
    total += static_cast<double>(data.weights[i]);
  }
  value_function value(backend, process, fewstep::sgd{.learning_rate = 0.5f}, small(1));
  value.fit(backend, data.rows(), data.targets, data.weights);
  CHECK(static_cast<double>(value.parameters()[value.parameters().size() - 1]) ==
        Approx(-0.5 * slope / total).epsilon(1e-5));
  // Targets of rows without weight do not count.
  table_of_rows other = data;
  for (std::size_t i = 0; i < data.weights.size(); i += 4) other.targets[i] = 1e6f;
  value_function same(backend, process, fewstep::sgd{.learning_rate = 0.5f}, small(1));
  same.fit(backend, other.rows(), other.targets, other.weights);
  CHECK(fewstep::test::same_bits(same.parameters().data, value.parameters().data, value.parameters().size()));
}

TEST_CASE("a value function goes on from a checkpoint bit for bit") {
  cpu_backend backend({.threads = 1});
  const table_of_rows data;
  const temporary_directory folder;
  value_function value(backend, process, adam{.learning_rate = 1e-2f}, small(3)),
      resumed(backend, process, adam{.learning_rate = 1e-2f}, small(3));
  value.fit(backend, data.rows(), data.targets, data.weights);
  fewstep::save_checkpoint(folder / "value.safetensors", value);
  fewstep::load_checkpoint(folder / "value.safetensors", resumed);
  for (auto* one : {&value, &resumed}) one->fit(backend, data.rows(), data.targets, data.weights);
  CHECK(fewstep::test::same_bits(resumed.parameters().data, value.parameters().data, value.parameters().size()));
  value_function other(backend, process, adam{.learning_rate = 1e-3f}, small(3));
  CHECK_THROWS_WITH(fewstep::load_checkpoint(folder / "value.safetensors", other), contains("learning_rate"));
}

TEST_CASE("a value function refuses arrays that are not as many as the rows") {
  cpu_backend backend({.threads = 1});
  const table_of_rows data;
  value_function value(backend, process, adam{}, small(1));
  std::vector<float> out(3);
  CHECK_THROWS_WITH(value.values(backend, data.rows(), out),
                    StartsWith("value_function: there are 200 rows but room for 3 values"));
  CHECK_THROWS_WITH(value.fit(backend, data.rows(), out, data.weights),
                    StartsWith("value_function: there are 200 rows but 3 targets and 200 weights"));
  CHECK_THROWS_WITH(value_function(backend, process, adam{.learning_rate = -1}, small(1)), contains("learning_rate"));
}
