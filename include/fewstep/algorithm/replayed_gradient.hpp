// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/trajectory_weights.hpp>
#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/mdp/replay.hpp>
#include <fewstep/mdp/score.hpp>
#include <fewstep/mdp/trajectory.hpp>
#include <fewstep/mdp/transition_rows.hpp>
#include <fewstep/objective/objective.hpp>
#include <fewstep/objective/trajectory_objective.hpp>
#include <fewstep/regularizer/regularizer.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace fewstep {

/// How the trained rows of a trajectory are replayed.
struct replay_settings {
  int minibatches = 1;         ///< optimizer steps of a pass
  index_t rows_at_once = 1;    ///< of a micro-batch
  int samples_per_prompt = 1;  ///< those that an objective over trajectories compares
  bool packs = false;          ///< the trajectory stores states in 16 bits
  fewstep::reduction reduction = fewstep::reduction::mean;
};

/// The gradient of an objective and a regularizer over the trained rows of a rated trajectory, which are replayed in
/// minibatches and within these in micro-batches: forward, scores, backward.
template <class Backend, class Generator, class Objective, class Regularizer>
class replayed_gradient {
 public:
  using context_type = typename Generator::context_type;
  using path_type = trajectory<Backend, context_type>;
  using rated_type = rated_trajectory<Backend, context_type>;
  using transition_objective_type = typename detail::transition_objective<Objective>::type;
  using loss_type = loss_settings<transition_objective_type, detail::kl_estimate_type<Regularizer>>;
  static constexpr bool has_reference = Regularizer::has_reference;
  static constexpr bool over_trajectories = trajectory_objective<Objective>;

  replayed_gradient(Backend& backend, Generator& model, const path_type& path, const replay_settings& s)
      : settings_(s),
        replay_(backend, path, s.minibatches, s.rows_at_once, over_trajectories ? s.samples_per_prompt : 0),
        workspace_(detail::make_workspace(backend, model, s.rows_at_once)),
        output_(backend, {s.rows_at_once, path.dimension()}),
        reference_(backend, {has_reference ? s.rows_at_once : 0, path.dimension()}),
        weights_(over_trajectories ? path.samples() : 0),
        row_weights_(backend, over_trajectories ? path.table().horizon() * path.samples() : 0),
        loss_(backend, 1, loss_type{}),
        scores_(backend, path.trained_rows()),
        recorded_(static_cast<std::size_t>(length_product(s.minibatches, path.table().horizon()))) {}

  /// Bytes of what goes with each row of a micro-batch, but for the generator's workspace.
  [[nodiscard]] static std::size_t row_bytes(const replay_settings& s, index_t dimension) {
    constexpr bool old_outputs = detail::needs_old_outputs<transition_objective_type>;
    const index_t arrays =
        1 + (has_reference ? 1 : 0) + replay<Backend, context_type>::arrays_for(s.minibatches, old_outputs, s.packs);
    return (saturated_size(s.rows_at_once) * arrays * dimension * sizeof(float)).value();
  }

  /// Of the rows that are replayed at once; scratch between calls.
  [[nodiscard]] workspace_of<Generator>& workspace() { return workspace_; }

  void begin_pass(Backend& backend, const path_type& path, std::uint64_t seed, std::uint64_t pass) {
    replay_.begin_pass(backend, path, seed, pass);
  }
  /// Places [first, last) of minibatch k in the order of the pass.
  [[nodiscard]] std::pair<index_t, index_t> minibatch(int k) const { return replay_.minibatch(k); }

  /// Settles the loss of the rows at places [first, last). For an objective over trajectories this finds the weight of
  /// each, from log-ratios that are 0 until the parameters have `moved` since the rollout, and returns the value. The
  /// advantage of a trajectory is that of its first trained step.
  double begin_minibatch(Backend& backend, Generator& model, const rated_type& from, std::pair<index_t, index_t> places,
                         const Objective& value, const Regularizer& regularizer, bool moved) {
    total_ = static_cast<double>(std::max<index_t>(kept_rows(from.path, places), 1));
    double of_trajectories = 0;
    if constexpr (over_trajectories) {
      set_loss(transition_objective_type{}, regularizer, total_);
      of_trajectories = weigh(backend, model, from, places, value, moved);
      set_loss(transition_objective_type{}, regularizer,
               static_cast<double>(std::max<std::size_t>(weights_.members(), 1)));
    } else {
      set_loss(value, regularizer, total_);
    }
    return of_trajectories;
  }
  /// The loss as it is given: a mean over `rows` rows.
  void set_loss(const transition_objective_type& value, const Regularizer& regularizer, double rows) {
    total_ = rows;
    loss_.host()[0] = {value, regularizer.coefficient(), rows, detail::kl_estimate_of(regularizer)};
  }
  /// Whether the sample of the row at place i is not left out.
  [[nodiscard]] bool is_kept(const path_type& path, index_t i) const {
    return path.left_out() == 0 || !path.is_left_out(replay_.row_at(path, i) % path.samples());
  }
  /// What the loss of the rows that were prepared is the mean of.
  [[nodiscard]] double total() const { return total_; }

  /// The gradient of minibatch k takes the place of the generator's gradients.
  void replace(Backend& backend, Generator& model, Regularizer& regularizer, const rated_type& from, int k) {
    const path_type& path = from.path;
    const auto places = minibatch(k);
    const auto work = [&] {
      const vec<float> g = model.gradients();
      backend.for_each(g.size(), detail::fill<float>{g.data, 0.0f});
      add(backend, model, regularizer, from, places);
    };
    if (path.left_out() == 0)
      recorded_[static_cast<std::size_t>(index_t{path.table().first_trained} * settings_.minibatches + k)].run(backend,
                                                                                                               work);
    else
      work();  // which rows count for nothing is another matter in every rollout
  }

