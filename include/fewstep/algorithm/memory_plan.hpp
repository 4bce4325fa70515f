// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>

#include <algorithm>
#include <cstddef>

namespace fewstep {

/// What a trainer holds, in bytes, known before anything is allocated; and the micro-batch that fits the budget. The
/// backend's own scratch (cpu_executor) is beside it: for the default U-Net at most 2 MB a thread.
struct memory_plan {
  std::size_t parameters = 0;   ///< parameters, gradients, optimizer state, average
  std::size_t trajectory = 0;   ///< states, results, log-probabilities, scores
  std::size_t regularizer = 0;  ///< workspace of the reference
  std::size_t workspace = 0;    ///< activations of one micro-batch, and what goes with each of its rows
  index_t rows = 0;             ///< rows of one micro-batch

  [[nodiscard]] std::size_t total() const { return parameters + trajectory + regularizer + workspace; }

  /// This plan with the largest micro-batch of whole row blocks (at most `needed` rows) for which total() keeps to the
  /// budget. bytes(rows) is what a micro-batch of so many rows takes. Throws std::invalid_argument if not even one
  /// block fits, with the budget that would do.
  template <class Bytes>
  [[nodiscard]] memory_plan fitted(std::size_t budget, index_t needed, index_t block, const Bytes& bytes) const {
    const auto with = [&](index_t blocks) {
      memory_plan plan = *this;
      plan.rows = blocks * block;
      plan.workspace = bytes(plan.rows);
      return plan;
    };
    const index_t all = (needed + block - 1) / block;
    expects(with(1).total() <= budget, [&] {
      return message("memory_budget: ", budget, " bytes are too few; the smallest micro-batch (", block,
                     " rows) needs ", with(1).total(), ": parameters ", parameters, ", trajectory ", trajectory,
                     ", regularizer ", regularizer, ", workspace ", with(1).workspace);
    });
    index_t low = 1, high = all;
    while (low < high) {
      const index_t middle = (low + high + 1) / 2;
      if (with(middle).total() <= budget)
        low = middle;
      else
        high = middle - 1;
    }
    return with(low);
  }
};

}  // namespace fewstep
