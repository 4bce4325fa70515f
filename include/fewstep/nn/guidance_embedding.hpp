// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>

#include <cmath>

namespace fewstep {

namespace detail {

/// Row n of the embedding of weights[n].
template <class T>
struct guidance_waves {
  vec<const float> weights;
  matrix<T> y;
  FEWSTEP_HD void operator()(index_t n) const {
    const index_t half = y.cols() / 2;
    const double angle = 1000.0 * static_cast<double>(weights[n]);
    for (index_t j = 0; j < half; ++j) {
      // ln 10000; angles of thousands of turns need double precision.
      const double frequency = std::exp(-9.210340371976184 * static_cast<double>(j) / static_cast<double>(half - 1));
      y(n, j) = static_cast<T>(std::sin(angle * frequency));
      y(n, half + j) = static_cast<T>(std::cos(angle * frequency));
    }
  }
};

}  // namespace detail

/// Embedding of the guidance weight w that a latent consistency model is conditioned on in place of a second
/// evaluation:
///   y = [sin(1000 w f_0) ... sin(1000 w f_{h-1}), cos(1000 w f_0) ... cos(1000 w f_{h-1})],
///   f_j = 10000^(-j / (h - 1)), h = width / 2
/// (Luo et al. 2023, arXiv:2310.04378, section 4.3, in its reference implementation; RLCM samples and trains with w =
/// 7). weights[N] to [N, width]; width is even and at least 4, 256 in the published model.
template <class T, class Pass>
matrix<T> guidance_embedding(Pass& p, vec<const float> weights, index_t width) {
  expects(width >= 4 && width % 2 == 0,
          [&] { return message("guidance_embedding: width is ", width, "; it must be even and at least 4"); });
  const matrix<T> y = p.memory.template allocate<T, 2>({weights.size(), width});
  p.executor.for_each(weights.size(), detail::guidance_waves<T>{weights, y});
  return y;
}

}  // namespace fewstep
