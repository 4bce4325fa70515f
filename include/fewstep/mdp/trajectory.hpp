// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/mdp/state_storage.hpp>
#include <fewstep/mdp/stored_states.hpp>
#include <fewstep/mdp/transition_rows.hpp>
#include <fewstep/sampler/step_table.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

namespace fewstep {

struct trajectory_options {
  bool keeps_outputs = false;  ///< store the network's outputs, for trust regions that measure how far the policy moved
  state_storage store_states_as = state_storage::float32;
};

/// The states of B samples over a horizon of H network calls, stored once:
///   states[(H + 1) B, D]: row k B + r is x_k of sample r, so row + B is the state that followed;
///   outputs[H B, D]: the network's, where they are kept;
///   log_probabilities[H B]: those of the rollout, which are never recomputed;
///   result[B, D]: what the decoder and the reward see.
/// Times are repeated per row, and rows share the context of their sample, so that steps 0 .. k - 1 are replayed as one
/// batch of k B rows.
///
/// States in 16 bits are read into floats of the reader's. Those that a rollout is at stand as floats, in turns in an
/// array of their own and where the result will.
///
/// Samples that nothing is to be learned from can be left out; they keep their rows, which then count for nothing.
template <class Backend, class Context>
class trajectory {
 public:
  trajectory(Backend& backend, step_table table, index_t samples, index_t dimension, trajectory_options o = {})
      : table_(std::move(table)),
        samples_(numbered(samples)),
        dimension_(dimension),
        states_(backend, index_t{table_.horizon()} + 1, samples, dimension, o.store_states_as),
        outputs_(backend, {o.keeps_outputs ? table_.horizon() * samples : 0, dimension}),
        result_(backend, {samples, dimension}),
        log_probabilities_(backend, table_.horizon() * samples),
        times_(backend, table_.horizon() * samples),
        step_of_row_(backend, table_.horizon() * samples),
        sample_of_row_(backend, table_.horizon() * samples),
        rows_(backend, table_.horizon()),
        contexts_(backend, samples),
        is_left_out_(static_cast<std::size_t>(samples)) {
    table_.scored.expect_within(dimension);
    for (std::size_t k = 0; k < table_.rows.size(); ++k) {
      const auto first = static_cast<std::ptrdiff_t>(k) * samples;
      std::fill_n(times_.host().begin() + first, samples, table_.rows[k].time);
      std::fill_n(step_of_row_.host().begin() + first, samples, static_cast<std::int32_t>(k));
      std::iota(sample_of_row_.host().begin() + first, sample_of_row_.host().begin() + first + samples,
                std::int32_t{0});
    }
    times_.upload(backend);
    step_of_row_.upload(backend);
    sample_of_row_.upload(backend);
    upload_table(backend);
  }

  [[nodiscard]] const step_table& table() const { return table_; }
  /// Other noise at the same times; as many steps are trained, and the same coordinates scored.
  void set_table(Backend& backend, step_table table) {
    table_ = std::move(table);
    upload_table(backend);
  }
  [[nodiscard]] index_t samples() const { return samples_; }
  [[nodiscard]] index_t dimension() const { return dimension_; }
  /// Rows that carry a policy gradient: the trained steps of all samples, trained_rows() of them from
  /// first_trained_row() on.
  [[nodiscard]] index_t trained_rows() const { return table_.trained * samples_; }
  [[nodiscard]] index_t first_trained_row() const { return table_.first_trained * samples_; }

  /// x_k of all samples, [B, D]. Where states are stored in 16 bits: while a rollout is at step k or k + 1.
  [[nodiscard]] matrix<float> state(int step) {
    if (!packs()) return states_.floats().subview(step * samples_, samples_);
    return (table_.horizon() - step) % 2 == 0 ? result_.view() : states_.standing();
  }
  /// Whether states are stored in 16 bits, and how.
  [[nodiscard]] bool packs() const { return states_.packs(); }
  [[nodiscard]] stored_states<Backend>& storage() { return states_; }
  [[nodiscard]] const stored_states<Backend>& storage() const { return states_; }
  /// Network outputs of the rollout, [H B, D]; null unless they are kept.
  [[nodiscard]] bool keeps_outputs() const { return outputs_.view().rows() > 0; }
  [[nodiscard]] matrix<float> outputs() { return outputs_.view(); }
  [[nodiscard]] matrix<const float> outputs() const { return outputs_.view(); }
  [[nodiscard]] matrix<float> result() { return result_.view(); }
  [[nodiscard]] matrix<const float> result() const { return result_.view(); }
  /// [(H + 1) B, D]; throws std::invalid_argument where they are stored in 16 bits.
  [[nodiscard]] matrix<const float> states() const { return states_.floats(); }
  /// Where operations find log-probabilities [H B], times [H B] and the rows of the step table [H]; which step and
  /// which sample the rows of [H B] are of, for the host too.
  [[nodiscard]] double* log_probabilities() { return log_probabilities_.device(); }
  [[nodiscard]] const double* log_probabilities() const { return log_probabilities_.device(); }
  [[nodiscard]] vec<const float> times() const { return times_.view(); }
  [[nodiscard]] const step_row* step_rows() const { return rows_.device(); }
  [[nodiscard]] const mirrored<std::int32_t, Backend>& step_of_row() const& { return step_of_row_; }
  [[nodiscard]] const mirrored<std::int32_t, Backend>& sample_of_row() const& { return sample_of_row_; }
  /// What each row of [H B] is conditioned on, as operations see it.
  [[nodiscard]] context_rows<Context> row_contexts() const {
    return {contexts_.device(), sample_of_row_.device(), sample_of_row_.size()};
  }
  [[nodiscard]] double& log_probability(index_t row) requires on_host<Backend> {
    return log_probabilities_.device()[row];
  }
  [[nodiscard]] double log_probability(index_t row) const requires on_host<Backend> {
    return log_probabilities_.device()[row];
  }

