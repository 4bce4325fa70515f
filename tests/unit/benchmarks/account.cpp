// SPDX-License-Identifier: Apache-2.0
#include "../../../benchmarks/account/accounting_backend.hpp"
#include "../../../benchmarks/default_unet.hpp"
#include "test.hpp"

#include <cstddef>
#include <vector>

namespace {

using namespace fewstep;
using accounting::accounting_backend;
using accounting::part;

constexpr index_t rows = 10;  // two blocks

/// Outputs and gradients of a small U-Net.
template <class Backend>
std::vector<float> evaluate(Backend& backend) {
  auto model = default_unet(backend, {.height = 8, .width = 8, .widths = {8, 16}, .condition = 8, .groups = 4});
  const index_t d = model.sample_size();
  for (float& p : model.parameters()) p += 0.01f;  // layers that start at zero do something
  auto workspace = model.make_workspace(backend, rows);
  std::vector<float> x(static_cast<std::size_t>(rows * d)), o(x.size()), predicted(x.size()), times(rows, 0.5f);
  fill_normal({1, stream::evaluation}, 0, 0, x.data(), rows * d);
  const std::vector<token_list> contexts(rows, token_list{{1, 2, 3}});
  const batch<token_list> seen{matrix<const float>{x.data(), {rows, d}}, vec<const float>{times.data(), {rows}},
                               vec<const token_list>{contexts.data(), {rows}}};
  model.predict(backend, seen, matrix<float>{predicted.data(), {rows, d}}, workspace);
  model.forward(backend, seen, matrix<float>{o.data(), {rows, d}}, workspace);
  model.backward(backend, seen, matrix<const float>{o.data(), {rows, d}}, workspace);
  predicted.insert(predicted.end(), o.begin(), o.end());
  const vec<float> gradients = model.gradients();
  predicted.insert(predicted.end(), gradients.begin(), gradients.end());
  return predicted;
}

}  // namespace

TEST_CASE("A backend that keeps account computes the same bits and counts the work") {
  cpu_backend plain({.threads = 1});
  const std::vector<float> expected = evaluate(plain);
  for (const int threads : {1, 2}) {
    CAPTURE(threads);
    accounting_backend backend({.threads = threads});
    const accounting::stopwatch watch;
    CHECK(evaluate(backend) == expected);
    const auto spent = backend.spent();
    CHECK(spent.total().seconds <= threads * watch.seconds());

    // Convolutions of one picture: in, two in each of seven blocks, a stride-2 and an up-sampled one, out; 4 x 4 and
    // 2 x 2 positions after packing 2 x 2.
    const double one =
        2 * 9.0 * (16.0 * (12 * 8 + 4 * 8 * 8 + 16 * 8 + 3 * 8 * 8 + 16 * 8 + 8 * 12) + 4.0 * (8 * 16 + 6 * 16 * 16));
    CHECK(spent[part::convolution].done.operations == 2 * rows * one);
    const double first = 2 * 9.0 * 16.0 * 12 * 8;  // nobody asks for the gradient of its input
    CHECK(spent[part::convolution_input].done.operations == rows * (one - first));
    CHECK(spent[part::convolution_weight].done.operations == rows * one);
    CHECK(spent[part::attention].done.operations == rows * 16 * (2 * 4 + 8) * 16.0);
    for (const part p : {part::product, part::group_norm, part::group_norm_backward, part::elementwise, part::copy,
                         part::weights, part::gradients}) {
      CAPTURE(accounting::part_names[static_cast<std::size_t>(p)]);
      CHECK(spent[p].calls > 0);
      CHECK(spent[p].seconds > 0);
    }
  }
}
