// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/advantage/value_network.hpp>
#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/nn/network_runner.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/optimizer/parameter_update.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace fewstep {

namespace detail {

/// gy[i] = factor weights[i] (y[i] - targets[i]).
struct error_slope {
  const float *y, *targets, *weights;
  float* gy;
  float factor;
  FEWSTEP_HD void operator()(index_t i) const { gy[i] = factor * weights[i] * (y[i] - targets[i]); }
};

/// weights[i] (y[i] - targets[i])^2.
struct weighted_square {
  const float *y, *targets, *weights;
  FEWSTEP_HD double operator()(index_t i) const {
    const double error = static_cast<double>(y[i]) - static_cast<double>(targets[i]);
    return static_cast<double>(weights[i]) * error * error;
  }
};

}  // namespace detail

struct value_function_options {
  mlp_network_options network{};
  int steps_per_fit = 4;        ///< optimizer steps on the rows of an update
  float max_gradient_norm = 1;  ///< 0: no clipping
  index_t rows_at_once = 1024;  ///< that are kept for a backward pass
  std::uint64_t seed = 0;

  static constexpr std::string_view name = "value_function";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("network", network);
    visit("steps_per_fit", steps_per_fit, at_least(1));
    visit("max_gradient_norm", max_gradient_norm, at_least(0).or_infinite());
    visit.not_compared("rows_at_once", rows_at_once, at_least(1));
    visit.not_compared("seed", seed);
  }
};

/// A learnt value function (critic): V(x, t, c), fitted to returns by least squares. Rows are as a generator sees them.
///
///   value_function value(backend, model.preconditioner(), adam{.learning_rate = 1e-2f}, {.network = {.dimension =
///   2}});
///
/// The backend must outlive it, and it must outlive the advantage that uses it (gae_advantage).
template <class Backend, preconditioning Preconditioning, class Optimizer = adam,
          class Conditioning = class_conditioning>
class value_function {
  static_assert(detail::require_optimizer<Optimizer, Backend>());
  using network_type = value_network<float, Preconditioning, Conditioning>;
  using runner_type = network_runner<Backend, network_type>;

 public:
  using context_type = typename Conditioning::context_type;

  value_function(Backend& backend, Preconditioning preconditioner, Optimizer optimizer, value_function_options o = {})
      : options_(checked(std::move(o))),
        optimizer_(checked_part(std::move(optimizer))),
        runner_(backend,
                [&](parameter_layout& layout) { return network_type(layout, options_.network, preconditioner); },
                {.seed = options_.seed}),
        update_(backend, runner_, optimizer_,
                {.who = value_function_options::name, .max_gradient_norm = options_.max_gradient_norm}) {}
  value_function(const value_function&) = delete;
  value_function& operator=(const value_function&) = delete;

  [[nodiscard]] vec<float> parameters() & { return runner_.parameters(); }
  needs_a_named_object parameters() && = delete;

  /// V of the rows, out[N] on the host.
  void values(Backend& backend, const batch<context_type>& rows, std::span<float> out) {
    reserve(backend, rows.rows());
    const auto n = static_cast<index_t>(out.size());
    expects(n == rows.rows(),
            [&] { return message("value_function: there are ", rows.rows(), " rows but room for ", n, " values"); });
    const matrix<float> y = outputs_.view().subview(0, n);
    runner_.predict(backend, rows, y, *workspace_);
    std::copy_n(host_outputs_.fetch(backend, y.data, 0, n), n, out.begin());
  }

  /// Moves the values of the rows towards targets[N], by steps on the mean of weights[N] (V - target)^2 over the sum of
  /// the weights. Returns that mean as it was before.
  double fit(Backend& backend, const batch<context_type>& rows, std::span<const float> targets,
             std::span<const float> weights) {
    const index_t n = rows.rows();
    reserve(backend, n);
    expects(static_cast<index_t>(targets.size()) == n && static_cast<index_t>(weights.size()) == n, [&] {
      return message("value_function: there are ", n, " rows but ", targets.size(), " targets and ", weights.size(),
                     " weights");
    });
    double total = 0;
    for (const float weight : weights) total += static_cast<double>(weight);
    if (!(total > 0)) return 0;
    std::copy(targets.begin(), targets.end(), targets_.host().begin());
    std::copy(weights.begin(), weights.end(), weights_.host().begin());
    targets_.upload(backend);
    weights_.upload(backend);
    double before = 0;
    for (int step = 0; step < options_.steps_per_fit; ++step) {
      const double loss = add_gradient(backend, rows, total);
      if (step == 0) before = loss;
      update_.step(optimizer_, loss);
      update_.next();
    }
    return before;
  }

  template <class Archive>
  void serialize(Archive& archive) {
    match_settings(archive, options_);
    match_part(archive, "optimizer", optimizer_);
    update_.serialize(archive);
  }

 private:
  /// Replaces the gradient by that of the loss, which it returns.
  double add_gradient(Backend& backend, const batch<context_type>& rows, double total) {
    const vec<float> gradients = runner_.gradients();
    backend.for_each(gradients.size(), detail::fill<float>{gradients.data, 0.0f});
    double squares = 0;
    for (index_t first = 0; first < rows.rows(); first += at_once_) {
      const index_t count = std::min(at_once_, rows.rows() - first);
      const matrix<float> y = outputs_.view().subview(first, count), gy = slopes_.view().subview(first, count);
      const float *targets = targets_.device() + first, *weights = weights_.device() + first;
      runner_.forward(backend, rows.subview(first, count), y, *workspace_);
      squares += backend.sum(count, detail::weighted_square{y.data, targets, weights});
      backend.for_each(count, detail::error_slope{y.data, targets, weights, gy.data, static_cast<float>(2 / total)});
      runner_.backward(backend, gy, *workspace_);
    }
    return squares / total;
  }

  /// Room for n rows.
  void reserve(Backend& backend, index_t n) {
    if (workspace_ && n <= targets_.size()) return;
    at_once_ = std::min(n, (options_.rows_at_once + runner_.row_block() - 1) / runner_.row_block() *
                               runner_.row_block());  // gradients do not depend on where rows are cut
    workspace_.emplace(runner_.make_workspace(backend, at_once_));
    outputs_ = tensor<float, 2, Backend>(backend, {n, 1});
    slopes_ = tensor<float, 2, Backend>(backend, {n, 1});
    host_outputs_ = fetched<float, Backend>(backend, n);
    targets_ = mirrored<float, Backend>(backend, n);
    weights_ = mirrored<float, Backend>(backend, n);
  }

  value_function_options options_;
  Optimizer optimizer_;
  runner_type runner_;
  parameter_update<Backend, runner_type, Optimizer> update_;
  index_t at_once_ = 0;
  std::optional<typename runner_type::workspace_type> workspace_;
  tensor<float, 2, Backend> outputs_, slopes_;
  fetched<float, Backend> host_outputs_;
  mirrored<float, Backend> targets_, weights_;
};

}  // namespace fewstep
