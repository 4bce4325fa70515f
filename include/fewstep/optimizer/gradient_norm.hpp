// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>
#include <fewstep/core/view.hpp>

#include <algorithm>
#include <cmath>

namespace fewstep {

namespace detail {

struct square_of {
  const float* values;
  FEWSTEP_HD double operator()(index_t i) const {
    return static_cast<double>(values[i]) * static_cast<double>(values[i]);
  }
};

}  // namespace detail

/// Euclidean norm of a flat gradient; the same bits for any number of threads.
template <class Backend>
[[nodiscard]] double gradient_norm(Backend& backend, vec<const float> gradients) {
  return std::sqrt(backend.sum(gradients.size(), detail::square_of{gradients.data}));
}

/// Factor that brings a gradient of this norm to at most `largest` (Pascanu et al. 2013); 1 where largest is 0.
[[nodiscard]] inline float clip_factor(double norm, float largest) {
  if (largest <= 0) return 1.0f;
  return static_cast<float>(std::min(1.0, static_cast<double>(largest) / (norm + 1e-6)));
}

}  // namespace fewstep
