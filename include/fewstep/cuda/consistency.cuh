// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/cuda/backend.cuh>
#include <fewstep/loss/consistency_loss.hpp>

/// The operations of consistency training on a device.

namespace fewstep {

namespace detail {

/// Four elements of a row share one block of random numbers.
template <class Preconditioning>
struct noise_examples_element {
  noised_examples<Preconditioning> a;

  [[nodiscard]] FEWSTEP_HD index_t columns() const { return (a.clean.cols() + 3) / 4; }
  FEWSTEP_HD void operator()(index_t i, index_t group) const {
    const random_stream source{a.noise->seed, stream::training_noise};
    const normal_block z =
        source.normals(a.noise->first + static_cast<std::uint64_t>(i), 0, static_cast<std::uint32_t>(group));
    const float four[4] = {z.z0, z.z1, z.z2, z.z3};
    const noise_level late = a.preconditioner.level(a.times[i]), early = a.preconditioner.level(a.earlier_times[i]);
    for (index_t k = 0; k < 4; ++k) {
      const index_t d = 4 * group + k;
      if (d >= a.clean.cols()) return;
      a.noised(i, d) = late.signal * a.clean(i, d) + late.noise * four[k];
      a.earlier(i, d) = early.signal * a.clean(i, d) + early.noise * four[k];
    }
  }
};

/// A block for each row.
template <class Preconditioning>
struct apply_loss_rows {
  static constexpr int threads = 256;
  consistency_loss<Preconditioning> a;

  template <class Block>
  FEWSTEP_HD void operator()(Block& block) const {
    const index_t i = block.index(), size = a.clean.cols();
    const bool to_clean = a.to_clean(i);
    const coefficients late = a.preconditioner(a.times[i]), before = a.preconditioner(a.earlier_times[i]);
    const float *x = a.noised.row(i), *y = to_clean ? a.clean.row(i) : a.earlier.row(i);
    const float* oy = a.earlier_output.row(i);
    float* o = a.output.row(i);
    double squares = 0;
    for (index_t d = block.thread(); d < size; d += threads) {
      const float target = to_clean ? y[d] : before.skip * y[d] + before.out * oy[d];
      o[d] = late.skip * x[d] + late.out * o[d] - target;
      squares += static_cast<double>(o[d]) * static_cast<double>(o[d]);
    }
    squares = block.sum(squares);
    const float factor = a.finish(i, squares);  // by every thread, which all write the same loss
    for (index_t d = block.thread(); d < size; d += threads) o[d] *= factor;
  }
};

}  // namespace detail

template <class Device, class Preconditioning>
void noise_examples(device_backend<Device>& backend, const noised_examples<Preconditioning>& a) {
  backend.for_each(a.clean.rows(), detail::noise_examples_element<Preconditioning>{a});
}

template <class Device, class Preconditioning>
void apply_loss(device_backend<Device>& backend, const consistency_loss<Preconditioning>& a) {
  backend.executor(0).launch(a.clean.rows(), detail::apply_loss_rows<Preconditioning>{a});
}

}  // namespace fewstep
