// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/backend.hpp>
#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/mdp/open_rollout.hpp>
#include <fewstep/mdp/particle_process.hpp>
#include <fewstep/mdp/transition.hpp>
#include <fewstep/sampler/step_table.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

namespace fewstep {

/// A generator under a step table as a particle process: particle i has contexts[i] until it is gathered, and the noise
/// of sample i of a rollout with this seed. Only the current states are kept.
///
///   generator_particles particles(backend, model, ddim_sampler{}.table(model.preconditioner(), 50), contexts);
///   particles.start(backend, seed);
///   for (int k = 0; k < particles.steps(); ++k) particles.step(backend, k);
///
/// makes the samples of rollout(), to the bit. clean() costs no network call beyond that of the step which follows.
/// The table needs noise where particles are to separate after a gather. Backend and generator must outlive this.
template <class Backend, class Generator>
class generator_particles {
  static_assert(detail::require_predictor<Generator, Backend>());

 public:
  using context_type = typename Generator::context_type;
  using value_type = float;

  /// Throws std::invalid_argument if there are no contexts, or the table cannot be used.
  generator_particles(Backend& backend, Generator& model, step_table table, std::span<const context_type> contexts)
      : model_(model),
        table_(checked(std::move(table), contexts)),
        contexts_(backend, static_cast<index_t>(contexts.size())),
        context_of_(backend, particles()),
        times_(backend, table_.horizon() * particles()),
        ancestors_(backend, particles()),
        noise_(backend, 1),
        x_(backend, {particles(), model.sample_size()}),
        other_(backend, {particles(), model.sample_size()}),
        output_(backend, {particles(), model.sample_size()}),
        workspace_(detail::make_workspace(backend, model, particles())) {
    for (std::size_t k = 0; k < table_.rows.size(); ++k)
      std::fill_n(times_.host().begin() + static_cast<std::ptrdiff_t>(k) * particles(), particles(),
                  table_.rows[k].time);
    times_.upload(backend);
    std::copy(contexts.begin(), contexts.end(), contexts_.host().begin());
    contexts_.upload(backend);
  }

  [[nodiscard]] int steps() const { return table_.horizon(); }
  [[nodiscard]] index_t particles() const { return contexts_.size(); }
  [[nodiscard]] index_t sample_size() const { return model_.sample_size(); }
  [[nodiscard]] const step_table& table() const { return table_; }

  void start(Backend& backend, std::uint64_t seed) {
    backend.synchronize();
    std::iota(context_of_.host().begin(), context_of_.host().end(), std::int32_t{0});
    context_of_.upload(backend);
    noise_.host()[0] = {seed, 0};
    noise_.upload(backend);
    draw_initial_states(backend, initial_states{x_.view(), table_.initial_sigma, noise()});
    at_ = 0;
    asked_ = -1;
  }

  void step(Backend& backend, int k) {
    expect_at(k, "step");
    expects(k < steps(), [&] { return message("generator_particles: all ", steps(), " steps were taken"); });
    ask(backend);
    const step_row& row = table_.rows[static_cast<std::size_t>(k)];
    if (k + 1 == steps() && table_.result == emitted::clean)
      predict(backend, row, other_.view());
    else
      take_step(backend, transition_step{.x = x_.view(),
                                         .o = output_.view(),
                                         .next = other_.view(),
                                         .row = row,
                                         .step = static_cast<std::uint32_t>(k),
                                         .noise = noise()});
    std::swap(x_, other_);
    ++at_;
  }

  /// The clean prediction f(x_k, t_k).
  void clean(Backend& backend, int k, matrix<float> out) {
    expect_at(k, "clean");
    if (k == steps()) return emit_result(backend, rollout_result{x_.view(), x_.view(), x_.view(), out, 0, 0, false});
    ask(backend);
    predict(backend, table_.rows[static_cast<std::size_t>(k)], out);
  }

  void gather(Backend& backend, std::span<const index_t> ancestors) {
    detail::check_ancestors(ancestors, particles());
    backend.synchronize();  // earlier uploads have left the host's arrays
    std::copy(ancestors.begin(), ancestors.end(), ancestors_.host().begin());
    ancestors_.upload(backend);
    const std::vector<std::int32_t> before(context_of_.host().begin(), context_of_.host().end());
    for (std::size_t i = 0; i < before.size(); ++i)
      context_of_.host()[i] = before[static_cast<std::size_t>(ancestors[i])];
    context_of_.upload(backend);
    const auto move = [&](tensor<float, 2, Backend>& rows) {
      backend.for_each(particles(), detail::gather_rows{ancestors_.device(), rows.view(), other_.view()});
      std::swap(rows, other_);
    };
    move(x_);
    if (asked_ == at_) move(output_);
  }

 private:
  static step_table checked(step_table table, std::span<const context_type> contexts) {
    check(table);
    expects(!contexts.empty(), "generator_particles: there are no contexts; give one for each particle");
    return table;
  }
  void expect_at(int k, const char* what) const {
    expects(k == at_, [&] {
      return message("generator_particles: ", what, "(", k, ") but the particles stand before step ", at_,
                     "; take the steps in order, from start() on");
    });
  }
  [[nodiscard]] const rollout_noise* noise() const { return noise_.device(); }
  /// The network's output at the states that stand.
  void ask(Backend& backend) {
    if (asked_ == at_) return;
    const batch<context_type> rows{std::as_const(x_).view(),
                                   times_.view().subview(at_ * particles(), particles()),
                                   {contexts_.device(), context_of_.device(), particles()}};
    detail::ask(backend, model_, rows, output_.view(), workspace_);
    asked_ = at_;
  }
  void predict(Backend& backend, const step_row& row, matrix<float> to) {
    emit_result(backend, rollout_result{x_.view(), output_.view(), x_.view(), to, row.skip, row.out, true});
  }

  Generator& model_;
  step_table table_;
  mirrored<context_type, Backend> contexts_;    // as given
  mirrored<std::int32_t, Backend> context_of_;  // by particle
  mirrored<float, Backend> times_;
  mirrored<index_t, Backend> ancestors_;
  mirrored<rollout_noise, Backend> noise_;
  tensor<float, 2, Backend> x_, other_, output_;
  workspace_of<Generator> workspace_;
  int at_ = 0;
  int asked_ = -1;  // the step whose output is at hand
};

/// The contexts may be any contiguous range of them.
template <class Backend, class Generator, class Contexts>
generator_particles(Backend&, Generator&, step_table, const Contexts&) -> generator_particles<Backend, Generator>;

}  // namespace fewstep
