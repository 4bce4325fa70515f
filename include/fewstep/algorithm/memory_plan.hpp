// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/view.hpp>

#include <algorithm>
#include <cstddef>
#include <string>

namespace fewstep {

/// What a trainer holds, in bytes, known before anything is allocated; and the micro-batch that fits the budget. The
/// backend's own scratch (cpu_executor) is beside it: for the default U-Net at most 2 MB a thread.
struct memory_plan {
  std::size_t parameters = 0;   ///< parameters, gradients, optimizer state, EMA (parameter_update::bytes)
  std::size_t model = 0;        ///< what the generator holds beside: a frozen base, weights in the forms of kernels
  std::size_t trajectory = 0;   ///< states, results, log-probabilities, scores
  std::size_t regularizer = 0;  ///< workspace of the reference
  std::size_t decoder = 0;      ///< what the decoder says that it takes
  std::size_t workspace = 0;    ///< activations of one micro-batch, and what goes with each of its rows
  index_t rows = 0;             ///< rows of one micro-batch

  /// The sum, or saturated_size::most where it cannot be counted.
  [[nodiscard]] std::size_t total() const {
    return (saturated_size(parameters) + model + trajectory + regularizer + decoder + workspace).value();
  }
  /// Whether total() keeps to the budget. What cannot be counted fits none.
  [[nodiscard]] bool fits(std::size_t budget) const { return total() <= budget && total() < saturated_size::most; }

  /// Refuses a trajectory that alone is beyond the budget: before its steps are looked at one by one.
  void expect_within(std::size_t budget, int horizon, index_t samples) const {
    expects(fits(budget), [&] {
      return message("memory_budget: ", budget, " bytes are too few; the states of ", samples, " samples over ",
                     horizon, " steps alone need ", in_words(total()), "; use fewer of either, or a larger budget");
    });
  }

  /// This plan with the largest micro-batch of whole row blocks (at most `needed` rows) for which total() keeps to the
  /// budget. bytes(rows) is what a micro-batch of so many rows takes. Throws std::invalid_argument if not even one
  /// block fits, with the budget that would do.
  template <class Bytes>
  [[nodiscard]] memory_plan fitted(std::size_t budget, index_t needed, index_t block, const Bytes& bytes) const {
    const auto with = [&](index_t blocks) {
      memory_plan plan = *this;
      plan.rows = length_product(blocks, block);
      plan.workspace = bytes(plan.rows);
      return plan;
    };
    expects(with(1).fits(budget), [&] {
      return message("memory_budget: ", budget, " bytes are too few; the smallest micro-batch (", block,
                     " rows) needs ", in_words(with(1).total()), ": parameters ", in_words(parameters), ", model ",
                     in_words(model), ", trajectory ", in_words(trajectory), ", regularizer ", in_words(regularizer),
                     ", decoder ", in_words(decoder), ", workspace ", in_words(with(1).workspace));
    });
    index_t low = 1, high = parts_of(needed, block);
    while (low < high) {
      const index_t middle = low + (high - low + 1) / 2;
      if (with(middle).fits(budget))
        low = middle;
      else
        high = middle - 1;
    }
    return with(low);
  }

 private:
  static std::string in_words(std::size_t bytes) {
    return bytes == saturated_size::most ? "more than can be counted" : std::to_string(bytes);
  }
};

}  // namespace fewstep
