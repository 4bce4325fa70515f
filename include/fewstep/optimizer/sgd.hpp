// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/tensor.hpp>
#include <fewstep/optimizer/optimizer.hpp>

#include <type_traits>

namespace fewstep {

namespace detail {

/// One element of gradient descent and, where it Averages, the moving average. As in Adam no sum has two products.
template <bool Averages>
struct sgd_element {
  float* parameters;
  const float* gradients;
  float *velocity, *average;
  float friction, rate, gradient_scale, toward_average;
  FEWSTEP_HD void operator()(index_t i) const {
    const float kept = velocity[i] - friction * velocity[i];
    const float v = kept + gradient_scale * gradients[i];
    velocity[i] = v;
    const float p = parameters[i] - rate * v;
    parameters[i] = p;
    if constexpr (Averages) average[i] += toward_average * (p - average[i]);
  }
};

}  // namespace detail

/// Stochastic gradient descent with momentum (Polyak 1964, PyTorch's form): v = momentum v + g; p -= rate v.
struct sgd {
  float learning_rate = 1e-2f;
  float momentum = 0;

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

  template <class Backend>
  void update(Backend& backend, state<Backend>& s, const optimizer_arrays& a, step_scale scale) const {
    const auto step = [&]<bool Averages>(std::bool_constant<Averages>) {
      backend.for_each(a.parameters.size(),
                       detail::sgd_element<Averages>{a.parameters.data, a.gradients.data, s.velocity.data(),
                                                     a.average.data, 1.0f - momentum, learning_rate * scale.rate,
                                                     scale.gradient, 1.0f - a.average_decay});
    };
    if (a.average.size() > 0)
      step(std::true_type{});
    else
      step(std::false_type{});
  }
};

}  // namespace fewstep
