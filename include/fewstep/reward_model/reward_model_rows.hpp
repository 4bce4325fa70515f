// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>
#include <fewstep/generator/vocabulary.hpp>

#include <algorithm>
#include <cstdint>

namespace fewstep {

/// Rows that a reward model looks at: pictures[N,D] and the texts tokens[N,L] that belong to them. A reward model that
/// can do with one of the two takes the other without rows.
template <class T>
struct reward_model_rows {
  matrix<const T> pictures;
  matrix<const std::int32_t> tokens{};

  [[nodiscard]] index_t rows() const { return std::max(pictures.rows(), tokens.rows()); }
  [[nodiscard]] reward_model_rows subview(index_t first, index_t count) const {
    const auto part = [&](auto m) { return m.rows() > 0 ? m.subview(first, count) : m; };
    return {part(pictures), part(tokens)};
  }
};

}  // namespace fewstep
