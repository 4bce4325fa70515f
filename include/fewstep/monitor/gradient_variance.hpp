// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/backend.hpp>
#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>

#include <cstddef>
#include <span>
#include <vector>

namespace fewstep {

/// How much of a policy gradient is noise.
struct gradient_variance {
  double squared_norm = 0;  ///< of the expected gradient, estimated without bias; may be below 0 where all is noise
  double variance = 0;      ///< trace of the covariance of one update's gradient

  /// Updates that would have to be averaged for as much signal as noise: McCandlish et al. 2018 (arXiv:1812.06162),
  /// equation (2.9), in units of an update.
  [[nodiscard]] double noise_scale() const { return variance / squared_norm; }
};

/// Measures the gradients of `rollouts` >= 2 rollouts under the parameters as they are, at the cost of as many updates.
/// Nothing of the trainer's state changes; the rollouts are none that training makes, and always the same.
template <class Backend, class Generator, class Trainer>
[[nodiscard]] gradient_variance measure_gradient(Backend& backend, Generator& model, Trainer& trainer,
                                                 std::span<const typename Trainer::context_type> contexts,
                                                 int rollouts) {
  expects(rollouts >= 2, [&] { return message("measure_gradient: rollouts is ", rollouts, "; use at least 2"); });
  const vec<float> g = model.gradients();
  const auto n = static_cast<std::size_t>(g.size());
  fetched<float, Backend> of_host(backend, g.size());
  std::vector<double> mean(n), squares(n);
  for (int k = 0; k < rollouts; ++k) {
    trainer.probe(contexts, k);
    const float* values = of_host.fetch(backend, g.data, 0, g.size());
    for (std::size_t i = 0; i < n; ++i) {
      const double difference = static_cast<double>(values[i]) - mean[i];
      mean[i] += difference / (k + 1);
      squares[i] += difference * (static_cast<double>(values[i]) - mean[i]);
    }
  }
  gradient_variance measured;
  for (std::size_t i = 0; i < n; ++i) {
    measured.variance += squares[i] / (rollouts - 1);
    measured.squared_norm += mean[i] * mean[i];
  }
  measured.squared_norm -= measured.variance / rollouts;
  return measured;
}

}  // namespace fewstep
