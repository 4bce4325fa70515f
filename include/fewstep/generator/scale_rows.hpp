// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>
#include <fewstep/generator/preconditioning.hpp>

namespace fewstep {

namespace detail {

/// scaled[r] = in(times[r]) x[r], of whose columns the first are taken.
template <class Preconditioning>
struct scale_rows {
  matrix<const float> x;
  vec<const float> times;
  matrix<float> scaled;
  Preconditioning preconditioner;
  FEWSTEP_HD void operator()(index_t r) const {
    const float factor = preconditioner(times[r]).in;
    for (index_t i = 0; i < scaled.cols(); ++i) scaled(r, i) = factor * x(r, i);
  }
  [[nodiscard]] FEWSTEP_HD index_t columns() const { return scaled.cols(); }
  FEWSTEP_HD void operator()(index_t r, index_t i) const { scaled(r, i) = preconditioner(times[r]).in * x(r, i); }
};

}  // namespace detail

}  // namespace fewstep
