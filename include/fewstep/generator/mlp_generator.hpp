// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/cpu/executor.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/generator/conditioning.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/generator/network_workspace.hpp>
#include <fewstep/generator/scale_rows.hpp>
#include <fewstep/nn/embedding.hpp>
#include <fewstep/nn/mlp.hpp>
#include <fewstep/nn/prepared_parameters.hpp>

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <vector>

namespace fewstep {

namespace detail {

/// joined[r] = [x[r], waves[r], contexts[r] as the conditioning writes it].
template <class T, class Conditioning = class_conditioning>
struct join_columns {
  matrix<const T> x, fourier;
  vec<const typename Conditioning::context_type> contexts;
  matrix<T> joined;
  FEWSTEP_HD void operator()(index_t r) const {
    T* out = joined.row(r);
    for (index_t i = 0; i < x.cols(); ++i) *out++ = x(r, i);
    for (index_t i = 0; i < fourier.cols(); ++i) *out++ = fourier(r, i);
    const index_t rest = joined.cols() - x.cols() - fourier.cols();
    if (rest > 0) Conditioning::write(contexts[r], vec<T>{out, {rest}});
  }
};

}  // namespace detail

/// Network of mlp_generator: o = MLP([x, Fourier features of t, context]), x[M,D] already scaled by in(t), times[M],
/// contexts[M].
template <class T, class Conditioning = class_conditioning>
class mlp_network {
 public:
  using context_type = typename Conditioning::context_type;
  struct options {
    index_t dimension = 2;
    index_t classes = 0;  ///< of class_conditioning; 0: there is no conditioning
    std::vector<index_t> hidden = {64, 64};
    std::vector<float> frequencies = {0.5f, 1.0f, 2.0f, 4.0f};

    template <class Visitor>
    void settings(Visitor& visit) const {
      visit("dimension", dimension, at_least(1));
      visit("classes", classes, at_least(0));
      visit("hidden", hidden, at_least(1));
      visit("frequencies", frequencies);
    }
  };
  struct tape {
    typename mlp<T>::tape layers;
  };

  mlp_network() = default;
  mlp_network(parameter_layout& layout, const options& o) : options_(o) {
    std::vector<index_t> widths{input_width()};
    widths.insert(widths.end(), o.hidden.begin(), o.hidden.end());
    widths.push_back(o.dimension);
    layers_ = mlp<T>(layout, "mlp", widths);
  }

  [[nodiscard]] const options& settings() const { return options_; }

  template <class Pass>
  matrix<T> forward(Pass& p, matrix<const T> x, vec<const float> times, vec<const context_type> contexts,
                    tape& kept) const {
    const matrix<T> fourier = fourier_features<T>(p, times, p.frequencies(options_.frequencies));
    const matrix<T> joined = p.memory.template allocate<T, 2>({x.rows(), input_width()});
    p.executor.for_each(x.rows(), detail::join_columns<T, Conditioning>{x, fourier, contexts, joined});
    return layers_.forward(p, joined, kept.layers);
  }

  /// Adds parameter gradients; returns the gradient of the network's input, whose first columns are x's.
  template <class Pass>
  matrix<T> backward(Pass& p, matrix<const T> gy, const tape& kept) const {
    return layers_.backward(p, gy, kept.layers);
  }

 private:
  [[nodiscard]] index_t input_width() const {
    const saturated_size width =
        saturated_size(options_.dimension) + 2 * options_.frequencies.size() + Conditioning::width(options_.classes);
    return length_product(width.value());
  }

  options options_;
  mlp<T> layers_;
};

/// Small generator of D-dimensional samples under a class (class_conditioning) or an observation
/// (observation_conditioning): for low-dimensional data such as a robot's actions, toys and tests.
/// Rows are evaluated 32 at a time by one thread (on a device, 512 together); a row's bits depend on that row only.
template <class Backend, preconditioning Preconditioning = edm_consistency, class Conditioning = class_conditioning>
class mlp_generator {
  using network_type = mlp_network<float, Conditioning>;

 public:
  using context_type = typename Conditioning::context_type;
  using workspace_type = network_workspace<Backend, typename network_type::tape>;

  struct options {
    typename network_type::options network{};
    Preconditioning preconditioner{};
    std::uint64_t seed = 0;

    static constexpr std::string_view name = "mlp_generator";
    template <class Visitor>
    void settings(Visitor& visit) const {
      visit("network", network);
      visit.part("preconditioner", preconditioner);
      visit.not_compared("seed", seed);
    }
  };

  mlp_generator(Backend& backend, options o)
      : preconditioner_(checked(o).preconditioner),
        network_(layout_, o.network),
        parameters_(backend, {layout_.size()}),
        gradients_(backend, {layout_.size()}),
        frequencies_(backend, {static_cast<index_t>(o.network.frequencies.size())}) {
    std::vector<float> host(static_cast<std::size_t>(layout_.size()));
    layout_.initialize(as_vec(std::span(host)), o.seed);
    backend.copy_to_device(host.data(), parameters_.data(), layout_.size());
    backend.copy_to_device(o.network.frequencies.data(), frequencies_.data(), frequencies_.size());
    measure();
  }

  static constexpr std::string_view name = options::name;
  template <class Visitor>
  void settings(Visitor& visit) const {
    options{network_.settings(), preconditioner_}.settings(visit);
  }

  [[nodiscard]] index_t sample_size() const { return network_.settings().dimension; }
  [[nodiscard]] Preconditioning preconditioner() const { return preconditioner_; }
  [[nodiscard]] static constexpr index_t row_block() { return on_host<Backend> ? 32 : 512; }
  [[nodiscard]] vec<float> parameters() & { return parameters_.view(); }
  needs_a_named_object parameters() && = delete;
  [[nodiscard]] vec<float> gradients() & { return gradients_.view(); }
  needs_a_named_object gradients() && = delete;
  [[nodiscard]] const parameter_layout& layout() const { return layout_; }

