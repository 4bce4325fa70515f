// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/reduction.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/mdp/rollout.hpp>
#include <fewstep/mdp/trajectory.hpp>
#include <fewstep/sampler/step_table.hpp>

#include <cstdint>
#include <utility>

namespace fewstep {

/// One sample at a time, for a control loop: the generator as a policy that turns an observation into a plan, such as a
/// chunk of actions.
///
///   cpu_backend control({.threads = 1});
///   policy policy(control, generator, trainer.table(), seed);
///   vec<const float> actions = policy.act(observed);
///
/// All memory is taken by the constructor, which also makes a plan on trial: an error of the generator comes out there.
/// Backend and generator must outlive the policy, which follows the generator's training. Policies on several threads
/// need a backend each, and may share a generator whose predict only reads it (as those of the library do) while nobody
/// trains it.
template <class Backend, class Generator>
class policy {
  static_assert(detail::require_predictor<Generator, Backend>());

 public:
  using context_type = typename Generator::context_type;

  /// The table says how many network calls a plan takes and with what noise: that of a trainer, or of any sampler.
  /// Throws std::invalid_argument if the backend has more than one thread, or the table cannot be used.
  policy(Backend& backend, Generator& model, step_table table, std::uint64_t seed = 0)
      : backend_(backend),
        model_(model),
        path_(backend, untrained(std::move(table)), 1, model.sample_size()),
        output_(backend, {1, model.sample_size()}),
        noise_(backend, 1),
        plan_(backend, model.sample_size()),
        workspace_(detail::make_workspace(backend, model, 1)),
        seed_(seed) {
    expects(backend.threads() == 1, [&] {
      return message("policy: the backend has ", backend.threads(),
                     " threads, but a plan is made by the thread that asks for it; give it a backend of 1");
    });
    run(context_type{}, 0);
  }

  /// A plan [D] for what is observed, valid until the next one. It runs on the calling thread and allocates nothing.
  ///
  /// Its noise is that of sample number `sample` under the seed, so equal arguments give equal bits: those of sample
  /// number `sample` of a rollout with this seed, table and context. Leave the number alone and the plan is a function
  /// of the observation; count it up and every plan is a fresh draw.
  ///
  /// A context that the generator refuses by an exception (a class that mlp_generator does not have) ends the program.
  [[nodiscard]] vec<const float> act(const context_type& observed, std::uint64_t sample = 0) & noexcept {
    run(observed, sample);
    return {plan_.fetch(backend_, path_.result().data, 0, path_.dimension()), {path_.dimension()}};
  }
  needs_a_named_object act(const context_type&, std::uint64_t = 0) && = delete;

 private:
  /// Without log-probabilities, which nobody asks a plan for.
  static step_table untrained(step_table table) {
    check(table);
    table.trained = 0;
    return table;
  }

  void run(const context_type& observed, std::uint64_t sample) {
    path_.set_context(0, observed);
    if constexpr (!on_host<Backend> && requires { model_.expect_known(path_.contexts()); })
      model_.expect_known(path_.contexts());
    noise_.host()[0] = {seed_, sample};
    planning_.run(backend_, [&] {
      noise_.upload(backend_);
      rollout(backend_, model_, workspace_, path_, output_.view(), std::as_const(noise_).device(), reduction::mean, 0,
              1);
    });
  }

  Backend& backend_;
  Generator& model_;
  trajectory<Backend, context_type> path_;
  tensor<float, 2, Backend> output_;
  mirrored<rollout_noise, Backend> noise_;
  fetched<float, Backend> plan_;
  repeated<Backend> planning_;
  workspace_of<Generator> workspace_;
  std::uint64_t seed_;
};

}  // namespace fewstep
