// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/generator/generator.hpp>
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
};

/// The states of B samples over a horizon of H network calls, stored once in float32:
///   states[(H + 1) B, D]: row k B + r is x_k of sample r, so row + B is the state that followed;
///   outputs[H B, D]: the network's, where they are kept;
///   log_probabilities[H B]: those of the rollout, which are never recomputed;
///   result[B, D]: what the decoder and the reward see.
/// Times are repeated per row, and rows share the context of their sample, so that steps 0 .. k - 1 are replayed as one
/// batch of k B rows.
/// Samples that nothing is to be learned from can be left out; they keep their rows, which then count for nothing.
template <class Backend, class Context>
class trajectory {
 public:
  trajectory(Backend& backend, step_table table, index_t samples, index_t dimension, trajectory_options o = {})
      : table_(std::move(table)),
        samples_(numbered(samples)),
        dimension_(dimension),
        states_(backend, {length_product(index_t{table_.horizon()} + 1, samples), dimension}),
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

  /// x_k of all samples, [B, D].
  [[nodiscard]] matrix<float> state(int step) { return states_.view().subview(step * samples_, samples_); }
  /// Network outputs of the rollout, [H B, D]; null unless they are kept.
  [[nodiscard]] bool keeps_outputs() const { return outputs_.view().rows() > 0; }
  [[nodiscard]] matrix<float> outputs() { return outputs_.view(); }
  [[nodiscard]] matrix<const float> outputs() const { return outputs_.view(); }
  [[nodiscard]] matrix<float> result() { return result_.view(); }
  [[nodiscard]] matrix<const float> result() const { return result_.view(); }
  [[nodiscard]] matrix<const float> states() const { return states_.view(); }
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
    clear_left_out(backend, states_.view(), 0);
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
  template <std::invocable<index_t> RowOf>
  void clear_left_out(Backend& backend, matrix<float> rows, const RowOf& row_of) const {
    for (index_t i = 0; left_out_ > 0 && i < rows.rows(); ++i)
      if (is_left_out(row_of(i) % samples_)) backend.for_each(rows.cols(), detail::fill<float>{rows.row(i), 0.0f});
  }
  /// As above, row i being about row first + i.
  void clear_left_out(Backend& backend, matrix<float> rows, index_t first) const {
    clear_left_out(backend, rows, [first](index_t i) { return first + i; });
  }

  /// Rows [first, first + count) as the generator sees them.
  [[nodiscard]] batch<Context> rows(index_t first, index_t count) const {
    return batch<Context>{states_.view().subview(0, table_.horizon() * samples_), times(), row_contexts()}.subview(
        first, count);
  }

  /// Rows [first, first + count) as they are learned from, with the advantages of all rows [H B].
  [[nodiscard]] transition_rows<Context> transitions(index_t first, index_t count, vec<const float> advantages) const {
    const vec<const double> log_probabilities{this->log_probabilities(), {log_probabilities_.size()}};
    return {rows(first, count),
            states_.view().subview(first + samples_, count),
            step_of_row_.view().subview(first, count),
            log_probabilities.subview(first, count),
            advantages.subview(first, count),
            keeps_outputs() ? outputs().subview(first, count) : matrix<const float>{}};
  }

  /// Bytes of a trajectory of this size.
  [[nodiscard]] static std::size_t bytes(int horizon, index_t samples, index_t dimension, trajectory_options o = {}) {
    const saturated_size b = samples, h = horizon;
    return ((h + 2 + (o.keeps_outputs ? h : 0)) * b * dimension * sizeof(float) +
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
  tensor<float, 2, Backend> states_, outputs_, result_;
  mirrored<double, Backend> log_probabilities_;
  mirrored<float, Backend> times_;
  mirrored<std::int32_t, Backend> step_of_row_, sample_of_row_;
  mirrored<step_row, Backend> rows_;
  mirrored<Context, Backend> contexts_;    // by sample
  std::vector<std::uint8_t> is_left_out_;  // by sample
  index_t left_out_ = 0;
};

}  // namespace fewstep
