// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/archive_within.hpp>
#include <fewstep/core/elementary.hpp>
#include <fewstep/core/packet.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/optimizer/optimizer.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace fewstep {

namespace detail {

/// Moments of Adam: first and second of the gradient, and the number of steps taken.
template <class Backend>
struct adam_state {
  tensor<float, 1, Backend> first, second;
  std::int64_t steps = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive("first", first.view());
    archive("second", second.view());
    archive_count(archive, "steps", steps);
  }
};

/// Adam, AdamW and, where HasEma, the moving average: a condition in the loop would cost more than the arithmetic.
template <bool HasEma>
struct adam_element {
  float* parameters;
  const float* gradients;
  float *first, *second, *ema;
  float toward_first, toward_second, epsilon, rate, inverse_correction, shrinkage, gradient_scale, toward_average;

  FEWSTEP_HD void operator()(index_t i) const {
    float unused = 0;
    advance(parameters[i], gradients[i], first[i], second[i], HasEma ? ema[i] : unused);
  }

  /// Elements [i, i + 4), where all arrays begin on packets.
  FEWSTEP_HD void packet(index_t i) const {
    float_packet p = load_packet(parameters + i), m = load_packet(first + i), v = load_packet(second + i);
    const float_packet g = load_packet(gradients + i);
    float_packet mean{};
    if constexpr (HasEma) mean = load_packet(ema + i);
    for (int k = 0; k < 4; ++k) advance(p[k], g[k], m[k], v[k], mean[k]);
    store_packet(parameters + i, p);
    store_packet(first + i, m);
    store_packet(second + i, v);
    if constexpr (HasEma) store_packet(ema + i, mean);
  }
  [[nodiscard]] bool on_packets() const { return detail::on_packets(parameters, gradients, first, second, ema); }

 private:
  /// No sum has two products, which may be contracted differently in a packet and in the tail.
  FEWSTEP_HD void advance(float& parameter, float gradient, float& mean, float& variance, float& smoothed) const {
    const float g = gradient * gradient_scale;
    const float m = mean + toward_first * (g - mean);
    const float square = select(g * g < largest_float, g * g, largest_float);  // inf - inf would come of it later
    const float v = variance + toward_second * (square - variance);
    const float shrunk = parameter - shrinkage * parameter;
    const float p = shrunk - rate * (m / (sqrt_float(v) * inverse_correction + epsilon));
    mean = m;
    variance = v;
    parameter = p;
    if constexpr (HasEma) smoothed += toward_average * (p - smoothed);
  }
};

template <class Backend>
adam_state<Backend> make_adam_state(Backend& backend, index_t n) {
  return {tensor<float, 1, Backend>(backend, {n}), tensor<float, 1, Backend>(backend, {n}), 0};
}

template <class Backend, class Settings>
void adam_update(Backend& backend, adam_state<Backend>& s, const optimizer_arrays& a, step_scale scale,
                 const Settings& settings, float weight_decay) {
  ++s.steps;
  const double correction1 = 1.0 - std::pow(static_cast<double>(settings.beta1), static_cast<double>(s.steps));
  const double correction2 = 1.0 - std::pow(static_cast<double>(settings.beta2), static_cast<double>(s.steps));
  const double rate = static_cast<double>(settings.learning_rate) * static_cast<double>(scale.rate);
  const auto step = [&]<bool HasEma>(std::bool_constant<HasEma>) {
    backend.for_each(
        a.parameters.size(),
        adam_element<HasEma>{a.parameters.data, a.gradients.data, s.first.data(), s.second.data(), a.ema.data,
                             1.0f - settings.beta1, 1.0f - settings.beta2, settings.epsilon,
                             static_cast<float>(rate / correction1), static_cast<float>(1.0 / std::sqrt(correction2)),
                             static_cast<float>(rate * static_cast<double>(weight_decay)), scale.gradient,
                             1.0f - a.ema_decay});
  };
  if (a.ema.size() > 0)
    step(std::true_type{});
  else
    step(std::false_type{});
}

}  // namespace detail

/// Adam: Kingma and Ba 2014 (arXiv:1412.6980), algorithm 1, with PyTorch's placement of epsilon.
struct adam {
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

  template <class Backend>
  using state = detail::adam_state<Backend>;

  template <class Backend>
  [[nodiscard]] state<Backend> make_state(Backend& backend, index_t n) const {
    return detail::make_adam_state(backend, n);
  }
  [[nodiscard]] std::size_t state_bytes(index_t n) const { return (saturated_size(n) * (2 * sizeof(float))).value(); }
  template <class Backend>
  void update(Backend& backend, state<Backend>& s, const optimizer_arrays& arrays, step_scale scale) const {
    detail::adam_update(backend, s, arrays, scale, *this, 0.0f);
  }
};

/// AdamW: decoupled weight decay, Loshchilov and Hutter 2017 (arXiv:1711.05101), algorithm 2.
struct adamw {
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

  template <class Backend>
  using state = detail::adam_state<Backend>;

  template <class Backend>
  [[nodiscard]] state<Backend> make_state(Backend& backend, index_t n) const {
    return detail::make_adam_state(backend, n);
  }
  [[nodiscard]] std::size_t state_bytes(index_t n) const { return (saturated_size(n) * (2 * sizeof(float))).value(); }
  template <class Backend>
  void update(Backend& backend, state<Backend>& s, const optimizer_arrays& arrays, step_scale scale) const {
    detail::adam_update(backend, s, arrays, scale, *this, weight_decay);
  }
};

}  // namespace fewstep
