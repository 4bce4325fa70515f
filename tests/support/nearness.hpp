// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

/// Rewards for tests of what is around a reward.

namespace fewstep::test {

/// Minus the squared distance of a sample's first two values from (0.5, 0).
struct nearness {
  template <class Context>
  float operator()(vec<const float> x, const Context&) const {
    return -(x[0] - 0.5f) * (x[0] - 0.5f) - x[1] * x[1];
  }
};

/// Minus the distance of a sample's first value from a setting, which checkpoints compare. It says that its gradient is
/// 0, which does for tests of what a trainer keeps and not of what it learns.
struct nearness_to {
  float to = 0;
  static constexpr std::string_view name = "nearness";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("to", to);
  }
  void operator()(matrix<const float> samples, std::span<const std::int32_t>, std::span<float> out) const {
    for (index_t i = 0; i < samples.rows(); ++i) out[static_cast<std::size_t>(i)] = -std::abs(samples(i, 0) - to);
  }
  void value_and_gradient(matrix<const float> samples, std::span<const std::int32_t> of, std::span<float> out,
                          matrix<float> gradient) const {
    (*this)(samples, of, out);
    for (index_t i = 0; i < gradient.size(); ++i) gradient.data[i] = 0;
  }
};

}  // namespace fewstep::test
