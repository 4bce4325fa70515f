// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/staged_archive.hpp>
#include <fewstep/core/archive_within.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/optimizer/finite_parameters.hpp>
#include <fewstep/optimizer/optimizer.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace fewstep {

/// Moves a reward model's parameters along their gradients, step after step: finite or not at all, clipped, averaged.
/// The options of either training have steps, batch, max_gradient_norm, ema_decay and schedule.
template <class Backend, class Optimizer>
class reward_model_update {
  static_assert(detail::require_optimizer<Optimizer, Backend>());

 public:
  template <class Options>
  reward_model_update(Backend& backend, std::string_view name, vec<float> parameters, Optimizer optimizer,
                      const Options& o)
      : backend_(backend),
        name_(name),
        optimizer_(checked_part(std::move(optimizer))),
        options_{o.steps, o.batch, o.max_gradient_norm, o.ema_decay, o.schedule},
        state_(optimizer_.make_state(backend, parameters.size())),
        finite_(name, "step") {
    finite_.require(backend, parameters);
    if (o.ema_decay == 0) return;
    ema_ = tensor<float, 1, Backend>(backend, {parameters.size()});
    backend.for_each(parameters.size(), detail::copy<float>{parameters.data, ema_.data()});
  }

  [[nodiscard]] std::int64_t index() const { return index_; }
  [[nodiscard]] bool finished() const { return index_ >= options_.steps; }
  /// Empty without an average.
  [[nodiscard]] vec<const float> ema() const& { return ema_.view(); }
  needs_a_named_object ema() const&& = delete;

  /// Returns the norm of the gradient before clipping.
  double step(vec<float> parameters, vec<const float> gradients, double loss) {
    const double norm = gradient_norm(backend_, gradients);
    if (!std::isfinite(loss) || !std::isfinite(norm)) {
      finite_.require(backend_, parameters);
      throw std::runtime_error(message(name_, ": step ", index_, " has loss ", loss, " and gradient norm ", norm,
                                       "; nothing was changed; lower the learning rate"));
    }
    finite_.moved_by(index_);
    const float decay = std::min(options_.ema_decay, static_cast<float>(index_ + 1) / static_cast<float>(index_ + 10));
    optimizer_.update(backend_, state_, {parameters, gradients, ema_.view(), decay},
                      {options_.schedule(index_), clip_factor(norm, options_.max_gradient_norm)});
    ++index_;
    return norm;
  }

  template <class Archive>
  void serialize(Archive& archive, vec<float> parameters) {
    if constexpr (detail::saves<Archive>) {
      finite_.require(backend_, parameters);
      finite_.require(backend_, ema());
    }
    match_part(archive, "optimizer", optimizer_);
    auto&& arrays = staged(archive, backend_);
    arrays("parameters", parameters);
    arrays("average", ema_.view());
    arrays("optimizer", state_);
    detail::archive_count(archive, "step", index_);
    if constexpr (detail::loads<Archive>) finite_.loaded(index_);
  }

 private:
  struct settings {
    std::int64_t steps;
    index_t batch;
    float max_gradient_norm, ema_decay;
    rate_schedule schedule;
  };

  Backend& backend_;
  std::string_view name_;
  Optimizer optimizer_;
  settings options_;
  typename Optimizer::template state<Backend> state_;
  tensor<float, 1, Backend> ema_;
  finite_parameters finite_;
  std::int64_t index_ = 0;
};

}  // namespace fewstep
