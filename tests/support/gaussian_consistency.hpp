// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/generator.hpp>

#include <cmath>
#include <cstdint>

namespace fewstep::test {

/// The exact consistency function of data N(mean, v I),
///   f(x, t) = mean + (x - mean) s(t),  s(t) = sqrt((v + sigma_min^2) / (v + t^2)),
/// its one parameter being the mean. Written as a user would: nothing of the library inside.
struct gaussian_consistency {
  static constexpr index_t dimension = 3;
  static constexpr double variance = 0.49, sigma_min = 0.1;

  [[nodiscard]] static double shrinking(double t) {
    return std::sqrt((variance + sigma_min * sigma_min) / (variance + t * t));
  }

  /// The network's output is f itself.
  struct plain {
    coefficients operator()(float) const { return {1, 0, 1}; }
    noise_level level(float t) const { return {1, t}; }
    float noise_floor() const { return static_cast<float>(sigma_min); }
    float min_time() const { return static_cast<float>(sigma_min); }
    float max_time() const { return 4; }
  };

  using context_type = std::int32_t;
  struct workspace_type {};

  float mean = 0.3f, gradient = 0;

  [[nodiscard]] index_t sample_size() const { return dimension; }
  [[nodiscard]] plain preconditioner() const { return {}; }
  [[nodiscard]] workspace_type make_workspace(cpu_backend&, index_t) const { return {}; }
  [[nodiscard]] std::size_t workspace_bytes(const cpu_backend&, index_t) const { return 0; }
  void predict(cpu_backend&, batch<std::int32_t> rows, matrix<float> o, workspace_type&) const {
    for (index_t r = 0; r < rows.rows(); ++r) {
      const auto s = static_cast<float>(shrinking(static_cast<double>(rows.times[r])));
      for (index_t d = 0; d < dimension; ++d) o(r, d) = mean + (rows.x(r, d) - mean) * s;
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
  vec<float> parameters() { return {&mean, {1}}; }
  vec<float> gradients() { return {&gradient, {1}}; }
};

static_assert(generator<gaussian_consistency, cpu_backend>);

/// The reward itself is the advantage.
struct raw_advantage {
  void operator()(std::span<const float> rewards, std::span<const std::int32_t>, std::span<float> out) const {
    std::copy(rewards.begin(), rewards.end(), out.begin());
  }
};

}  // namespace fewstep::test
