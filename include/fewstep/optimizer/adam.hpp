// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>
#include <fewstep/core/elementary.hpp>
#include <fewstep/core/parameter_kind.hpp>
#include <fewstep/core/settings.hpp>

#include <cmath>
#include <cstdint>
#include <string_view>

namespace fewstep {

namespace detail {

/// One step of Adam for one parameter, which first becomes smaller by a share (AdamW).
struct adam_step {
  float toward_first, toward_second, epsilon, rate, inverse_correction;

  template <class Settings>
  adam_step(const Settings& s, double learning_rate, std::int64_t step)
      : toward_first(1.0f - s.beta1), toward_second(1.0f - s.beta2), epsilon(s.epsilon) {
    const double correction1 = 1.0 - std::pow(static_cast<double>(s.beta1), static_cast<double>(step));
    const double correction2 = 1.0 - std::pow(static_cast<double>(s.beta2), static_cast<double>(step));
    rate = static_cast<float>(learning_rate / correction1);
    inverse_correction = static_cast<float>(1.0 / std::sqrt(correction2));
  }

  FEWSTEP_HD void operator()(float& parameter, float g, float (&moments)[2]) const { move(parameter, g, moments, 0); }

 protected:
  /// No sum has two products, which may be contracted differently in a packet and in the tail.
  FEWSTEP_HD void move(float& parameter, float g, float (&moments)[2], float shrinkage) const {
    const float m = moments[0] + toward_first * (g - moments[0]);
    const float square = select(g * g < largest_float, g * g, largest_float);  // inf - inf would come of it later
    const float v = moments[1] + toward_second * (square - moments[1]);
    const float shrunk = parameter - shrinkage * parameter;
    parameter = shrunk - rate * (m / (sqrt_float(v) * inverse_correction + epsilon));
    moments[0] = m;
    moments[1] = v;
  }
};

/// The same with the decay of the kinds that have it.
struct adamw_step : adam_step {
  float shrinkage, of_weights;  // where kinds are known, and where all are weights
  parameter_kinds shrunk;

  template <class Settings>
  adamw_step(const Settings& s, double learning_rate, std::int64_t step)
      : adam_step(s, learning_rate, step),
        shrinkage(static_cast<float>(learning_rate * static_cast<double>(s.weight_decay))),
        of_weights(s.decay_on.holds(parameter_kind::weight) ? shrinkage : 0.0f),
        shrunk(s.decay_on) {}

  FEWSTEP_HD void operator()(float& parameter, float g, float (&moments)[2]) const {
    move(parameter, g, moments, of_weights);
  }
  FEWSTEP_HD void operator()(float& parameter, float g, float (&moments)[2], parameter_kind kind) const {
    move(parameter, g, moments, select(shrunk.holds(kind), shrinkage, 0.0f));
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

  [[nodiscard]] detail::adam_step at(double rate, std::int64_t step) const { return {*this, rate, step}; }
};

/// AdamW: decoupled weight decay, Loshchilov and Hutter 2017 (arXiv:1711.05101), algorithm 2.
/// The kinds of parameters come from the generator's layout(); without one all are weights.
struct adamw {
  static constexpr int moments = 2;
  static constexpr std::string_view moment_names[] = {"first", "second"};
  float learning_rate = 3e-4f;
  float beta1 = 0.9f;
  float beta2 = 0.999f;
  float epsilon = 1e-8f;
  float weight_decay = 1e-4f;
  parameter_kinds decay_on = every_parameter;  ///< weights_and_tables: all but biases and gains

  static constexpr std::string_view name = "adamw";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("learning_rate", learning_rate, at_least(0));
    visit("beta1", beta1, at_least(0).below(1));
    visit("beta2", beta2, at_least(0).below(1));
    visit("epsilon", epsilon, at_least(0));
    visit("weight_decay", weight_decay, at_least(0));
    if (reads_kinds()) visit("decay_on", decay_on.bits);  // a checkpoint of before knows the default only
  }

  [[nodiscard]] bool reads_kinds() const { return decay_on != every_parameter; }
  [[nodiscard]] detail::adamw_step at(double rate, std::int64_t step) const { return {*this, rate, step}; }
};

}  // namespace fewstep
