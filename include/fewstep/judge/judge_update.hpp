// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/archive_within.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/staged_archive.hpp>
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

/// Moves a judge's parameters along their gradients, step after step: finite or not at all, clipped, averaged. The
/// options of either training have steps, batch, max_gradient_norm, average_decay and schedule.
template <class Backend, class Optimizer>
class judge_update {
  static_assert(detail::require_optimizer<Optimizer, Backend>());

 public:
  template <class Options>
  judge_update(Backend& backend, std::string_view name, vec<float> parameters, Optimizer rule, const Options& o)
      : backend_(backend),
        name_(name),
        rule_(checked_part(std::move(rule))),
        options_{o.steps, o.batch, o.max_gradient_norm, o.average_decay, o.schedule},
        state_(rule_.make_state(backend, parameters.size())),
        finite_(name, "step") {
    finite_.require(backend, parameters);
    if (o.average_decay == 0) return;
    average_ = tensor<float, 1, Backend>(backend, {parameters.size()});
    backend.for_each(parameters.size(), detail::copy<float>{parameters.data, average_.data()});
  }

  [[nodiscard]] std::int64_t index() const { return index_; }
  [[nodiscard]] bool finished() const { return index_ >= options_.steps; }
  /// Empty without an average.
  [[nodiscard]] vec<const float> average() const& { return average_.view(); }
  needs_a_named_object average() const&& = delete;

  /// Returns the norm of the gradient before clipping.
  double step(vec<float> parameters, vec<const float> gradients, double loss) {
    const double norm = gradient_norm(backend_, gradients);
    if (!std::isfinite(loss) || !std::isfinite(norm)) {
      finite_.require(backend_, parameters);
      throw std::runtime_error(message(name_, ": step ", index_, " has loss ", loss, " and gradient norm ", norm,
                                       "; nothing was changed; lower the learning rate"));
    }
    finite_.moved_by(index_);
    const float decay =
        std::min(options_.average_decay, static_cast<float>(index_ + 1) / static_cast<float>(index_ + 10));
    rule_.update(backend_, state_, {parameters, gradients, average_.view(), decay},
                 {options_.schedule(index_), clip_factor(norm, options_.max_gradient_norm)});
    ++index_;
    return norm;
  }

  template <class Archive>
  void serialize(Archive& archive, vec<float> parameters) {
    if constexpr (detail::saves<Archive>) {
      finite_.require(backend_, parameters);
      finite_.require(backend_, average());
    }
    match_part(archive, "optimizer", rule_);
    auto&& arrays = staged(archive, backend_);
    arrays("parameters", parameters);
    arrays("average", average_.view());
    arrays("optimizer", state_);
    detail::archive_count(archive, "step", index_);
    if constexpr (detail::loads<Archive>) finite_.loaded(index_);
  }

 private:
  struct settings {
    std::int64_t steps;
    index_t batch;
    float max_gradient_norm, average_decay;
    rate_schedule schedule;
  };

  Backend& backend_;
  std::string_view name_;
  Optimizer rule_;
  settings options_;
  typename Optimizer::template state<Backend> state_;
  tensor<float, 1, Backend> average_;
  finite_parameters finite_;
  std::int64_t index_ = 0;
};

}  // namespace fewstep
