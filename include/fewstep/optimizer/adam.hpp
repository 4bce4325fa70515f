// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>
#include <fewstep/core/elementary.hpp>
#include <fewstep/core/settings.hpp>

#include <cmath>
#include <cstdint>
#include <string_view>

namespace fewstep {

namespace detail {

/// One step of Adam and AdamW for one parameter.
struct adam_step {
  float toward_first, toward_second, epsilon, rate, inverse_correction, shrinkage;

  template <class Settings>
  adam_step(const Settings& s, double learning_rate, std::int64_t step, float weight_decay)
      : toward_first(1.0f - s.beta1), toward_second(1.0f - s.beta2), epsilon(s.epsilon) {
    const double correction1 = 1.0 - std::pow(static_cast<double>(s.beta1), static_cast<double>(step));
    const double correction2 = 1.0 - std::pow(static_cast<double>(s.beta2), static_cast<double>(step));
    rate = static_cast<float>(learning_rate / correction1);
    inverse_correction = static_cast<float>(1.0 / std::sqrt(correction2));
    shrinkage = static_cast<float>(learning_rate * static_cast<double>(weight_decay));
  }

  /// No sum has two products, which may be contracted differently in a packet and in the tail.
  FEWSTEP_HD void operator()(float& parameter, float g, float (&moments)[2]) const {
    const float m = moments[0] + toward_first * (g - moments[0]);
    const float square = select(g * g < largest_float, g * g, largest_float);  // inf - inf would come of it later
    const float v = moments[1] + toward_second * (square - moments[1]);
    const float shrunk = parameter - shrinkage * parameter;
    parameter = shrunk - rate * (m / (sqrt_float(v) * inverse_correction + epsilon));
    moments[0] = m;
    moments[1] = v;
  }
};

}  // namespace detail

/// Adam: Kingma and Ba 2014 (arXiv:1412.6980), algorithm 1, with PyTorch's placement of epsilon.
struct adam {
  static constexpr int moments = 2;  ///< of the gradient: first and second
  static constexpr std::string_view moment_names[] = {"first", "second"};
  float learning_rate = 1e-4f;
  float beta1 = 0.9f;
  float beta2 = 0.999f;
  float epsilon = 1e-8f;

  static constexpr std::string_view name = "adam";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("learning_rate", learning_rate, at_least(0));
    visit("beta1", beta1, at_least(0).below(1));
    visit("beta2", beta2, at_least(0).below(1));
    visit("epsilon", epsilon, at_least(0));
  }

  [[nodiscard]] detail::adam_step at(double rate, std::int64_t step) const { return {*this, rate, step, 0.0f}; }
};

/// AdamW: decoupled weight decay, Loshchilov and Hutter 2017 (arXiv:1711.05101), algorithm 2.
struct adamw {
  static constexpr int moments = 2;
  static constexpr std::string_view moment_names[] = {"first", "second"};
  float learning_rate = 3e-4f;
  float beta1 = 0.9f;
  float beta2 = 0.999f;
  float epsilon = 1e-8f;
  float weight_decay = 1e-4f;

  static constexpr std::string_view name = "adamw";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("learning_rate", learning_rate, at_least(0));
    visit("beta1", beta1, at_least(0).below(1));
    visit("beta2", beta2, at_least(0).below(1));
    visit("epsilon", epsilon, at_least(0));
    visit("weight_decay", weight_decay, at_least(0));
  }

  [[nodiscard]] detail::adam_step at(double rate, std::int64_t step) const { return {*this, rate, step, weight_decay}; }
};

}  // namespace fewstep
