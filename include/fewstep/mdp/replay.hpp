// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/generator/generator.hpp>

#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace fewstep {

/// Rows of a trajectory as they are replayed: what the network sees, and the states that followed [N, D].
template <class Context>
struct replayed_rows {
  batch<Context> rows;
  matrix<const float> next;
};

/// The order in which trained rows are replayed, and its minibatches (one optimizer step each). Micro-batches are
/// memory's and do not show here.
class replay_order {
 public:
  replay_order(index_t rows, int minibatches) : rows_(static_cast<std::size_t>(rows)), minibatches_(minibatches) {
    expects(index_t{minibatches} <= rows, [&] {
      return message("replay: ", minibatches, " optimizer steps but only ", rows, " rows; use at most one step a row");
    });
    std::iota(rows_.begin(), rows_.end(), index_t{0});
  }

  [[nodiscard]] index_t operator[](index_t i) const { return rows_[static_cast<std::size_t>(i)]; }

  /// Places [first, last) of minibatch k.
  [[nodiscard]] std::pair<index_t, index_t> minibatch(int k) const {
    const auto n = static_cast<index_t>(rows_.size());
    return {n * k / minibatches_, n * (k + 1) / minibatches_};
  }

  /// A uniformly random order that depends on (seed, pass) only.
  void permute(std::uint64_t seed, std::uint64_t pass) {
    const random_stream source{seed, stream::shuffle};
    std::iota(rows_.begin(), rows_.end(), index_t{0});
    for (std::size_t i = rows_.size(); i > 1; --i)
      std::swap(rows_[i - 1], rows_[source.below(static_cast<std::uint32_t>(i), pass, 0, i)]);
  }

 private:
  std::vector<index_t> rows_;
  int minibatches_;
};

}  // namespace fewstep
