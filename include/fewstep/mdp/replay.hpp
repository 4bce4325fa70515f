// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/mdp/trajectory.hpp>

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace fewstep {

/// Rows of a trajectory as they are replayed: what the network sees, and the states that followed [N, D]. Row i is row
/// `first` + i of the trajectory, or numbers[i] where that is not null.
template <class Context>
struct replayed_rows {
  batch<Context> rows;
  matrix<const float> next;
  index_t first = 0;
  const index_t* numbers = nullptr;
};

namespace detail {

/// x[i] = states[numbers[i]], and next[i] the state that followed.
struct gather_states {
  const index_t* numbers;
  matrix<const float> states;
  index_t samples;
  matrix<float> x, next;

  [[nodiscard]] FEWSTEP_HD index_t columns() const { return x.cols(); }
  FEWSTEP_HD void operator()(index_t i, index_t d) const {
    x(i, d) = states(numbers[i], d);
    next(i, d) = states(numbers[i] + samples, d);
  }
  FEWSTEP_HD void operator()(index_t i) const {
    for (index_t d = 0; d < x.cols(); ++d) (*this)(i, d);
  }
};

/// Time and context of each gathered row.
template <class Context>
struct gather_conditions {
  const index_t* numbers;
  vec<const float> times;
  vec<const Context> contexts;
  float* times_to;
  Context* contexts_to;
  FEWSTEP_HD void operator()(index_t i) const {
    times_to[i] = times[numbers[i]];
    contexts_to[i] = contexts[numbers[i]];
  }
};

}  // namespace detail

/// Trained rows as replay_order deals them out: row k * samples + r is the k-th trained step of sample r.
struct replay_shape {
  index_t steps = 1;
  index_t samples = 1;
  index_t together = 0;  ///< samples that stay in one minibatch with all their steps; 0: rows go where they like

  [[nodiscard]] index_t units() const { return together > 0 ? samples / together : steps * samples; }
  /// Rows of a unit.
  [[nodiscard]] index_t rows() const { return together > 0 ? steps * together : 1; }
  /// Row i of a unit.
  [[nodiscard]] index_t row(index_t unit, index_t i) const {
    return together > 0 ? i / together * samples + unit * together + i % together : unit;
  }
};

/// The order in which trained rows are replayed, and its minibatches (one optimizer step each). Micro-batches are
/// memory's and do not show here.
class replay_order {
 public:
  replay_order(replay_shape shape, int minibatches)
      : shape_(shape), units_(static_cast<std::size_t>(shape.units())), minibatches_(minibatches) {
    expects(index_t{minibatches} <= shape.units(), [&] {
      return message("replay: ", minibatches, " optimizer steps but only ", shape.units(),
                     shape.together > 0 ? " prompts whose samples are learned from together; use at most one step a "
                                          "prompt"
                                        : " rows; use at most one step a row");
    });
    expects(minibatches == 1 || std::in_range<std::uint32_t>(shape.units()), [&] {
      return message("replay: ", shape.units(),
                     " rows cannot be put in order, which is by numbers of 32 bits; use fewer ", "samples or steps");
    });
    std::iota(units_.begin(), units_.end(), index_t{0});
  }

  /// Row at place i.
  [[nodiscard]] index_t operator[](index_t i) const {
    return shape_.row(units_[static_cast<std::size_t>(i / shape_.rows())], i % shape_.rows());
  }

  /// Places [first, last) of minibatch k.
  [[nodiscard]] std::pair<index_t, index_t> minibatch(int k) const {
    return {first_of(k) * shape_.rows(), first_of(k + 1) * shape_.rows()};
  }

  /// A uniformly random order that depends on (seed, pass) only.
  void permute(std::uint64_t seed, std::uint64_t pass) {
    const random_stream source{seed, stream::shuffle};
    std::iota(units_.begin(), units_.end(), index_t{0});
    for (std::size_t i = units_.size(); i > 1; --i)
      std::swap(units_[i - 1], units_[source.below(static_cast<std::uint32_t>(i), pass, 0, i)]);
  }

 private:
  /// units k / minibatches, whose product may be beyond all numbers.
  [[nodiscard]] index_t first_of(int k) const {
    const index_t n = shape_.units(), parts = minibatches_;
    return n / parts * k + n % parts * k / parts;
  }

  replay_shape shape_;
  std::vector<index_t> units_;
  int minibatches_;
};

/// Replays the trained rows of a trajectory, at most `micro_batch` of them at a time: views of the trajectory where one
/// minibatch is all of the rollout, rows gathered in a random order where there are several.
template <class Backend, class Context>
class replay {
 public:
  /// `together`: see replay_shape.
  replay(Backend& backend, const trajectory<Backend, Context>& path, int minibatches, index_t micro_batch,
         index_t together = 0)
      : order_({path.table().trained, path.samples(), together}, minibatches),
        minibatches_(minibatches),
        micro_batch_(micro_batch),
        numbers_(backend, permutes() ? path.trained_rows() : 0),
        gathered_(backend, {arrays_for(minibatches) * micro_batch, path.dimension()}),
        times_(backend, permutes() ? micro_batch : 0),
        contexts_(backend, permutes() ? micro_batch : 0) {}

  /// Arrays of [micro_batch, D] that a replay holds.
  [[nodiscard]] static index_t arrays_for(int minibatches) { return minibatches > 1 ? 2 : 0; }
  [[nodiscard]] std::pair<index_t, index_t> minibatch(int k) const { return order_.minibatch(k); }

  /// Begins pass number `pass` of the run: a new order where there are several minibatches.
  void begin_pass(Backend& backend, const trajectory<Backend, Context>& path, std::uint64_t seed, std::uint64_t pass) {
    if (!permutes()) return;
    order_.permute(seed, pass);
    for (index_t i = 0; i < numbers_.size(); ++i)
      numbers_.host()[static_cast<std::size_t>(i)] = path.first_trained_row() + order_[i];
    numbers_.upload(backend);
  }
  /// Row of the trajectory at place i of the pass.
  [[nodiscard]] index_t row_at(const trajectory<Backend, Context>& path, index_t i) const {
    return path.first_trained_row() + (permutes() ? order_[i] : i);
  }

  /// The rows at places [at, at + count), count <= micro_batch; valid until the next call.
  [[nodiscard]] replayed_rows<Context> rows(Backend& backend, const trajectory<Backend, Context>& path, index_t at,
                                            index_t count) {
    const matrix<const float> states = path.states();
    if (!permutes()) {
      const index_t first = path.first_trained_row() + at;
      return {path.rows(first, count), states.subview(first + path.samples(), count), first, nullptr};
    }
    const matrix<float> x = gathered_.view().subview(0, count), next = gathered_.view().subview(micro_batch_, count);
    const index_t* const numbers = numbers_.device() + at;
    backend.for_each(count, detail::gather_states{numbers, states, path.samples(), x, next});
    backend.for_each(count, detail::gather_conditions<Context>{numbers, path.times(), path.row_contexts(),
                                                               times_.device(), contexts_.device()});
    return {batch<Context>{x, times_.view(), contexts_.view()}.subview(0, count), next, 0, numbers};
  }

 private:
  [[nodiscard]] bool permutes() const { return minibatches_ > 1; }

  replay_order order_;
  int minibatches_;
  index_t micro_batch_;
  mirrored<index_t, Backend> numbers_;  // of the trajectory's rows, in the order of the pass
  tensor<float, 2, Backend> gathered_;
  mirrored<float, Backend> times_;
  mirrored<Context, Backend> contexts_;
};

}  // namespace fewstep
