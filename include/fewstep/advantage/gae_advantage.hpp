// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/advantage/gae.hpp>
#include <fewstep/advantage/step_advantage.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/view.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

namespace fewstep {

struct gae_advantage_options {
  gae estimate{};
  bool standardizes = true;  ///< over all steps of the rollout: mean 0, deviation 1

  static constexpr std::string_view name = "gae_advantage";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("estimate", estimate);
    visit("standardizes", standardizes);
  }
};

/// Advantages of steps by GAE with a learnt value function, the actor and critic of Schulman et al. 2016 (gae). A
/// trajectory terminates with its last step, whose state is worth nothing more.
///
///   value_function value(backend, model.preconditioner(), adam{}, {.network = {.dimension = 2}});
///   policy_gradient_parts{.advantage = gae_advantage(value), ...}
///
/// The value function is fitted once the policy has been trained on a rollout. It must outlive this.
template <class Value>
class gae_advantage {
 public:
  explicit gae_advantage(Value& value, gae_advantage_options o = {}) : value_(value), options_(checked(o)) {}

  static constexpr std::string_view name = gae_advantage_options::name;
  template <class Visitor>
  void settings(Visitor& visit) const {
    options_.settings(visit);
  }

  template <class Backend, class Context>
  void weigh(Backend& backend, const earned_steps<Context>& steps, matrix<float> out) {
    estimate(backend, steps, out);
    if (options_.standardizes) standardize(steps.weights, out);
  }
  template <class Backend, class Context>
  void learn(Backend& backend, const earned_steps<Context>& steps) {
    std::vector<float> advantages(values_.size());
    estimate(backend, steps, {advantages.data(), steps.rewards.extents});
    value_.get().fit(backend, steps.rows, returns_, steps.weights);
  }

  template <class Archive>
  void serialize(Archive& archive) {
    archive("value", value_.get());
  }

 private:
  template <class Backend, class Context>
  void estimate(Backend& backend, const earned_steps<Context>& steps, matrix<float> out) {
    const array_extents<2> shape = steps.rewards.extents;
    const auto n = static_cast<std::size_t>(steps.rewards.size()), samples = static_cast<std::size_t>(shape[1]);
    values_.resize(n);
    returns_.resize(n);
    next_values_.assign(n, 0.0f);
    ends_.assign(n, step_end::none);
    value_.get().values(backend, steps.rows, values_);
    std::copy(values_.begin() + shape[1], values_.end(), next_values_.begin());
    std::fill(ends_.end() - static_cast<std::ptrdiff_t>(samples), ends_.end(), step_end::termination);
    options_.estimate({steps.rewards, {values_.data(), shape}, {next_values_.data(), shape}, {ends_.data(), shape}},
                      out, {returns_.data(), shape});
  }

  static void standardize(std::span<const float> weights, matrix<float> out) {
    double count = 0, sum = 0, squares = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      count += static_cast<double>(weights[i]);
      sum += static_cast<double>(weights[i]) * static_cast<double>(out.data[i]);
    }
    if (count == 0) return;
    const double mean = sum / count;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const double off = static_cast<double>(out.data[i]) - mean;
      squares += static_cast<double>(weights[i]) * off * off;
    }
    const double deviation = std::sqrt(squares / count);
    for (float& a : std::span(out.data, weights.size()))
      a = static_cast<float>((static_cast<double>(a) - mean) / (deviation + 1e-8));
  }

  std::reference_wrapper<Value> value_;
  gae_advantage_options options_;
  std::vector<float> values_, next_values_, returns_;  // [H B]
  std::vector<step_end> ends_;
};

}  // namespace fewstep
