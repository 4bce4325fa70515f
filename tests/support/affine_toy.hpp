// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/core/reduction.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/mdp/rollout.hpp>
#include <fewstep/mdp/trajectory.hpp>
#include <fewstep/sampler/step_table.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace fewstep::test {

/// A generator of one parameter theta whose output is the clean prediction and affine in the state,
///   o = f = theta + (x - theta) s(t),  s(t) = 1 / (1 + t),
/// so that the means of all states under any step table are known. Signal and noise are an EDM process' or a
/// rectified flow's.
struct affine_toy {
  enum class process { edm, flow };
  static constexpr index_t dimension = 3;

  [[nodiscard]] static double shrinking(double t) { return 1 / (1 + t); }

  struct plain {
    process of;
    coefficients operator()(float) const { return {1, 0, 1}; }
    noise_level level(float t) const { return {of == process::flow ? 1 - t : 1, t}; }
    float noise_floor() const { return 0; }
    float min_time() const { return of == process::flow ? 0.0f : 0.1f; }
    float max_time() const { return of == process::flow ? 1.0f : 4.0f; }
  };

  using context_type = std::int32_t;
  struct workspace_type {};

  explicit affine_toy(process p, float start = 0.3f) : of(p), theta(start) {}

  process of;
  float theta, gradient = 0;

  [[nodiscard]] index_t sample_size() const { return dimension; }
  [[nodiscard]] plain preconditioner() const { return {of}; }
  [[nodiscard]] workspace_type make_workspace(cpu_backend&, index_t) const { return {}; }
  [[nodiscard]] std::size_t workspace_bytes(const cpu_backend&, index_t) const { return 0; }
  void predict(cpu_backend&, batch<std::int32_t> rows, matrix<float> o, workspace_type&) const {
    for (index_t r = 0; r < rows.rows(); ++r) {
      const auto s = static_cast<float>(shrinking(static_cast<double>(rows.times[r])));
      for (index_t d = 0; d < dimension; ++d) o(r, d) = theta + (rows.x(r, d) - theta) * s;
    }
  }
  void forward(cpu_backend& backend, batch<std::int32_t> rows, matrix<float> o, workspace_type& workspace) const {
    predict(backend, rows, o, workspace);
  }
  void backward(cpu_backend&, batch<std::int32_t> rows, matrix<const float> o_gradient, workspace_type&) {
    for (index_t r = 0; r < rows.rows(); ++r) {
      const auto s = static_cast<float>(shrinking(static_cast<double>(rows.times[r])));
      for (index_t d = 0; d < dimension; ++d) gradient += o_gradient(r, d) * (1 - s);
    }
  }
  vec<float> parameters() { return {&theta, {1}}; }
  vec<float> gradients() { return {&gradient, {1}}; }
};

static_assert(generator<affine_toy, cpu_backend>);

/// For each trained step of the table, the gradient by theta of E[-|result - target|^2] through that step's action
/// alone, over the number of dimensions: what E[reward d mean_d(log pi_k) / d theta] is.
///
/// States' means are affine in each other, E x' = a E x + b (theta (1 - s) + s E x), so the result answers to the mean
/// of a state by the product of the factors a + b s that follow.
inline std::vector<double> step_gradients(const step_table& table, double theta, double target) {
  std::vector<double> factors, own;  // d E x' / d E x and d E x' / d theta with x held
  double mean = 0, before_last = 0;
  for (const step_row& row : table.rows) {
    const double a = static_cast<double>(row.a), b = static_cast<double>(row.b);
    const double s = affine_toy::shrinking(static_cast<double>(row.time));
    before_last = mean;
    mean = a * mean + b * (theta * (1 - s) + s * mean);
    factors.push_back(a + b * s);
    own.push_back(b * (1 - s));
  }
  const step_row& last = table.rows.back();
  const bool clean = table.result == emitted::clean;
  if (clean) {
    const double s = affine_toy::shrinking(static_cast<double>(last.time));
    mean = static_cast<double>(last.skip) * before_last +
           static_cast<double>(last.out) * (theta * (1 - s) + s * before_last);
    factors.back() = static_cast<double>(last.skip) + static_cast<double>(last.out) * s;
    own.back() = 0;  // the prediction is no action
  }
  std::vector<double> gradients;
  for (int k = table.first_trained; k < table.first_trained + table.trained; ++k) {
    double answer = -2 * (mean - target) * own[static_cast<std::size_t>(k)];
    for (std::size_t j = static_cast<std::size_t>(k) + 1; j < factors.size(); ++j) answer *= factors[j];
    gradients.push_back(answer);
  }
  return gradients;
}

/// The rollout of a trainer's update 0, made anew, and the densities of its steps in double precision.
struct affine_rollout {
  trajectory<cpu_backend, std::int32_t> path;

  affine_rollout(cpu_backend& backend, affine_toy model, step_table table, index_t samples, std::uint64_t seed)
      : path(backend, std::move(table), samples, affine_toy::dimension) {
    affine_toy::workspace_type workspace;
    tensor<float, 2, cpu_backend> o(backend, {samples, affine_toy::dimension});
    rollout(backend, model, workspace, path, o.view(), {seed, 0}, reduction::mean, 0, samples);
  }

  [[nodiscard]] const step_row& row(int step) const { return path.table().rows[static_cast<std::size_t>(step)]; }

  /// log pi of a sample's step under a parameter, the mean over dimensions, up to a constant.
  [[nodiscard]] double log_probability(int step, index_t sample, double theta) const {
    const double a = static_cast<double>(row(step).a), b = static_cast<double>(row(step).b);
    const double s = affine_toy::shrinking(static_cast<double>(row(step).time));
    double squares = 0;
    for (index_t d = 0; d < affine_toy::dimension; ++d) {
      const double x = static_cast<double>(path.states()(step * path.samples() + sample, d));
      const double next = static_cast<double>(path.states()((step + 1) * path.samples() + sample, d));
      const double off = next - a * x - b * (theta + (x - theta) * s);
      squares += off * off / affine_toy::dimension;
    }
    return -squares / (2 * variance(step));
  }
  /// KL between the step's policies under two parameters, likewise; the state does not matter.
  [[nodiscard]] double divergence(int step, double theta, double other) const {
    const double s = affine_toy::shrinking(static_cast<double>(row(step).time));
    const double apart = static_cast<double>(row(step).b) * (theta - other) * (1 - s);
    return apart * apart / (2 * variance(step));
  }

 private:
  [[nodiscard]] double variance(int step) const {
    return static_cast<double>(row(step).sigma) * static_cast<double>(row(step).sigma);
  }
};

/// -|x - target|^2, shifted by a constant so that gradient estimates have less variance.
struct quadratic_reward {
  float target = 1, shift = 3;
  template <class Context>
  float operator()(vec<const float> x, const Context&) const {
    float sum = 0;
    for (const float value : x) sum += (value - target) * (value - target);
    return shift - sum;
  }
};

/// Mean of independent values and its standard error.
struct estimate {
  double mean = 0, error = 0;
  explicit estimate(std::span<const double> values) {
    const auto n = static_cast<double>(values.size());
    for (const double v : values) mean += v / n;
    for (const double v : values) error += (v - mean) * (v - mean) / (n - 1) / n;
    error = std::sqrt(error);
  }
};

}  // namespace fewstep::test
