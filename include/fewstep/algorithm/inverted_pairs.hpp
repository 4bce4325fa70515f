// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/corrupted_pairs.hpp>
#include <fewstep/algorithm/experience_options.hpp>
#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/preference/inversion.hpp>
#include <fewstep/preference/preference_rows.hpp>
#include <fewstep/preference/time_law.hpp>
#include <fewstep/regularizer/frozen_reference.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

namespace fewstep {

struct inverted_pairs_options {
  int steps = 10;  ///< network calls of an inversion
  corrupted_pairs_options pairs{};

  static constexpr std::string_view name = "inverted_pairs";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("steps", steps, at_least(1));
    visit("pairs", pairs);
  }
};

/// As corrupted_pairs, but that no noise is drawn: the state of a sample at time t is the one that a deterministic
/// sampler would have come from, found by an inversion in equal steps of time that ends exactly at t. The network asked
/// is `inverter`, any predictor of the model's samples (the reference, or the model itself), which must outlive this.
/// Source: Lu et al. 2025, DDIM-InPO, arXiv:2503.18454.
template <class Backend, class Generator, class Source, class Times, class Inverter>
class inverted_pairs : public corrupted_pairs<Backend, Generator, Source, Times> {
  using base = corrupted_pairs<Backend, Generator, Source, Times>;

 public:
  using context_type = typename Generator::context_type;

  inverted_pairs(Backend& backend, const Generator& model, Source source, Times times, Inverter& inverter,
                 inverted_pairs_options o = {})
      : base(backend, model, std::move(source), std::move(times), checked(o).pairs),
        inverter_(&inverter),
        inverter_bytes_(
            (saturated_size(detail::workspace_bytes(backend, inverter, 0)) + detail::held_bytes(inverter, false))
                .value()),
        options_(o),
        places_(backend, this->rows()),
        step_times_(backend, length_product(o.steps, this->rows())),
        on_state_(backend, step_times_.size()),
        on_output_(backend, step_times_.size()),
        skip_(backend, this->rows()),
        out_(backend, this->rows()) {
    for (index_t r = 0; r < this->rows(); ++r) places_.host()[static_cast<std::size_t>(r)] = this->clean_place(r);
  }

  static constexpr std::string_view name = inverted_pairs_options::name;
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("steps", options_.steps, at_least(1));
    base::settings(visit);
    visit.part("inverter", *inverter_);
  }

  [[nodiscard]] std::size_t bytes() const {
    const saturated_size r = this->rows();
    return (saturated_size(base::bytes()) + inverter_bytes_ + r * sizeof(index_t) +
            r * (saturated_size(options_.steps) * 3 + 2) * sizeof(float))
        .value();
  }
  [[nodiscard]] std::size_t row_bytes(index_t rows_at_once) const {
    return (saturated_size(rows_at_once) * this->size() * (2 * sizeof(float))).value();
  }
  void prepare(Backend& backend, Generator& model, index_t rows_at_once) {
    base::prepare(backend, model, 0);
    const frozen_reference<Inverter> inverter(*inverter_);
    inverter.expect_same_samples(model, name);
    const float least = detail::least_time(model.preconditioner()), most = model.preconditioner().max_time();
    for (const float share : {0.0f, 0.5f, 1.0f})
      inverter.expect_same_output(model, least + share * (most - least), name);
    places_.upload(backend);
    states_ = {backend, {rows_at_once, this->size()}};
    outputs_ = {backend, {rows_at_once, this->size()}};
    workspace_.emplace(detail::make_workspace(backend, *inverter_, 0));
  }

  void collect(Backend& backend, Generator& model, experience_key key) {
    base::collect(backend, model, key);
    const auto p = model.preconditioner();
    for (index_t r = 0; r < this->rows(); ++r) {
      const auto row = static_cast<std::size_t>(r);
      const float t = this->times()[row];
      exact_noise_level from{1, 0};  // the clean sample
      for (int k = 0; k < options_.steps; ++k) {
        const auto at = static_cast<std::size_t>(k) * static_cast<std::size_t>(this->rows()) + row;
        const float next = step_time(p, t, k + 1);
        const inversion_step step = inversion_step::to(p, from, next);
        step_times_.host()[at] = next;
        on_state_.host()[at] = static_cast<float>(step.on_state);
        on_output_.host()[at] = static_cast<float>(step.on_output);
        from = exact_level(p, next);
      }
      const coefficients c = p(t);
      skip_.host()[row] = c.skip;
      out_.host()[row] = c.out;
    }
    for (auto* of_rows : {&step_times_, &on_state_, &on_output_, &skip_, &out_}) of_rows->upload(backend);
  }

  [[nodiscard]] preference_rows<context_type> rows(Backend& backend, Generator&, index_t first, index_t count) {
    const matrix<float> x = states_.view().subview(0, count), o = outputs_.view().subview(0, count);
    auto all = this->rows_of(first, x, o);
    backend.for_each(count, detail::gather_rows{places_.device() + first, this->clean(), x});
    for (int k = 0; k < options_.steps; ++k) {
      const index_t at = k * this->rows() + first;
      detail::predict(backend, *inverter_, {x, step_times_.view().subview(at, count), all.rows.contexts}, o,
                      *workspace_);
      backend.for_each(count, detail::take_inversion_step{x, o, on_state_.device() + at, on_output_.device() + at});
    }
    backend.for_each(count, detail::inversion_targets{this->clean(), places_.device() + first, x, o,
                                                      skip_.device() + first, out_.device() + first});
    return all;
  }

 private:
  using base::rows;

  /// Of k equal parts of the way to t; timesteps are rounded.
  template <class P>
  [[nodiscard]] float step_time(const P& p, float t, int k) const {
    if (k == options_.steps) return t;
    const float low = std::min(detail::least_time(p), t);
    const float part = low + (t - low) * static_cast<float>(k) / static_cast<float>(options_.steps);
    return discrete_preconditioning<P> ? std::max(std::round(part), low) : part;
  }

  Inverter* inverter_;
  std::size_t inverter_bytes_;  // of its workspace, and what it makes of its parameters
  inverted_pairs_options options_;
  mirrored<index_t, Backend> places_;
  mirrored<float, Backend> step_times_, on_state_, on_output_;  // [steps, rows]
  mirrored<float, Backend> skip_, out_;
  tensor<float, 2, Backend> states_, outputs_;
  std::optional<workspace_of<Inverter>> workspace_;
};

}  // namespace fewstep
