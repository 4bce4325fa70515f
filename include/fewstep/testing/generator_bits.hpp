// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/testing/generator_trial.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

/// What check_generator tries to the bit.

namespace fewstep::detail {

inline void expect_same(const std::vector<float>& values, const std::vector<float>& expected,
                        const std::string& sentence) {
  for (std::size_t i = 0; i < expected.size(); ++i)
    expects(std::memcmp(&values[i], &expected[i], sizeof(float)) == 0, [&] {
      return message("check_generator: ", sentence, " (value ", i, " is ", expected[i], ", then off by ",
                     values[i] - expected[i], ")");
    });
}

/// Adds the gradient of sum(probe * o), `part` rows a call.
template <class Backend, class Generator>
void add_gradient(generator_trial<Backend, Generator>& t, workspace_of<Generator>& workspace, index_t part,
                  bool over_output) {
  tensor<float, 2, Backend> elsewhere(t.backend, {part, t.size});
  for (index_t first = 0; first < t.rows; first += part) {
    const auto rows = t.all().subview(first, std::min(part, t.rows - first));
    t.forward(rows, workspace);
    const matrix<float> gradient = (over_output ? t.o : elsewhere).view().subview(0, rows.rows());
    t.write(t.probe.data() + first * t.size, gradient.data, gradient.size());
    detail::backward(t.backend, t.model, rows, gradient, workspace);
  }
}

template <class Backend, class Generator>
void check_evaluations(generator_trial<Backend, Generator>& t) {
  const auto bytes = [&](index_t rows) { return detail::workspace_bytes(t.backend, t.model, rows); };
  expects(bytes(0) <= bytes(t.block) && bytes(t.block) <= bytes(2 * t.block),
          "check_generator: workspace_bytes falls as the number of rows grows; the largest micro-batch that fits the "
          "memory budget is searched in it");
  workspace_of<Generator> none = detail::make_workspace(t.backend, t.model, 0),
                          workspace = detail::make_workspace(t.backend, t.model, t.rows);
  t.output = t.predict(t.all(), none);
  expect_same(t.predict(t.all(), none), t.output,
              "predict gave other bits the second time; it must be a function of the rows and the parameters");
  for (const index_t part : {1, 7}) {
    std::vector<float> o;
    for (index_t first = 0; first < t.rows; first += part)
      for (const float value : t.predict(t.all().subview(first, std::min(part, t.rows - first)), none))
        o.push_back(value);
    expect_same(o, t.output,
                message("predict gave a row other bits in a batch of ", part, " than of ", t.rows,
                        "; use nothing but the row, and sums of one order (where a library's kernels depend on the "
                        "number of rows, pad to a constant one)"));
  }
  expect_same(t.forward(t.all(), workspace), t.output,
              "forward gave other bits than predict; let both call one function that is not inlined");
}

template <class Backend, class Generator>
void check_gradient_sums(generator_trial<Backend, Generator>& t) {
  workspace_of<Generator> workspace = detail::make_workspace(t.backend, t.model, t.rows),
                          other = detail::make_workspace(t.backend, t.model, t.rows);
  const float *parameters = t.model.parameters().data, *gradients = t.model.gradients().data;
  const auto gradient = [&](index_t part, bool over_output) {
    t.fill(t.model.gradients(), 0.0f);
    add_gradient(t, workspace, part, over_output);
    return t.read(t.model.gradients());
  };
  t.gradient = gradient(t.rows, false);
  expect_same(t.read(t.model.parameters()), t.as_found,
              "forward or backward changed parameters(); that is for the optimizer to do");
  expects(t.model.parameters().data == parameters && t.model.gradients().data == gradients,
          "check_generator: parameters() or gradients() moved in memory; views of them must stay valid");
  expect_same(gradient(t.rows, false), t.gradient, "backward gave other bits the second time; sum up in one order");
  expect_same(gradient(t.rows, true), t.gradient,
              "backward gave other bits where o_gradient lies in the memory of o; the trainer does that, so keep in "
              "the workspace what is needed of o");
  for (const index_t blocks : {1, 2}) {
    const index_t part = blocks * t.block;
    expect_same(gradient(part, true), t.gradient,
                message("gradients of calls with ", part, " rows do not add up to the bits of one call with ", t.rows,
                        "; backward must add to gradients(), block after block of row_block() = ", t.block,
                        " rows, and use the rows of the call only"));
  }
  t.fill(t.model.gradients(), 0.0f);
  t.forward(t.all(), workspace);
  t.forward(t.all().subview(1, t.rows - 1), other);
  t.predict(t.all().subview(2, t.rows - 2), other);
  t.write(t.probe.data(), t.o.data(), t.rows * t.size);
  detail::backward(t.backend, t.model, t.all(), t.o.view(), workspace);
  expect_same(t.read(t.model.gradients()), t.gradient,
              "what another workspace was used for between forward and backward changed the gradients; keep in the "
              "workspace all that backward needs");
  t.fill(t.model.gradients(), 0.0f);
}

}  // namespace fewstep::detail
