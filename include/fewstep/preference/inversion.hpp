// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/generator/preconditioning.hpp>

namespace fewstep {

/// A step of a deterministic sampler backwards, from the noise level at time s to that at s' > s: x' = on_state x +
/// on_output o, o being the network's output at (x, s'). With the clean sample x_0 and the noise z that x and o stand
/// for, x = signal x_0 + noise z and o = P x_0 + Q z, it is signal' x_0 + noise' z. The inversion of DDIM: Song, Meng
/// and Ermon 2020 (arXiv:2010.02502), section 4.3; the error of a trajectory falls with the length of a step.
struct inversion_step {
  double on_state, on_output;

  /// From `from` to the level of p at time t.
  template <preconditioning P>
  [[nodiscard]] static inversion_step to(const P& p, const exact_noise_level& from, float t) {
    const exact_noise_level level = exact_level(p, t);
    const coefficients c = p(t);
    const double skip = static_cast<double>(c.skip), out = static_cast<double>(c.out);
    const double on_clean = (1 - skip * level.signal) / out, on_noise = -skip * level.noise / out;  // P and Q
    const double determinant = from.signal * on_noise - from.noise * on_clean;
    return {(level.signal * on_noise - level.noise * on_clean) / determinant,
            (level.noise * from.signal - level.signal * from.noise) / determinant};
  }
};

namespace detail {

/// x[i] = on_state[i] x[i] + on_output[i] o[i].
struct take_inversion_step {
  matrix<float> x;
  matrix<const float> o;
  const float *on_state, *on_output;

  [[nodiscard]] FEWSTEP_HD index_t columns() const { return x.cols(); }
  FEWSTEP_HD void operator()(index_t i, index_t d) const { x(i, d) = on_state[i] * x(i, d) + on_output[i] * o(i, d); }
  FEWSTEP_HD void operator()(index_t i) const {
    for (index_t d = 0; d < x.cols(); ++d) (*this)(i, d);
  }
};

/// target[i] = (x0[place[i]] - skip[i] x[i]) / out[i]: the output that leads back to the clean sample.
struct inversion_targets {
  matrix<const float> clean;
  const index_t* place;
  matrix<const float> x;
  matrix<float> target;
  const float *skip, *out;

  [[nodiscard]] FEWSTEP_HD index_t columns() const { return x.cols(); }
  FEWSTEP_HD void operator()(index_t i, index_t d) const {
    target(i, d) = (clean(place[i], d) - skip[i] * x(i, d)) / out[i];
  }
  FEWSTEP_HD void operator()(index_t i) const {
    for (index_t d = 0; d < x.cols(); ++d) (*this)(i, d);
  }
};

}  // namespace detail

}  // namespace fewstep
