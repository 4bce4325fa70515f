// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/generator/generator.hpp>

#include <cstdint>

/// Classifier-free guidance on rows in pairs: kernels of rows.

namespace fewstep::detail {

/// Row r as rows 2 r, under its own context, and 2 r + 1, under none; contexts stay where they are, and which[i] says
/// the one of row i as context_rows has it.
template <class Context>
struct pair_rows {
  batch<Context> rows;
  matrix<float> x;
  vec<float> times;
  vec<std::int32_t> which;
  FEWSTEP_HD void operator()(index_t r) const {
    for (index_t i = 0; i < rows.x.cols(); ++i) (*this)(r, i);
  }
  [[nodiscard]] FEWSTEP_HD index_t columns() const { return rows.x.cols(); }
  FEWSTEP_HD void operator()(index_t r, index_t i) const {
    x(2 * r, i) = x(2 * r + 1, i) = rows.x(r, i);
    if (i > 0) return;
    times[2 * r] = times[2 * r + 1] = rows.times[r];
    which[2 * r] = rows.contexts.which == nullptr ? static_cast<std::int32_t>(r) : rows.contexts.which[r];
    which[2 * r + 1] = -1;
  }
};

/// o[r] from the outputs of the pair that pair_rows made of row r.
struct guide_rows {
  matrix<const float> pairs;
  matrix<float> o;
  float scale;
  FEWSTEP_HD void operator()(index_t r) const {
    for (index_t i = 0; i < o.cols(); ++i) (*this)(r, i);
  }
  [[nodiscard]] FEWSTEP_HD index_t columns() const { return o.cols(); }
  FEWSTEP_HD void operator()(index_t r, index_t i) const {
    const float conditional = pairs(2 * r, i), unconditional = pairs(2 * r + 1, i);
    o(r, i) = unconditional + scale * (conditional - unconditional);
  }
};

/// Its derivative: the gradients of a pair from that of row r.
struct guide_gradient_rows {
  matrix<const float> o_gradient;
  matrix<float> pairs;
  float scale;
  FEWSTEP_HD void operator()(index_t r) const {
    for (index_t i = 0; i < o_gradient.cols(); ++i) (*this)(r, i);
  }
  [[nodiscard]] FEWSTEP_HD index_t columns() const { return o_gradient.cols(); }
  FEWSTEP_HD void operator()(index_t r, index_t i) const {
    pairs(2 * r, i) = scale * o_gradient(r, i);
    pairs(2 * r + 1, i) = (1.0f - scale) * o_gradient(r, i);
  }
};

/// Its derivative by the state, which both rows of a pair have: sums of pairs.
struct add_pairs {
  matrix<const float> pairs;
  matrix<float> sums;
  FEWSTEP_HD void operator()(index_t r) const {
    for (index_t i = 0; i < sums.cols(); ++i) (*this)(r, i);
  }
  [[nodiscard]] FEWSTEP_HD index_t columns() const { return sums.cols(); }
  FEWSTEP_HD void operator()(index_t r, index_t i) const { sums(r, i) = pairs(2 * r, i) + pairs(2 * r + 1, i); }
};

}  // namespace fewstep::detail
