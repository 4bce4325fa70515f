// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/network_fixture.hpp"
#include "test.hpp"

#include <cmath>
#include <initializer_list>
#include <numeric>
#include <string>
#include <vector>

namespace fewstep::test {

/// Compares `gradient` with central differences of loss() while elements of `values` move; at most `samples` elements,
/// spread evenly. Relative in the Euclidean norm.
template <class Loss>
double gradient_error(std::vector<double>& values, const std::vector<double>& gradient, std::size_t first,
                      std::size_t count, std::size_t samples, const Loss& loss) {
  std::vector<double> claimed, numerical;
  const std::size_t taken = std::min(samples, count);
  for (std::size_t s = 0; s < taken; ++s) {
    double& value = values[first + s * count / taken];
    const double before = value, step = 1e-5;
    value = before + step;
    const double above = loss();
    value = before - step;
    const double below = loss();
    value = before;
    claimed.push_back(gradient[first + s * count / taken]);
    numerical.push_back((above - below) / (2 * step));
  }
  // Gradients that vanish by symmetry (a key's bias moves no softmax) are compared absolutely.
  double size = 0;
  for (const double value : numerical) size += value * value;
  if (std::sqrt(size) < 1e-7) return largest_difference(claimed, numerical);
  return relative_error(claimed, numerical);
}

struct gradient_check_options {
  std::size_t samples = 1000;     ///< elements of each array that are checked
  bool expects_all_moved = true;  ///< every slice of the parameters has a gradient that is not zero
  double tolerance = 1e-6;
};

/// Checks the gradients of sum(y * probe), probe random, by every input and every parameter. forward(pass) -> y;
/// backward(pass, gy) -> gradients of the inputs, in order.
template <class Forward, class Backward>
void check_gradients(network_fixture<double>& fixture, std::initializer_list<std::vector<double>*> inputs,
                     const Forward& forward, const Backward& backward, const gradient_check_options& o = {}) {
  const auto probe = normals<double>(static_cast<index_t>(fixture.output(forward).size()), 77);
  const auto claimed = fixture.evaluate(probe, forward, backward);
  const auto parameter_gradients = fixture.gradients, adapter_gradients = fixture.adapter_gradients;
  CHECK(fixture.output(forward) == claimed.output);
  const auto loss = [&] {
    const auto y = fixture.output(forward);
    return std::inner_product(y.begin(), y.end(), probe.begin(), 0.0);
  };
  const auto check = [&](const std::string& name, std::vector<double>& values, const std::vector<double>& gradient,
                         std::size_t first, std::size_t count) {
    INFO("gradient of " << name);
    REQUIRE(gradient.size() == values.size());
    CHECK(gradient_error(values, gradient, first, count, o.samples, loss) < o.tolerance);
  };
  REQUIRE(claimed.input_gradients.size() == inputs.size());
  std::size_t which = 0;
  for (auto* values : inputs) {
    check(message("input ", which), *values, claimed.input_gradients[which], 0, values->size());
    ++which;
  }
  const auto check_layout = [&](const parameter_layout& layout, std::vector<double>& values,
                                const std::vector<double>& gradient) {
    for (const auto& slice : layout.slices()) {
      const auto first = static_cast<std::size_t>(slice.offset), count = static_cast<std::size_t>(slice.size());
      check(slice.name, values, gradient, first, count);
      if (o.expects_all_moved) {
        INFO(slice.name);
        CHECK(std::any_of(gradient.begin() + slice.offset, gradient.begin() + slice.offset + slice.size(),
                          [](double g) { return g != 0; }));
      }
    }
  };
  if (fixture.train_base)
    check_layout(fixture.layout, fixture.parameters, parameter_gradients);
  else
    CHECK(std::all_of(parameter_gradients.begin(), parameter_gradients.end(), [](double g) { return g == 0; }));
  check_layout(fixture.adapter_layout, fixture.adapters, adapter_gradients);
}

}  // namespace fewstep::test
