// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>

#include <span>
#include <string>

namespace fewstep::detail {

/// A shape as errors write it: "[2, 3]".
[[nodiscard]] inline std::string shape_text(std::span<const index_t> shape) {
  std::string text = "[";
  for (const auto extent : shape) text += message(text.size() > 1 ? ", " : "", extent);
  return text + "]";
}

}  // namespace fewstep::detail
