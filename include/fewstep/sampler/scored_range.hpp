// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/view.hpp>

namespace fewstep {

/// The coordinates [first, first + count) of a state that are the action: only these enter log-probabilities, ratios
/// and KL divergences, whose means are over `count`, and only these get a gradient. The others move as ever, like other
/// agents of a scene. count = 0: all coordinates.
struct scored_range {
  index_t first = 0;
  index_t count = 0;

  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("first", first, at_least(0));
    visit("count", count, at_least(0).remark("0: all coordinates"));
  }

  [[nodiscard]] FEWSTEP_HD constexpr bool is_all() const { return count == 0; }
  /// Coordinates that are scored of a state of `dimension`.
  [[nodiscard]] FEWSTEP_HD constexpr index_t size(index_t dimension) const { return count == 0 ? dimension : count; }
  /// Whether coordinate d is scored.
  [[nodiscard]] FEWSTEP_HD constexpr bool has(index_t d) const {
    return count == 0 || (d >= first && d < first + count);
  }

  /// Throws std::invalid_argument unless the range lies within a state of `dimension`.
  void expect_within(index_t dimension) const {
    expects(first >= 0 && count >= 0 && first <= dimension && count <= dimension - first && (count > 0 || first == 0),
            [&] {
              return message("scored_range: first is ", first, " and count is ", count, ", but a sample has ",
                             dimension, " values; score at least one of them, or {0, 0} for all");
            });
  }

  friend constexpr bool operator==(const scored_range&, const scored_range&) = default;
};

}  // namespace fewstep
