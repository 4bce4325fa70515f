// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/gaussian_consistency.hpp"

#include <fewstep/generator/generator.hpp>
#include <fewstep/reward/differentiable_reward.hpp>

#include <span>

namespace fewstep::test {

/// gaussian_consistency with the gradient by the state, df/dx = s(t).
struct differentiable_gaussian : gaussian_consistency {
  using gaussian_consistency::backward;
  void backward(cpu_backend& backend, batch<std::int32_t> rows, matrix<const float> o_gradient,
                matrix<float> x_gradient, workspace_type& workspace) {
    for (index_t r = 0; r < rows.rows(); ++r) {
      const auto s = static_cast<float>(shrinking(static_cast<double>(rows.times[r])));
      for (index_t d = 0; d < dimension; ++d) x_gradient(r, d) = s * o_gradient(r, d);
    }
    backward(backend, rows, o_gradient, workspace);
  }
};

static_assert(differentiable_generator<differentiable_gaussian, cpu_backend>);
static_assert(!differentiable_generator<gaussian_consistency, cpu_backend>);

/// -sum over the values of (x_d - target)^2.
struct differentiable_quadratic {
  float target = 0;

  template <class Context>
  void operator()(matrix<const float> samples, std::span<const Context>, std::span<float> out) const {
    rate(samples, out, {nullptr, samples.extents});
  }
  template <class Context>
  void value_and_gradient(matrix<const float> samples, std::span<const Context>, std::span<float> out,
                          matrix<float> gradient) const {
    rate(samples, out, gradient);
  }

 private:
  void rate(matrix<const float> samples, std::span<float> out, matrix<float> gradient) const {
    for (index_t r = 0; r < samples.rows(); ++r) {
      float sum = 0;
      for (index_t d = 0; d < samples.cols(); ++d) {
        const float off = samples(r, d) - target;
        sum -= off * off;
        if (gradient.data != nullptr) gradient(r, d) = -2 * off;
      }
      out[static_cast<std::size_t>(r)] = sum;
    }
  }
};

static_assert(differentiable_reward<differentiable_quadratic, int>);

}  // namespace fewstep::test
