// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/core/reduction.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/loss/example_source.hpp>
#include <fewstep/mdp/open_rollout.hpp>
#include <fewstep/mdp/trajectory.hpp>
#include <fewstep/sampler/ddim.hpp>
#include <fewstep/sampler/step_table.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace fewstep {

struct regenerated_pairs_options {
  index_t pairs = 32;                ///< that are made at a time; an update asks for as many
  int steps = 40;                    ///< network calls from the noisiest level to the sample
  float least = 0.65f, most = 0.8f;  ///< how much of that way is taken, drawn for each pair
  std::uint64_t seed = 0;

  static constexpr std::string_view name = "regenerated_pairs";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("pairs", pairs, at_least(1));
    visit("steps", steps, at_least(1));
    visit("least", least, above(0).at_most(1));
    visit("most", most, above(0).at_most(1));
    visit("seed", seed);
  }
};

/// A pair_source of corrupted copies: of each true sample, two that the model makes of it, noised by two noises to one
/// level on the way and cleaned from there by a sampler without noise. They share what the level leaves of the sample,
/// so that neither can be told by how much it moves; then they are judged. Source: Wu et al. 2025, DenseDPO,
/// arXiv:2506.03517, algorithm 2 (StructuralDPO). The levels are those of the sampler's steps, at which a trajectory
/// can begin.
///
///   regenerated_pairs pairs(backend, reference, clips, judge, {.pairs = 32});
///
/// `clips` is an example_source; judge(truth, first, second, contexts, labels) labels [P, D] pairs by segment, 1, -1 or
/// 0. The model must outlive this.
template <class Backend, class Generator, class Data, class Judge>
class regenerated_pairs {
 public:
  using context_type = typename Generator::context_type;

  regenerated_pairs(Backend& backend, Generator& model, Data data, Judge judge, regenerated_pairs_options o = {})
      : backend_(&backend),
        model_(&model),
        data_(std::move(data)),
        judge_(std::move(judge)),
        options_(checked(o)),
        path_(backend, untrained(ddim_sampler{.eta = 0}.table(model.preconditioner(), o.steps)),
              length_product(2, o.pairs), model.sample_size()),
        output_(backend, {path_.samples(), path_.dimension()}),
        truth_(backend, length_product(path_.samples(), path_.dimension())),
        seen_(backend, truth_.size()),
        noise_(backend, 1),
        workspace_(detail::make_workspace(backend, model, 0)) {
    static_assert(detail::require_example_source<Data, context_type>());
    expects(o.least <= o.most, [&] {
      return message(name, ": least is ", o.least, " and most ", o.most, "; a pair's level is drawn between them");
    });
  }

  static constexpr std::string_view name = regenerated_pairs_options::name;
  template <class Visitor>
  void settings(Visitor& visit) const {
    options_.settings(visit);
    visit.part("model", *model_);
    visit.part("data", data_);
    visit.part("judge", judge_);
  }

  /// The step at which pair `number` of the run begins.
  [[nodiscard]] int first_step(std::uint64_t number) const {
    const float way = options_.least + (options_.most - options_.least) *
                                           random_stream{options_.seed, stream::regeneration}.uniform(number);
    const int steps = options_.steps, taken = static_cast<int>(way * static_cast<float>(steps) + 0.5f);
    return steps - std::clamp(taken, 1, steps);
  }

  /// Throws std::invalid_argument unless as many pairs of the model's samples are asked for as are made at a time.
  void operator()(std::int64_t update, matrix<float> first, matrix<float> second, std::span<context_type> contexts,
                  matrix<float> labels) {
    const index_t p = options_.pairs, size = path_.dimension();
    expects(first.rows() == p, [&] {
      return message(name, ": ", first.rows(), " pairs are asked for, but pairs is ", p, "; set one to the other");
    });
    expects(first.cols() == size, [&] {
      return message(name, ": samples of ", first.cols(), " values are asked for, but those of the model are of ", size,
                     "; regenerate by a model of the same samples");
    });
    data_(update, first, contexts);
    make(update, first, contexts);
    const float* made = seen_.fetch(*backend_, path_.result().data, 0, path_.result().size());
    std::vector<float> truth(first.begin(), first.end());
    for (index_t row = 0; row < 2 * p; ++row) {
      float* to = row < p ? first.row(order_[static_cast<std::size_t>(row)])
                          : second.row(order_[static_cast<std::size_t>(row - p)]);
      std::copy(made + row * size, made + (row + 1) * size, to);
    }
    judge_(matrix<const float>{truth.data(), {p, size}}, matrix<const float>(first), matrix<const float>(second),
           std::span<const context_type>(contexts), labels);
  }

 private:
  static step_table untrained(step_table table) {
    check(table);
    table.trained = 0;
    return table;
  }

  /// The copies of all, in the order of the steps at which they begin: row r is a copy of pair order_[r], row P + r the
  /// other one.
  void make(std::int64_t update, matrix<const float> truth, std::span<const context_type> contexts) {
    const index_t p = options_.pairs, size = path_.dimension();
    const auto first_number = static_cast<std::uint64_t>(update * p);
    const auto step_of = [&](index_t pair) { return first_step(first_number + static_cast<std::uint64_t>(pair)); };
    order_.resize(static_cast<std::size_t>(p));
    std::iota(order_.begin(), order_.end(), index_t{0});
    std::ranges::sort(order_, {}, [&](index_t pair) { return std::pair(step_of(pair), pair); });
    for (index_t row = 0; row < 2 * p; ++row) {
      const index_t pair = order_[static_cast<std::size_t>(row % p)];
      path_.set_context(row, contexts[static_cast<std::size_t>(pair)]);
      std::copy(truth.row(pair), truth.row(pair) + size, truth_.host().begin() + row * size);
    }
    if constexpr (!on_host<Backend> && requires { model_->expect_known(path_.contexts()); })
      model_->expect_known(path_.contexts());
    truth_.upload(*backend_);
    noise_.host()[0] = {options_.seed, 2 * first_number};
    noise_.upload(*backend_);
    for (index_t from = 0, to = 0; from < p; from = to) {
      const int step = step_of(order_[static_cast<std::size_t>(from)]);
      while (to < p && step_of(order_[static_cast<std::size_t>(to)]) == step) ++to;
      for (const index_t row : {from, p + from}) {
        open_rollout run(*backend_, *model_, workspace_, path_, output_.view(), std::as_const(noise_).device(),
                         reduction::mean, row, to - from);
        run.start(step, {truth_.device() + row * size, {to - from, size}});
        while (run.at() < path_.table().horizon()) run.step();
        run.finish();
      }
    }
  }

  Backend* backend_;
  Generator* model_;
  Data data_;
  Judge judge_;
  regenerated_pairs_options options_;
  trajectory<Backend, context_type> path_;
  tensor<float, 2, Backend> output_;
  mirrored<float, Backend> truth_;
  fetched<float, Backend> seen_;
  mirrored<rollout_noise, Backend> noise_;
  workspace_of<Generator> workspace_;
  std::vector<index_t> order_;
};

}  // namespace fewstep
