// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/backend.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/generator/preconditioning.hpp>
#include <fewstep/mdp/transition.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>

/// The operations of consistency training on the rows of a batch; see mdp/transition.hpp for how such are made.

namespace fewstep {

/// x_t = signal(t) x + noise(t) z and x_r likewise from the same z, for examples x[B, D] and noise levels t[B], r[B].
template <class Preconditioning>
struct noised_examples {
  matrix<const float> clean;
  matrix<float> noised, earlier;
  const float *times, *earlier_times;
  Preconditioning preconditioner;
  const rollout_noise* noise;  ///< row i draws the numbers of example first + i
};

/// Per row w (sqrt(|f(x_t, t) - target|^2 + c^2) - c), the target being f(x_r, r), or the clean sample where r = t. The
/// outputs o[B, D] of x_t become the gradient of the mean over the rows.
template <class Preconditioning>
struct consistency_loss {
  matrix<const float> clean, noised, earlier, earlier_output;
  matrix<float> output;
  const float *times, *earlier_times;
  double* losses;  ///< [B]
  Preconditioning preconditioner;
  double huber, sigma_data;
  bool denoises;         ///< w = sqrt(1/t^2 + 1/sigma_data^2), else 1/(t - r)
  double mean_over = 0;  ///< the gradient is that of the sum divided by it; 0: of the mean over these rows

  [[nodiscard]] FEWSTEP_HD bool to_clean(index_t i) const { return times[i] == earlier_times[i]; }
  [[nodiscard]] FEWSTEP_HD double weight(index_t i) const {
    const double t = static_cast<double>(times[i]), r = to_clean(i) ? 0.0 : static_cast<double>(earlier_times[i]);
    return denoises ? std::sqrt(1.0 / (t * t) + 1.0 / (sigma_data * sigma_data)) : 1.0 / (t - r);
  }
  /// Writes the row's loss and returns the factor of (f - target) in the gradient by o.
  FEWSTEP_HD float finish(index_t i, double squares) const {
    const double distance = std::sqrt(squares + huber * huber), least = distance > 1e-12 ? distance : 1e-12;
    losses[i] = weight(i) * (distance - huber);
    const double total = mean_over > 0 ? mean_over : static_cast<double>(output.rows());
    return static_cast<float>(weight(i) / least / total) * preconditioner(times[i]).out;
  }
};

template <class Backend, class Preconditioning>
requires on_host<Backend>
void noise_examples(Backend& backend, const noised_examples<Preconditioning>& a) {
  const random_stream source{a.noise->seed, stream::training_noise};
  const index_t size = a.clean.cols();
  backend.parallel_for(a.clean.rows(), [&](auto&, int, index_t i) {
    const noise_level late = a.preconditioner.level(a.times[i]), early = a.preconditioner.level(a.earlier_times[i]);
    const float* x = a.clean.row(i);
    float *z = a.noised.row(i), *earlier = a.earlier.row(i);
    fill_normal(source, a.noise->first + static_cast<std::uint64_t>(i), 0, z, size);
    for (index_t d = 0; d < size; ++d) {
      const float noise = z[d];
      z[d] = late.signal * x[d] + late.noise * noise;
      earlier[d] = early.signal * x[d] + early.noise * noise;
    }
  });
}

template <class Backend, class Preconditioning>
requires on_host<Backend>
void apply_loss(Backend& backend, const consistency_loss<Preconditioning>& a) {
  const index_t size = a.clean.cols();
  backend.parallel_for(a.clean.rows(), [&](auto&, int, index_t i) {
    const bool to_clean = a.to_clean(i);
    const coefficients late = a.preconditioner(a.times[i]), before = a.preconditioner(a.earlier_times[i]);
    const float *x = a.noised.row(i), *y = to_clean ? a.clean.row(i) : a.earlier.row(i);
    const float* oy = a.earlier_output.row(i);
    float* o = a.output.row(i);
    double squares = 0;
    for (index_t d = 0; d < size; ++d) {
      const float target = to_clean ? y[d] : before.skip * y[d] + before.out * oy[d];
      o[d] = late.skip * x[d] + late.out * o[d] - target;
      squares += static_cast<double>(o[d]) * static_cast<double>(o[d]);
    }
    const float factor = a.finish(i, squares);
    for (index_t d = 0; d < size; ++d) o[d] *= factor;
  });
}

}  // namespace fewstep
