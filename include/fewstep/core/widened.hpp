// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>

namespace fewstep::detail {

/// A float as a double, where the float may have been rounded from a double just before and another one beside it: g++
/// 12 takes two such ways from double to float and back for none at -O2, and leaves the rounding out
/// (findings/gcc-12-slp-rounding.sh). For numbers that are made once, not for inner loops.
[[nodiscard]] FEWSTEP_HD inline double widened(float rounded) {
  hide_in_memory(rounded);
  return static_cast<double>(rounded);
}

}  // namespace fewstep::detail