  /// Adds the gradient of the rows at places [first, last).
  void add(Backend& backend, Generator& model, Regularizer& regularizer, const rated_type& from,
           std::pair<index_t, index_t> places) {
    const path_type& path = from.path;
    each_micro_batch(backend, from, places,
                     [&](const transition_rows<context_type>& replayed, matrix<float> o, index_t at) {
                       matrix<float> reference{nullptr, o.extents};
                       detail::forward(backend, model, replayed.rows, o, workspace_);
                       if constexpr (has_reference) {
                         reference = reference_.view().subview(0, o.rows());
                         regularizer.reference_output(backend, replayed.rows, reference);
                       }
                       score_replayed(backend, path, replayed, o, reference, at);
                       path.clear_left_out(backend, o, [&](index_t i) { return replay_.row_at(path, at + i); });
                       detail::backward(backend, model, replayed.rows, o, workspace_);
                     });
  }

  /// What the rows at places [first, last) gave.
  [[nodiscard]] std::span<const score> scores(Backend& backend, std::pair<index_t, index_t> places) {
    scores_.download(backend);
    return std::span<const score>(scores_.host())
        .subspan(static_cast<std::size_t>(places.first), static_cast<std::size_t>(places.second - places.first));
  }

 private:
  [[nodiscard]] index_t kept_rows(const path_type& path, std::pair<index_t, index_t> places) const {
    index_t rows = places.second - places.first;
    for (index_t i = places.first; path.left_out() > 0 && i < places.second; ++i) rows -= is_kept(path, i) ? 0 : 1;
    return rows;
  }

  template <class Work>
  void each_micro_batch(Backend& backend, const rated_type& from, std::pair<index_t, index_t> places,
                        const Work& work) {
    loss_.upload(backend);
    if constexpr (over_trajectories) row_weights_.upload(backend);
    const rated_type weighted{from.path, over_trajectories ? row_weights_ : from.advantages};
    for (index_t at = places.first; at < places.second; at += settings_.rows_at_once) {
      const index_t count = std::min(settings_.rows_at_once, places.second - at);
      work(replay_.rows(backend, weighted, at, count), output_.view().subview(0, count), at);
    }
  }

  /// Scores the rows that stand at place `at`; their outputs become the gradient of the loss.
  void score_replayed(Backend& backend, const path_type& path, const transition_rows<context_type>& replayed,
                      matrix<float> o, matrix<const float> reference, index_t at) {
    score_rows(backend, scored_rows<transition_objective_type, detail::kl_estimate_type<Regularizer>>{
                            .x = replayed.rows.x,
                            .next = replayed.next,
                            .o = o,
                            .reference = reference,
                            .old_output = replayed.old_output,
                            .step = replayed.step.data,
                            .old_log_probability = replayed.old_log_probability.data,
                            .advantage = replayed.advantage.data,
                            .table = path.step_rows(),
                            .settings = loss_.device(),
                            .scores = scores_.device() + at,
                            .reduction = settings_.reduction,
                            .scored = path.table().scored});
  }

  /// Sets the weights of the trajectories that have rows at the places.
  double weigh(Backend& backend, Generator& model, const rated_type& from, std::pair<index_t, index_t> places,
               const Objective& value, bool moved) {
    weights_.forget();
    const path_type& path = from.path;
    const index_t samples = path.samples();
    for (index_t i = places.first; i < places.second; ++i) {
      const index_t row = replay_.row_at(path, i) - path.first_trained_row();
      if (row < samples && !path.is_left_out(row)) weights_.add_member(row);
    }
    if (moved) {
      each_micro_batch(backend, from, places,
                       [&](const transition_rows<context_type>& replayed, matrix<float> o, index_t at) {
                         detail::predict(backend, model, replayed.rows, o, workspace_);
                         score_replayed(backend, path, replayed, o, {nullptr, o.extents}, at);
                       });
      const std::span<const score> moved_scores = scores(backend, places);
      for (std::size_t i = 0; i < moved_scores.size(); ++i)
        if (is_kept(path, places.first + static_cast<index_t>(i)))
          weights_.add_log_ratio(replay_.row_at(path, places.first + static_cast<index_t>(i)) % samples,
                                 static_cast<double>(moved_scores[i].log_ratio));
    }
    const auto first = static_cast<std::size_t>(path.first_trained_row()), n = static_cast<std::size_t>(samples);
    const std::span<float> of_first_step = row_weights_.host().subspan(first, n);
    const double of_trajectories =
        weights_.weigh(value, settings_.samples_per_prompt, from.advantages.host().subspan(first, n), of_first_step);
    for (std::size_t k = 1; k < static_cast<std::size_t>(path.table().trained); ++k)
      std::copy(of_first_step.begin(), of_first_step.end(), row_weights_.host().subspan(first + k * n, n).begin());
    return of_trajectories;
  }

  replay_settings settings_;
  replay<Backend, context_type> replay_;
  workspace_of<Generator> workspace_;
  tensor<float, 2, Backend> output_, reference_;
  trajectory_weights weights_;
  mirrored<float, Backend> row_weights_;  // by row of the trajectory, of objectives over trajectories
  mirrored<loss_type, Backend> loss_;
  mirrored<score, Backend> scores_;
  std::vector<repeated<Backend>> recorded_;  // by first trained step, which the table follows, and minibatch
  double total_ = 0;
};

}  // namespace fewstep