  [[nodiscard]] workspace_type make_workspace(Backend& backend, index_t rows) const {
    return workspace_type(backend, plan(rows), tape_);
  }
  [[nodiscard]] std::size_t workspace_bytes(const Backend& backend, index_t rows) const {
    return workspace_type::bytes(plan(rows), backend.threads());
  }

  /// The context of no condition, if the conditioning has one; for guidance train a share of the rows under it.
  [[nodiscard]] context_type unconditional() const requires requires { Conditioning::none(); }
  { return Conditioning::none(); }

  /// Refuses contexts that the network has no columns for.
  void expect_known(std::span<const context_type> contexts) const {
    Conditioning::check(as_vec(contexts), network_.settings().classes);
  }

  void predict(Backend& backend, batch<context_type> rows, matrix<float> o, workspace_type& workspace) {
    if constexpr (on_host<Backend>) expect_known(as_span(rows.contexts));
    backend.parallel_for(blocks(rows.rows()), [&](auto& executor, int thread, index_t block) {
      arena memory = workspace.temporaries(thread);
      evaluate(executor, part(rows, block), part(o, block), memory, workspace.thread_tape(thread));
    });
  }

  void forward(Backend& backend, batch<context_type> rows, matrix<float> o, workspace_type& workspace) {
    workspace.expect_room("mlp_generator: forward", rows.rows());
    if constexpr (on_host<Backend>) expect_known(as_span(rows.contexts));
    backend.parallel_for(blocks(rows.rows()), [&](auto& executor, int, index_t block) {
      arena memory = workspace.activations(block);
      evaluate(executor, part(rows, block), part(o, block), memory, workspace.tape(block));
    });
  }

  void backward(Backend& backend, batch<context_type> rows, matrix<const float> o_gradient, workspace_type& workspace) {
    backward(backend, rows, o_gradient, {nullptr, o_gradient.extents}, workspace);
  }

  /// As above, and writes the gradient of the states to x_gradient unless that is null.
  void backward(Backend& backend, batch<context_type> rows, matrix<const float> o_gradient, matrix<float> x_gradient,
                workspace_type& workspace) {
    workspace.expect_room("mlp_generator: backward", rows.rows());
    prepare_parameters(backend, layout_, {parameters_.data(), workspace.transposed().data, nullptr, true});
    accumulate_in_order(
        backend, workspace, blocks(rows.rows()), gradients(),
        [&](auto& executor, int thread, index_t block, vec<float> partial) {
          arena memory = workspace.temporaries(thread);
          pass<float, std::remove_reference_t<decltype(executor)>> p{executor,
                                                                     {.parameters = parameters_.data(),
                                                                      .parameter_gradients = partial.data,
                                                                      .transposed = workspace.transposed().data},
                                                                     memory};
          const matrix<float> gx = network_.backward(p, part(o_gradient, block), workspace.tape(block));
          if (x_gradient.data != nullptr)
            executor.for_each(part(x_gradient, block).rows(),
                              detail::scale_rows<Preconditioning>{gx, part(rows, block).times, part(x_gradient, block),
                                                                  preconditioner_});
        });
  }

 private:
  static index_t blocks(index_t rows) { return parts_of(rows, row_block()); }
  template <class Rows>
  static Rows part(Rows rows, index_t block) {
    return rows.subview(block * row_block(), std::min(row_block(), rows.rows() - block * row_block()));
  }

  template <class Executor>
  void evaluate(Executor& executor, batch<context_type> rows, matrix<float> o, arena& memory,
                typename network_type::tape& tape) const {
    pass<float, Executor> p{executor, {.parameters = parameters_.data(), .frequencies = frequencies_.data()}, memory};
    const matrix<float> scaled = memory.allocate<float, 2>(rows.x.extents);
    executor.for_each(rows.rows(), detail::scale_rows<Preconditioning>{rows.x, rows.times, scaled, preconditioner_});
    const matrix<float> y = network_.forward(p, scaled, rows.times, rows.contexts, tape);
    executor.for_each(o.size(), detail::copy<float>{y.data, o.data});
  }

  void measure() {
    dry_executor executor;
    arena activations, temporaries;
    const array_extents<2> shape{row_block(), sample_size()};
    pass<float, dry_executor> forward_pass{executor, {}, activations};
    const matrix<float> x = activations.allocate<float, 2>(shape);
    network_.forward(forward_pass, x, vec<const float>{nullptr, {row_block()}},
                     vec<const context_type>{nullptr, {row_block()}}, tape_);
    pass<float, dry_executor> backward_pass{executor, {}, temporaries};
    network_.backward(backward_pass, matrix<const float>{nullptr, shape}, tape_);
    activation_bytes_ = activations.peak();
    temporary_bytes_ = temporaries.peak();
  }
  [[nodiscard]] typename workspace_type::plan plan(index_t rows) const {
    return {.rows = length_product(blocks(rows), row_block()),
            .units = blocks(rows),
            .activation_bytes = activation_bytes_,
            .temporary_bytes = std::max(activation_bytes_, temporary_bytes_),
            .gradients = layout_.size(),
            .parameters = layout_.size()};
  }

  Preconditioning preconditioner_;
  parameter_layout layout_;
  network_type network_;
  typename network_type::tape tape_;  // of a dry run
  tensor<float, 1, Backend> parameters_, gradients_, frequencies_;
  std::size_t activation_bytes_ = 0, temporary_bytes_ = 0;
};

}  // namespace fewstep
