// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/mdp/trajectory.hpp>

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
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

/// Replays the trained rows of a trajectory, at most `micro_batch` of them at a time: views of the trajectory where one
/// minibatch is all of the rollout, rows gathered in a random order where there are several.
template <class Backend, class Context>
class replay {
 public:
  replay(Backend& backend, const trajectory<Backend, Context>& path, int minibatches, index_t micro_batch)
      : order_(path.trained_rows(), minibatches),
        first_row_(path.first_trained_row()),
        minibatches_(minibatches),
        micro_batch_(micro_batch),
        gathered_(backend, {arrays_for(minibatches) * micro_batch, path.dimension()}),
        times_(static_cast<std::size_t>(permutes() ? micro_batch : 0)),
        contexts_(times_.size()) {}

  /// Arrays of [micro_batch, D] that a replay holds.
  [[nodiscard]] static index_t arrays_for(int minibatches) { return minibatches > 1 ? 2 : 0; }
  /// Row of the trajectory that is replayed at place i.
  [[nodiscard]] index_t operator[](index_t i) const { return first_row_ + order_[i]; }
  [[nodiscard]] std::pair<index_t, index_t> minibatch(int k) const { return order_.minibatch(k); }

  /// Begins pass number `pass` of the run: a new order where there are several minibatches.
  void begin_pass(std::uint64_t seed, std::uint64_t pass) {
    if (permutes()) order_.permute(seed, pass);
  }

  /// The rows at places [at, at + count), count <= micro_batch; valid until the next call.
  [[nodiscard]] replayed_rows<Context> rows(Backend& backend, const trajectory<Backend, Context>& path, index_t at,
                                            index_t count) {
    const matrix<const float> states = path.states();
    if (!permutes()) {
      const index_t first = first_row_ + at;
      return {path.rows(first, count), states.subview(first + path.samples(), count)};
    }
    const matrix<float> x = gathered_.view().subview(0, count), next = gathered_.view().subview(micro_batch_, count);
    for (index_t i = 0; i < count; ++i) {
      const index_t row = (*this)[at + i];
      const auto place = static_cast<std::size_t>(i);
      backend.copy_to_device(states.row(row), x.row(i), path.dimension());
      backend.copy_to_device(states.row(row + path.samples()), next.row(i), path.dimension());
      times_[place] = path.row_of(row).time;
      contexts_[place] = path.contexts()[static_cast<std::size_t>(row % path.samples())];
    }
    return {{x, as_vec(std::span<const float>(times_)).subview(0, count),
             as_vec(std::span<const Context>(contexts_)).subview(0, count)},
            next};
  }

 private:
  [[nodiscard]] bool permutes() const { return minibatches_ > 1; }

  replay_order order_;
  index_t first_row_;
  int minibatches_;
  index_t micro_batch_;
  tensor<float, 2, Backend> gathered_;
  std::vector<float> times_;
  std::vector<Context> contexts_;
};

}  // namespace fewstep
