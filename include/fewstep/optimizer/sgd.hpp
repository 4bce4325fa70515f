// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>
#include <fewstep/core/settings.hpp>

#include <string_view>

namespace fewstep {

namespace detail {

/// One step of gradient descent for one parameter. As in Adam no sum has two products.
struct sgd_step {
  float friction, rate;
  FEWSTEP_HD void operator()(float& parameter, float g, float (&velocity)[1]) const {
    const float kept = velocity[0] - friction * velocity[0];
    velocity[0] = kept + g;
    parameter -= rate * velocity[0];
  }
};

}  // namespace detail

/// Stochastic gradient descent with momentum (Polyak 1964, PyTorch's form): v = momentum v + g; p -= rate v.
struct sgd {
  static constexpr int moments = 1;
  static constexpr std::string_view moment_names[] = {"velocity"};
  float learning_rate = 1e-2f;
  float momentum = 0;

  static constexpr std::string_view name = "sgd";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("learning_rate", learning_rate, at_least(0));
    visit("momentum", momentum, at_least(0).below(1));
  }

  [[nodiscard]] detail::sgd_step at(double rate) const { return {1.0f - momentum, static_cast<float>(rate)}; }
};

}  // namespace fewstep
