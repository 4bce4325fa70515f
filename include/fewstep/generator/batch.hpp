// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/generator/context_rows.hpp>

namespace fewstep {

/// Rows that a generator is asked about: x[B,D] states, times[B] noise levels, contexts[B] what each is conditioned on.
/// Every row has its own time, so a whole trajectory is replayed as one batch; rows that share a context share its
/// copy.
template <class Context>
struct batch {
  matrix<const float> x;
  vec<const float> times;
  context_rows<Context> contexts;

  [[nodiscard]] FEWSTEP_HD index_t rows() const { return x.rows(); }
  [[nodiscard]] FEWSTEP_HD batch subview(index_t first, index_t count) const {
    return {x.subview(first, count), times.subview(first, count), contexts.subview(first, count)};
  }
};

}  // namespace fewstep
