// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/staged_archive.hpp>
#include <fewstep/core/archive_within.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/parameter_kind.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/optimizer/ema.hpp>
#include <fewstep/optimizer/finite_parameters.hpp>
#include <fewstep/optimizer/gradient_norm.hpp>
#include <fewstep/optimizer/optimizer.hpp>
#include <fewstep/optimizer/parameter_update_options.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace fewstep {

namespace detail {

/// Whether a model names the slices of its parameters, with what each is for (parameter_layout).
template <class Model>
concept has_slices = requires(const Model& model) {
  model.layout().slices().front().role;
};

}  // namespace detail

/// Moves a model's parameters() along its gradients(): finite or not at all, clipped, at the rate of the schedule, and
/// their exponential moving average (EMA) with them. Every training has one, and nothing else calls an optimizer. It
/// holds all that changes: the optimizer's state, the EMA, and the number of updates. The optimizer itself, which is
/// settings only, is handed to each step, since a training's parts may be changed in between.
///
/// An optimizer that reads_kinds() gets them from the model's layout(), without which all parameters are weights. A
/// model with parameters_changed() is told whenever its parameters have moved or been loaded. Throws
/// std::runtime_error if they are not finite at the start.
template <class Backend, class Model, class Optimizer>
class parameter_update {
 public:
  parameter_update(Backend& backend, Model& model, const Optimizer& optimizer, const parameter_update_options& o)
      : backend_(backend),
        model_(model),
        options_(o),
        state_(make_optimizer_state(optimizer, backend, model.parameters().size())),
        ema_(backend, {o.ema.is_kept() ? model.parameters().size() : 0}),
        finite_(o.who, o.unit) {
    const vec<float> p = model.parameters();
    finite_.require(backend, p);
    fetch_kinds(optimizer);
    if (o.ema.is_kept()) backend.copy(p.data, ema_.data(), p.size());
  }

  /// What such an update holds, in bytes: parameters, gradients, the optimizer's state, the EMA.
  [[nodiscard]] static std::size_t bytes(Model& model, const Optimizer& optimizer, const ema_rule& ema) {
    const index_t n = model.parameters().size();
    const saturated_size arrays = saturated_size(n) * ((ema.is_kept() ? 3 : 2) * sizeof(float));
    const saturated_size kinds = detail::has_slices<Model> && reads_kinds(optimizer) ? n : 0;
    return (arrays + optimizer_state_bytes(optimizer, n) + kinds * sizeof(parameter_kind)).value();
  }

  /// Updates that are done, or the number of the one that is under way.
  [[nodiscard]] std::int64_t index() const { return index_; }
  /// Empty without an EMA.
  [[nodiscard]] vec<const float> ema() const& { return ema_.view(); }
  needs_a_named_object ema() const&& = delete;

  /// Throws std::runtime_error, which names the update that left them so, if the parameters are not finite.
  void require_finite() { finite_.require(backend_, model_.parameters()); }

  /// One optimizer step of update index(), along the gradient of a loss to be minimised. Returns the gradient's norm
  /// before clipping. If that or the loss, where it is given, is not finite, it throws and moves nothing.
  double step(const Optimizer& optimizer, std::optional<double> loss = {}) {
    const vec<float> gradients = model_.gradients();
    const double norm = gradient_norm(backend_, gradients);
    if (!std::isfinite(norm) || (loss && !std::isfinite(*loss))) {
      require_finite();  // else they are to blame
      const std::string found =
          loss ? message("loss ", *loss, " and gradient norm ", norm) : message("the gradient norm ", norm);
      throw std::runtime_error(message(options_.who, ": ", options_.unit, " ", index_, " has ", found,
                                       "; the parameters were not moved by it; lower the learning rate"));
    }
    finite_.moved_by(index_);
    fetch_kinds(optimizer);
    optimizer_step(optimizer, backend_, state_,
                   {model_.parameters(), gradients, ema_.view(), options_.ema(index_), kinds_.view()},
                   {rate_of(optimizer), clip_factor(norm, options_.max_gradient_norm)});
    tell_of_change();
    return norm;
  }
  /// The steps of this update are done.
  void next() { ++index_; }

  /// Never saves parameters, or an EMA, that are not finite: throws instead, and names the update that left them
  /// so.
  template <class Archive>
  void serialize(Archive& archive) {
    if constexpr (detail::saves<Archive>) {
      require_finite();
      finite_.require(backend_, ema());
    }
    auto&& arrays = staged(archive, backend_);
    arrays("parameters", model_.parameters());
    arrays("average", ema_.view());
    arrays("optimizer", state_);
    detail::archive_count(archive, options_.count, index_);
    if constexpr (detail::loads<Archive>) {
      finite_.loaded(index_);
      tell_of_change();
    }
  }

 private:
  /// By the schedule of the options and, if it has one, by that of the optimizer.
  [[nodiscard]] float rate_of(const Optimizer& optimizer) const {
    if constexpr (requires {
                    { optimizer.schedule(index_) } -> std::convertible_to<float>;
                  })
      return options_.schedule(index_) * static_cast<float>(optimizer.schedule(index_));
    else
      return options_.schedule(index_);
  }
  void tell_of_change() {
    if constexpr (requires { model_.parameters_changed(); }) model_.parameters_changed();
  }

  /// What each parameter is for, where the optimizer wants to know (its settings may change between two steps) and the
  /// model can say.
  void fetch_kinds([[maybe_unused]] const Optimizer& optimizer) {
    if constexpr (detail::has_slices<Model>) {
      const index_t n = model_.parameters().size();
      if (!reads_kinds(optimizer) || kinds_.size() == n) return;
      const auto& layout = model_.layout();
      expects(layout.size() == n, [&] {
        return message(options_.who, ": the model's layout() has ", layout.size(), " parameters, but it has ", n,
                       "; give the layout of parameters()");
      });
      std::vector<parameter_kind> kinds(static_cast<std::size_t>(n));
      for (const auto& slice : layout.slices()) std::fill_n(kinds.begin() + slice.offset, slice.size(), slice.role);
      kinds_ = tensor<parameter_kind, 1, Backend>(backend_, {n});
      backend_.copy_to_device(kinds.data(), kinds_.data(), n);
    }
  }

  Backend& backend_;
  Model& model_;
  parameter_update_options options_;
  optimizer_state<Optimizer, Backend> state_;
  tensor<float, 1, Backend> ema_;
  tensor<parameter_kind, 1, Backend> kinds_;
  finite_parameters finite_;
  std::int64_t index_ = 0;
};

}  // namespace fewstep
