// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/mdp/trajectory.hpp>
#include <fewstep/mdp/transition_rows.hpp>

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

namespace fewstep {

/// A trajectory that has been rated: what the action of each of its rows was worth.
template <class Backend, class Context>
struct rated_trajectory {
  const trajectory<Backend, Context>& path;
  const mirrored<float, Backend>& advantages;  ///< [H B], by row of the trajectory
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

/// What each gathered row is learned from by.
struct gather_rating {
  const index_t* numbers;
  const double* log_probabilities;
  const float* advantages;
  double* log_probabilities_to;
  float* advantages_to;
  FEWSTEP_HD void operator()(index_t i) const {
    log_probabilities_to[i] = log_probabilities[numbers[i]];
    advantages_to[i] = advantages[numbers[i]];
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
    if (shape_.together == 0) return units_[static_cast<std::size_t>(i)];
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
    draws_.resize(units_.size());
    for (std::size_t i = 0; i < draws_.size(); ++i)  // side by side, which a compiler turns into packets
      draws_[i] = source.below(static_cast<std::uint32_t>(i + 1), pass, 0, i + 1);
    for (std::size_t i = units_.size(); i > 1; --i) std::swap(units_[i - 1], units_[draws_[i - 1]]);
  }

 private:
  /// units k / minibatches, whose product may be beyond all numbers.
  [[nodiscard]] index_t first_of(int k) const {
    const index_t n = shape_.units(), parts = minibatches_;
    return n / parts * k + n % parts * k / parts;
  }

  replay_shape shape_;
  std::vector<index_t> units_;
  std::vector<std::uint32_t> draws_;  // whom each unit changes places with
  int minibatches_;
};

/// Replays the trained rows of a trajectory, at most `micro_batch` of them at a time: views of the trajectory where one
/// minibatch is all of the rollout, rows gathered in a random order where there are several. States that are stored in
/// 16 bits are read into floats in either case.
template <class Backend, class Context>
class replay {
 public:
  /// `together`: see replay_shape.
  replay(Backend& backend, const trajectory<Backend, Context>& path, int minibatches, index_t micro_batch,
         index_t together = 0)
      : order_({path.table().trained, path.samples(), together}, minibatches),
        minibatches_(minibatches),
        micro_batch_(micro_batch),
        keeps_outputs_(path.keeps_outputs()),
        numbers_(backend, permutes() ? path.trained_rows() : 0),
        steps_(backend, numbers_.size()),
        samples_(backend, numbers_.size()),
        times_(backend, numbers_.size()),
        gathered_(backend, {arrays_for(minibatches, keeps_outputs_, path.packs()) * micro_batch, path.dimension()}),
        log_probabilities_(backend, {permutes() ? micro_batch : 0}),
        advantages_(backend, {permutes() ? micro_batch : 0}) {}

  /// Arrays of [micro_batch, D] that a replay holds.
  [[nodiscard]] static index_t arrays_for(int minibatches, bool keeps_outputs, bool packs) {
    if (minibatches > 1) return keeps_outputs ? 3 : 2;
    return packs ? 2 : 0;
  }
  [[nodiscard]] std::pair<index_t, index_t> minibatch(int k) const { return order_.minibatch(k); }

  /// Begins pass number `pass` of the run: a new order where there are several minibatches.
  void begin_pass(Backend& backend, const trajectory<Backend, Context>& path, std::uint64_t seed, std::uint64_t pass) {
    if (!permutes()) return;
    order_.permute(seed, pass);
    const index_t first = path.first_trained_row();
    const std::int32_t *step_of = path.step_of_row().host().data(), *sample_of = path.sample_of_row().host().data();
    const step_row* table = path.table().rows.data();
    index_t* numbers = numbers_.host().data();
    std::int32_t *steps = steps_.host().data(), *samples = samples_.host().data();
    float* times = times_.host().data();
    for (index_t i = 0; i < numbers_.size(); ++i) {
      const index_t row = first + order_[i];
      numbers[i] = row;
      steps[i] = step_of[row];
      samples[i] = sample_of[row];
      times[i] = table[steps[i]].time;
    }
    numbers_.upload(backend);
    steps_.upload(backend);
    samples_.upload(backend);
    times_.upload(backend);
  }
  /// Row of the trajectory at place i of the pass.
  [[nodiscard]] index_t row_at(const trajectory<Backend, Context>& path, index_t i) const {
    return path.first_trained_row() + (permutes() ? order_[i] : i);
  }

  /// The rows at places [at, at + count), count <= micro_batch; valid until the next call.
  [[nodiscard]] transition_rows<Context> rows(Backend& backend, const rated_trajectory<Backend, Context>& from,
                                              index_t at, index_t count) {
    const trajectory<Backend, Context>& path = from.path;
    const auto array = [&](index_t which) {  // empty where nothing has to be gathered
      const auto gathered = gathered_.view();
      return gathered.rows() == 0 ? gathered : gathered.subview(which * micro_batch_, count);
    };
    if (!permutes())
      return path.transitions(backend, path.first_trained_row() + at, count, from.advantages.view(), array(0),
                              array(1));
    const index_t* const numbers = numbers_.device() + at;
    if (path.packs()) {
      path.storage().gather(backend, numbers, 0, array(0));
      path.storage().gather(backend, numbers, path.samples(), array(1));
    } else {
      backend.for_each(count, detail::gather_states{numbers, path.states(), path.samples(), array(0), array(1)});
    }
    backend.for_each(count, detail::gather_rating{numbers, path.log_probabilities(), from.advantages.device(),
                                                  log_probabilities_.data(), advantages_.data()});
    if (keeps_outputs_) backend.for_each(count, detail::gather_rows{numbers, path.outputs(), array(2)});
    const context_rows<Context> contexts{path.row_contexts().values, samples_.device() + at, count};
    return {{array(0), times_.view().subview(at, count), contexts},
            array(1),
            steps_.view().subview(at, count),
            log_probabilities_.view().subview(0, count),
            advantages_.view().subview(0, count),
            keeps_outputs_ ? array(2) : matrix<float>{}};
  }

 private:
  [[nodiscard]] bool permutes() const { return minibatches_ > 1; }

  replay_order order_;
  int minibatches_;
  index_t micro_batch_;
  bool keeps_outputs_;
  // By place in the pass: row of the trajectory, and its step, sample and time.
  mirrored<index_t, Backend> numbers_;
  mirrored<std::int32_t, Backend> steps_, samples_;
  mirrored<float, Backend> times_;
  // Of the rows that were asked for last.
  tensor<float, 2, Backend> gathered_;
  tensor<double, 1, Backend> log_probabilities_;
  tensor<float, 1, Backend> advantages_;
};

}  // namespace fewstep
