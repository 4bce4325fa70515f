// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/testing/generator_bits.hpp>
#include <fewstep/testing/generator_trial.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

/// What check_generator compares with central differences.

namespace fewstep::detail {

/// Central difference of sum(probe * o) along the signs of parameters [first, last).
template <class Backend, class Generator>
double slope_along(generator_trial<Backend, Generator>& t, index_t first, index_t last, double step,
                   workspace_of<Generator>& workspace) {
  const auto moved = [&](double by) {
    std::vector<float> part(t.as_found.begin() + first, t.as_found.begin() + last);
    for (index_t i = first; i < last; ++i)
      part[static_cast<std::size_t>(i - first)] += static_cast<float>(by * t.sign(i));
    t.write(part.data(), t.model.parameters().data + first, last - first);
    const std::vector<float> o = t.predict(t.all(), workspace);
    t.write(t.as_found.data() + first, t.model.parameters().data + first, last - first);
    return o;
  };
  const std::vector<float> above = moved(step), below = moved(-step);
  double sum = 0;
  for (std::size_t i = 0; i < t.probe.size(); ++i)
    sum += static_cast<double>(t.probe[i]) * (static_cast<double>(above[i]) - static_cast<double>(below[i]));
  return sum / (2 * step);
}

/// Central differences, extrapolated from two steps, along random signs in up to 32 groups of parameters. Allowed are
/// the tolerance, what the step still matters, and 16 roundings of every value of o.
template <class Backend, class Generator>
void check_gradient(generator_trial<Backend, Generator>& t, double tolerance) {
  workspace_of<Generator> workspace = detail::make_workspace(t.backend, t.model, 0);
  const auto n = static_cast<index_t>(t.as_found.size()), groups = std::min<index_t>(n, 32);
  double squares = 0, outputs = 0;
  for (const float value : t.as_found) squares += static_cast<double>(value) * static_cast<double>(value);
  for (std::size_t i = 0; i < t.output.size(); ++i)
    outputs += std::pow(static_cast<double>(t.probe[i]) * static_cast<double>(t.output[i]), 2);
  const double step = (squares > 0 ? std::sqrt(squares / static_cast<double>(n)) : 1) / 32;
  for (index_t group = 0; group < groups; ++group) {
    const index_t first = n * group / groups, last = n * (group + 1) / groups;
    const double coarse = slope_along(t, first, last, step, workspace),
                 fine = slope_along(t, first, last, step / 2, workspace);
    double claimed = 0, norm = 0;
    for (index_t i = first; i < last; ++i) {
      const auto g = static_cast<double>(t.gradient[static_cast<std::size_t>(i)]);
      claimed += g * t.sign(i);
      norm = std::hypot(norm, g);
    }
    const double measured = (4 * fine - coarse) / 3;
    expects(std::abs(claimed - measured) <=
                tolerance * (norm + std::abs(measured)) + std::abs(fine - coarse) + 0x1p-20 * std::sqrt(outputs) / step,
            [&] {
              return message("check_generator: backward is not the derivative of predict; along parameters ", first,
                             " to ", last - 1, " it says ", claimed, ", central differences say ", measured,
                             measured == 0 ? " (does predict work on a copy of parameters() made earlier?)" : "");
            });
  }
}

/// The gradient of sum(probe * o) by the states, `part` rows a call; that of the parameters is made anew.
template <class Backend, class Generator>
std::vector<float> state_gradient(generator_trial<Backend, Generator>& t, workspace_of<Generator>& workspace,
                                  index_t part) {
  tensor<float, 2, Backend> x_gradient(t.backend, {t.rows, t.size});
  t.fill({x_gradient.data(), {t.rows * t.size}}, std::numeric_limits<float>::quiet_NaN());
  t.fill(t.model.gradients(), 0.0f);
  for (index_t first = 0; first < t.rows; first += part) {
    const auto rows = t.all().subview(first, std::min(part, t.rows - first));
    t.forward(rows, workspace);
    const matrix<float> gradient = t.o.view().subview(0, rows.rows());
    t.write(t.probe.data() + first * t.size, gradient.data, gradient.size());
    detail::backward(t.backend, t.model, rows, gradient, x_gradient.view().subview(first, rows.rows()), workspace);
  }
  const std::vector<float> values = t.read({x_gradient.data(), {x_gradient.size()}});
  for (std::size_t i = 0; i < values.size(); ++i)
    expects(std::isfinite(values[i]), [&] {
      return message("check_generator: backward left value ", i, " of x_gradient[", t.rows, ", ", t.size,
                     "] unset, or it is not finite");
    });
  return values;
}

/// The gradient by the states: parameter gradients beside it have the bits that they have without it, no row depends
/// on the batch, and central differences of every row along random signs agree.
template <class Backend, class Generator>
void check_state_gradient(generator_trial<Backend, Generator>& t,
                          double tolerance) requires differentiable_generator<Generator, Backend> {
  workspace_of<Generator> workspace = detail::make_workspace(t.backend, t.model, t.rows);
  const std::vector<float> whole = state_gradient(t, workspace, t.rows);
  expect_same(t.read(t.model.gradients()), t.gradient,
              "backward gave parameter gradients of other bits when it was also asked for the states'");
  expect_same(state_gradient(t, workspace, t.block), whole,
              message("backward gave the gradient of a state other bits in calls of ", t.block, " rows than of ",
                      t.rows, "; use nothing but the row"));
  t.fill(t.model.gradients(), 0.0f);
  const std::vector<float> states(t.x.host().begin(), t.x.host().end());
  const auto size = static_cast<std::size_t>(t.size), rows = static_cast<std::size_t>(t.rows);
  std::vector<double> scale(rows);
  for (std::size_t i = 0; i < states.size(); ++i) scale[i / size] = std::hypot(scale[i / size], states[i]);
  for (double& of_row : scale) of_row /= std::sqrt(static_cast<double>(t.size));
  const auto direction = [&](std::size_t i) { return scale[i / size] * t.sign(static_cast<index_t>(i)); };
  const auto slopes = [&](double step) {
    const auto moved = [&](double by) {
      for (std::size_t i = 0; i < states.size(); ++i) t.x.host()[i] = states[i] + static_cast<float>(by * direction(i));
      t.x.upload(t.backend);
      std::vector<float> o = t.predict(t.all(), workspace);
      std::copy(states.begin(), states.end(), t.x.host().begin());
      return o;
    };
    const std::vector<float> above = moved(step), below = moved(-step);
    std::vector<double> slope(rows);
    for (std::size_t i = 0; i < states.size(); ++i)
      slope[i / size] += static_cast<double>(t.probe[i]) *
                         (static_cast<double>(above[i]) - static_cast<double>(below[i])) / (2 * step);
    return slope;
  };
  constexpr double step = 1.0 / 32;
  const std::vector<double> coarse = slopes(step), fine = slopes(step / 2);
  t.x.upload(t.backend);
  for (std::size_t r = 0; r < rows; ++r) {
    double claimed = 0, norm = 0, outputs = 0;
    for (std::size_t i = r * size; i < (r + 1) * size; ++i) {
      const double g = static_cast<double>(whole[i]) * direction(i);
      claimed += g;
      norm = std::hypot(norm, g);
      outputs = std::hypot(outputs, static_cast<double>(t.probe[i]) * static_cast<double>(t.output[i]));
    }
    const double measured = (4 * fine[r] - coarse[r]) / 3;
    expects(std::abs(claimed - measured) <=
                tolerance * (norm + std::abs(measured)) + std::abs(fine[r] - coarse[r]) + 0x1p-20 * outputs / step,
            [&] {
              return message(
                  "check_generator: backward's gradient of a state is not the derivative of predict; in "
                  "row ",
                  r, ", time ", t.times.host()[r], ", it says ", claimed, ", central differences say ", measured,
                  " (is the factor in(t) of the input there?)");
            });
  }
}

}  // namespace fewstep::detail
