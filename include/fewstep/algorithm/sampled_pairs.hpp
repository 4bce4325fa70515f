// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/core/reduction.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/mdp/rollout.hpp>
#include <fewstep/mdp/trajectory.hpp>
#include <fewstep/sampler/step_table.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace fewstep {

struct sampled_pairs_options {
  index_t pairs = 32;                 ///< that are made at a time; an update asks for as many
  int steps = 4;                      ///< network calls of a sample
  bool shared_initial_noise = false;  ///< whether members begin alike
  std::uint64_t seed = 0;

  static constexpr std::string_view name = "sampled_pairs";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("pairs", pairs, at_least(1));
    visit("steps", steps, at_least(1));
    visit("shared_initial_noise", shared_initial_noise);
    visit("seed", seed);
  }
};

/// Pairs of samples that a model makes for prompts that are drawn, to be judged by labelled_pairs: the model that is
/// trained, its reference, or any other predictor. What comes is a function of seed, update and the model's parameters.
/// Both must outlive this.
template <class Backend, class Generator>
class sampled_pairs {
 public:
  using context_type = typename Generator::context_type;

  template <class Sampler>
  sampled_pairs(Backend& backend, Generator& model, const Sampler& sampler, std::vector<context_type> prompts,
                sampled_pairs_options o = {})
      : backend_(&backend),
        model_(&model),
        prompts_(std::move(prompts)),
        options_(checked(o)),
        path_(backend, untrained(sampler.table(model.preconditioner(), o.steps)), length_product(2, o.pairs),
              model.sample_size()),
        output_(backend, {path_.samples(), path_.dimension()}),
        seen_(backend, length_product(path_.samples(), path_.dimension())),
        noise_(backend, 1),
        workspace_(detail::make_workspace(backend, model, 0)) {
    expects(!prompts_.empty() && std::in_range<std::uint32_t>(prompts_.size()), [&] {
      return message(name, ": there are ", prompts_.size(),
                     " prompts, which are drawn by numbers of 32 bits; give at least one, and not so many");
    });
  }

  static constexpr std::string_view name = sampled_pairs_options::name;
  template <class Visitor>
  void settings(Visitor& visit) const {
    options_.settings(visit);
    visit("prompts", static_cast<std::int64_t>(prompts_.size()));
    visit("table", path_.table());
    visit.part("model", *model_);
  }

  /// Throws std::invalid_argument unless as many pairs of the model's samples are asked for as are made at a time.
  void operator()(std::int64_t update, matrix<float> first, matrix<float> second, std::span<context_type> contexts) {
    const index_t p = options_.pairs, size = path_.dimension();
    expects(first.rows() == p && first.cols() == size, [&] {
      return message(name, ": ", first.rows(), " pairs of samples of ", first.cols(), " values are asked for, but ", p,
                     " pairs of ", size, " are made; set options.pairs to what is asked for, and sample a model of ",
                     "the same samples");
    });
    const auto number = static_cast<std::uint64_t>(update * p);
    const random_stream random{options_.seed, stream::prompts};
    for (index_t i = 0; i < p; ++i) {
      const auto drawn =
          random.below(static_cast<std::uint32_t>(prompts_.size()), number + static_cast<std::uint64_t>(i));
      contexts[static_cast<std::size_t>(i)] = prompts_[drawn];
      for (const index_t row : {2 * i, 2 * i + 1}) path_.set_context(row, prompts_[drawn]);
    }
    if constexpr (!on_host<Backend> && requires { model_->expect_known(path_.contexts()); })
      model_->expect_known(path_.contexts());
    noise_.host()[0] = {options_.seed, 2 * number};
    noise_.upload(*backend_);
    rollout(*backend_, *model_, workspace_, path_, output_.view(), std::as_const(noise_).device(), reduction::mean, 0,
            path_.samples(), options_.shared_initial_noise ? 2 : 1);
    const float* made = seen_.fetch(*backend_, path_.result().data, 0, path_.result().size());
    for (index_t i = 0; i < p; ++i) {
      std::copy_n(made + 2 * i * size, size, first.row(i));
      std::copy_n(made + (2 * i + 1) * size, size, second.row(i));
    }
  }

 private:
  static step_table untrained(step_table table) {
    check(table);
    table.trained = 0;
    return table;
  }

  Backend* backend_;
  Generator* model_;
  std::vector<context_type> prompts_;
  sampled_pairs_options options_;
  trajectory<Backend, context_type> path_;
  tensor<float, 2, Backend> output_;
  fetched<float, Backend> seen_;
  mirrored<rollout_noise, Backend> noise_;
  workspace_of<Generator> workspace_;
};

}  // namespace fewstep
