// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/packet.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/optimizer/optimizer.hpp>

#include <cstddef>
#include <string_view>
#include <type_traits>

namespace fewstep {

namespace detail {

/// Gradient descent and, where HasEma, the moving average.
template <bool HasEma>
struct sgd_element {
  float* parameters;
  const float* gradients;
  float *velocity, *ema;
  float friction, rate, gradient_scale, toward_average;

  FEWSTEP_HD void operator()(index_t i) const {
    float unused = 0;
    advance(parameters[i], gradients[i], velocity[i], HasEma ? ema[i] : unused);
  }

  /// Elements [i, i + 4), where all arrays begin on packets.
  FEWSTEP_HD void packet(index_t i) const {
    float_packet p = load_packet(parameters + i), v = load_packet(velocity + i), mean{};
    const float_packet g = load_packet(gradients + i);
    if constexpr (HasEma) mean = load_packet(ema + i);
    for (int k = 0; k < 4; ++k) advance(p[k], g[k], v[k], mean[k]);
    store_packet(parameters + i, p);
    store_packet(velocity + i, v);
    if constexpr (HasEma) store_packet(ema + i, mean);
  }
  [[nodiscard]] bool on_packets() const { return detail::on_packets(parameters, gradients, velocity, ema); }

 private:
  /// As in Adam no sum has two products.
  FEWSTEP_HD void advance(float& parameter, float gradient, float& speed, float& smoothed) const {
    const float kept = speed - friction * speed;
    const float v = kept + gradient_scale * gradient;
    speed = v;
    const float p = parameter - rate * v;
    parameter = p;
    if constexpr (HasEma) smoothed += toward_average * (p - smoothed);
  }
};

}  // namespace detail

/// Stochastic gradient descent with momentum (Polyak 1964, PyTorch's form): v = momentum v + g; p -= rate v.
struct sgd {
  float learning_rate = 1e-2f;
  float momentum = 0;

  static constexpr std::string_view name = "sgd";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("learning_rate", learning_rate, at_least(0));
    visit("momentum", momentum, at_least(0).below(1));
  }

  template <class Backend>
  struct state {
    tensor<float, 1, Backend> velocity;

    template <class Archive>
    void serialize(Archive& archive) {
      archive("velocity", velocity.view());
    }
  };

  template <class Backend>
  [[nodiscard]] state<Backend> make_state(Backend& backend, index_t n) const {
    return {tensor<float, 1, Backend>(backend, {n})};
  }
  [[nodiscard]] std::size_t state_bytes(index_t n) const { return (saturated_size(n) * sizeof(float)).value(); }

  template <class Backend>
  void update(Backend& backend, state<Backend>& s, const optimizer_arrays& a, step_scale scale) const {
    const auto step = [&]<bool HasEma>(std::bool_constant<HasEma>) {
      backend.for_each(
          a.parameters.size(),
          detail::sgd_element<HasEma>{a.parameters.data, a.gradients.data, s.velocity.data(), a.ema.data,
                                      1.0f - momentum, learning_rate * scale.rate, scale.gradient, 1.0f - a.ema_decay});
    };
    if (a.ema.size() > 0)
      step(std::true_type{});
    else
      step(std::false_type{});
  }
};

}  // namespace fewstep