  /// What sample r is conditioned on, for all its steps; a rollout brings it to the operations.
  void set_context(index_t r, const Context& context) { contexts_.host()[static_cast<std::size_t>(r)] = context; }
  /// Of each sample.
  [[nodiscard]] std::span<const Context> contexts() const { return contexts_.host(); }
  void upload_contexts(Backend& backend) { contexts_.upload(backend); }

  /// Leaves out the samples r with is_left_out[r] != 0, until the next call. Their states become 0 and their contexts
  /// those of another sample, so that a network gives something finite for them, whatever they were.
  void leave_out(Backend& backend, std::span<const std::uint8_t> is_left_out) {
    std::copy(is_left_out.begin(), is_left_out.end(), is_left_out_.begin());
    left_out_ = samples_ - std::count(is_left_out.begin(), is_left_out.end(), std::uint8_t{0});
    if (left_out_ == 0 || left_out_ == samples_) return;
    clear_left_out(backend, states_.floats(), 0);
    clear_left_out(backend, states_.patterns(), 0);
    const auto other = std::find(is_left_out.begin(), is_left_out.end(), std::uint8_t{0}) - is_left_out.begin();
    for (index_t r = 0; r < samples_; ++r)
      if (this->is_left_out(r)) set_context(r, contexts_.host()[static_cast<std::size_t>(other)]);
    upload_contexts(backend);
  }
  [[nodiscard]] bool is_left_out(index_t sample) const { return is_left_out_[static_cast<std::size_t>(sample)] != 0; }
  /// Samples that are left out, and those that are not.
  [[nodiscard]] index_t left_out() const { return left_out_; }
  [[nodiscard]] index_t kept() const { return samples_ - left_out_; }
  /// Sets to 0 what an array has of samples that are left out, its row i being about row row_of(i) of the trajectory.
  template <class T, std::invocable<index_t> RowOf>
  void clear_left_out(Backend& backend, matrix<T> rows, const RowOf& row_of) const {
    for (index_t i = 0; left_out_ > 0 && i < rows.rows(); ++i)
      if (is_left_out(row_of(i) % samples_)) backend.for_each(rows.cols(), detail::fill<T>{rows.row(i), T{}});
  }
  /// As above, row i being about row first + i.
  template <class T>
  void clear_left_out(Backend& backend, matrix<T> rows, index_t first) const {
    clear_left_out(backend, rows, [first](index_t i) { return first + i; });
  }

  /// Rows from `first` on as the generator sees them, whose states are x[N, D].
  [[nodiscard]] batch<Context> rows(index_t first, matrix<const float> x) const {
    return {x, times().subview(first, x.rows()), row_contexts().subview(first, x.rows())};
  }
  /// Rows [first, first + count) likewise; throws as states().
  [[nodiscard]] batch<Context> rows(index_t first, index_t count) const {
    return rows(first, states().subview(first, count));
  }
  /// The same however states are stored: in 16 bits, they are read into scratch[count, D].
  [[nodiscard]] batch<Context> rows(Backend& backend, index_t first, index_t count, matrix<float> scratch) const {
    return rows(first, states_.read(backend, first, count, scratch));
  }

  /// Rows [first, first + count) as they are learned from, with the advantages of all rows [H B]. States that are
  /// stored in 16 bits are read into scratch x and next, [count, D] each.
  [[nodiscard]] transition_rows<Context> transitions(Backend& backend, index_t first, index_t count,
                                                     vec<const float> advantages, matrix<float> x,
                                                     matrix<float> next) const {
    const vec<const double> log_probabilities{this->log_probabilities(), {log_probabilities_.size()}};
    return {rows(backend, first, count, x),
            states_.read(backend, first + samples_, count, next),
            step_of_row_.view().subview(first, count),
            log_probabilities.subview(first, count),
            advantages.subview(first, count),
            keeps_outputs() ? outputs().subview(first, count) : matrix<const float>{}};
  }

  /// Bytes of a trajectory of this size.
  [[nodiscard]] static std::size_t bytes(int horizon, index_t samples, index_t dimension, trajectory_options o = {}) {
    const saturated_size b = samples, h = horizon;
    return (stored_states<Backend>::bytes(h + 1, b, dimension, o.store_states_as) +
            (o.keeps_outputs ? h + 1 : saturated_size(1)) * b * dimension * sizeof(float) +
            h * b * (sizeof(double) + sizeof(float) + 2 * sizeof(std::int32_t)) + b * sizeof(Context) +
            h * (2 * sizeof(step_row)))
        .value();
  }

 private:
  /// The number of samples, if theirs fit into 32 bits; before an array of so many is made.
  static index_t numbered(index_t samples) {
    expects(std::in_range<std::int32_t>(samples),
            [&] { return message("trajectory: ", samples, " samples, which have numbers of 32 bits; use fewer"); });
    return samples;
  }
  void upload_table(Backend& backend) {
    std::copy(table_.rows.begin(), table_.rows.end(), rows_.host().begin());
    rows_.upload(backend);
  }

  step_table table_;
  index_t samples_, dimension_;
  stored_states<Backend> states_;
  tensor<float, 2, Backend> outputs_, result_;
  mirrored<double, Backend> log_probabilities_;
  mirrored<float, Backend> times_;
  mirrored<std::int32_t, Backend> step_of_row_, sample_of_row_;
  mirrored<step_row, Backend> rows_;
  mirrored<Context, Backend> contexts_;    // by sample
  std::vector<std::uint8_t> is_left_out_;  // by sample
  index_t left_out_ = 0;
};

}  // namespace fewstep
