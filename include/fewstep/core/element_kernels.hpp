// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>

/// Function objects that backends map over arrays. All of the library's stand at namespace scope: a type that is
/// private or local to a function cannot be the argument of a CUDA kernel.

namespace fewstep::detail {

/// data[i] = value.
template <class T>
struct fill {
  T* data;
  T value;
  FEWSTEP_HD void operator()(index_t i) const { data[i] = value; }
};

/// to[i] = from[i].
template <class T>
struct copy {
  const T* from;
  T* to;
  FEWSTEP_HD void operator()(index_t i) const { to[i] = from[i]; }
};

/// to[i] = factor from[i].
template <class T>
struct scale {
  const T* from;
  T* to;
  T factor;
  FEWSTEP_HD void operator()(index_t i) const { to[i] = factor * from[i]; }
};

/// data[i] *= factor.
template <class T>
struct scale_by {
  T* data;
  T factor;
  FEWSTEP_HD void operator()(index_t i) const { data[i] *= factor; }
};

/// to[i] += from[i].
template <class T>
struct add_into {
  const T* from;
  T* to;
  FEWSTEP_HD void operator()(index_t i) const { to[i] += from[i]; }
};

}  // namespace fewstep::detail
