// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/settings.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/generator/preconditioning.hpp>
#include <fewstep/generator/scale_rows.hpp>
#include <fewstep/nn/network_runner.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace fewstep {

namespace detail {

/// A generator's network as network_runner sees it: states are scaled by in(t) on their way in.
template <class Network, preconditioning Preconditioning>
struct preconditioned_network : Network {
  using context_type = typename Network::context_type;
  using rows_type = batch<context_type>;

  Preconditioning preconditioner;

  [[nodiscard]] index_t outputs() const { return this->sample_size(); }
  [[nodiscard]] rows_type dry_rows(index_t n) const {
    return {{nullptr, {n, this->sample_size()}}, {nullptr, {n}}, {nullptr, {n}}};
  }
  template <class Pass>
  auto forward(Pass& p, const rows_type& rows, typename Network::tape& kept) const {
    const matrix<float> scaled = p.memory.template allocate<float, 2>(rows.x.extents);
    p.executor.for_each(rows.rows(), scale_rows<Preconditioning>{rows.x, rows.times, scaled, preconditioner});
    return Network::forward(p, matrix<const float>(scaled), rows.times, rows.contexts, kept);
  }
};

}  // namespace detail

/// A network as a generator: network_runner gives it memory and threads, a preconditioning its place in the process.
/// Network is a struct of modules (see pass) with
///   context_type, tape
///   sample_size()
///   forward(pass, x, times, contexts, tape)  the raw output o[M,D] of states x[M,D] that are scaled by in(t); contexts
///                                            are context_rows<context_type>
///   backward(pass, gy, tape)                 adds parameter gradients; returns that of x in the first D columns
/// and may have adapt, frequencies, groups and name as network_runner says, and
///   options()                                for settings()
///   unconditional()                          the context that asks for nothing
///   expect_known(contexts)                   refuses contexts that it has no numbers for
///
///   network_generator<cpu_backend, my_network> model(backend, my_options);
///
/// base() is the same without `Trained`: a predictor, for a reference that costs no second model.
template <class Backend, class Network, preconditioning Preconditioning = edm_consistency, bool Trained = true>
class network_generator {
  using network_type = detail::preconditioned_network<Network, Preconditioning>;
  using runner_type = network_runner<Backend, network_type>;

 public:
  using context_type = typename Network::context_type;
  using workspace_type = typename runner_type::workspace_type;
  using base_type = network_generator<Backend, Network, Preconditioning, false>;

  /// `options` are what the constructor of Network takes beside the layout.
  template <class Options>
  network_generator(Backend& backend, const Options& options, Preconditioning preconditioner = {},
                    const network_options& o = {})
      : runner_(
            backend,
            [&](parameter_layout& layout) {
              return network_type{Network(layout, options), preconditioner};
            },
            o) {}

  static constexpr std::string_view name = runner_type::name();
  template <class Visitor>
  void settings(Visitor& visit) const {
    if constexpr (requires { network().options(); }) visit("network", network().options());
    visit.part("preconditioner", preconditioner());
  }

  [[nodiscard]] const Network& network() const { return runner_.network(); }
  [[nodiscard]] index_t sample_size() const { return network().sample_size(); }
  [[nodiscard]] Preconditioning preconditioner() const { return runner_.network().preconditioner; }
  [[nodiscard]] index_t row_block() const { return runner_.row_block(); }
  [[nodiscard]] index_t rows_per_task() const { return runner_.rows_per_task(); }

  /// See network_parameters for the rules of writing.
  [[nodiscard]] vec<float> parameters() & requires Trained { return runner_.parameters(); }
  [[nodiscard]] vec<const float> parameters() const& requires Trained { return runner_.parameters(); }
  needs_a_named_object parameters() && requires Trained = delete;
  [[nodiscard]] vec<float> gradients() & requires Trained { return runner_.gradients(); }
  needs_a_named_object gradients() && requires Trained = delete;
  [[nodiscard]] vec<float> base_parameters() & requires Trained { return runner_.base_parameters(); }
  needs_a_named_object base_parameters() && requires Trained = delete;
  [[nodiscard]] const parameter_layout& layout() const { return runner_.layout(); }
  [[nodiscard]] const parameter_layout& base_layout() const { return runner_.base_layout(); }
  [[nodiscard]] const std::optional<lora_options>& lora() const { return runner_.lora(); }
  [[nodiscard]] bool has_adapters() const { return lora().has_value(); }
  void draw_adapters(Backend& backend, std::uint64_t seed) requires Trained { runner_.draw_adapters(backend, seed); }
  void parameters_changed() requires Trained { runner_.parameters_changed(); }
  [[nodiscard]] std::size_t held_bytes(bool trained) const { return runner_.held_bytes(trained); }

  /// The same memory with the adapters off: what the network was before it was trained, for as long as either lives.
  [[nodiscard]] base_type base() const requires Trained { return base_type(runner_.base()); }

  [[nodiscard]] context_type unconditional() const requires requires { Network::unconditional(); }
  { return Network::unconditional(); }
  void expect_known(const context_rows<context_type>& contexts) const requires requires(const Network& n) {
    n.expect_known(contexts);
  }
  { network().expect_known(contexts); }

  [[nodiscard]] workspace_type make_workspace(Backend& backend, index_t rows) const {
    return runner_.make_workspace(backend, rows);
  }
  [[nodiscard]] std::size_t workspace_bytes(const Backend& backend, index_t rows) const {
    return runner_.workspace_bytes(backend, rows);
  }

  void predict(Backend& backend, batch<context_type> rows, matrix<float> o, workspace_type& workspace) const {
    check(rows);
    runner_.predict(backend, rows, o, workspace);
  }
  void forward(Backend& backend, batch<context_type> rows, matrix<float> o,
               workspace_type& workspace) const requires Trained {
    check(rows);
    runner_.forward(backend, rows, o, workspace);
  }
  void backward(Backend& backend, batch<context_type> rows, matrix<const float> o_gradient,
                workspace_type& workspace) requires Trained {
    backward(backend, rows, o_gradient, {nullptr, o_gradient.extents}, workspace);
  }
  /// As above, and writes the gradient of the states to x_gradient unless that is null.
  void backward(Backend& backend, batch<context_type> rows, matrix<const float> o_gradient, matrix<float> x_gradient,
                workspace_type& workspace) requires Trained {
    if (x_gradient.data == nullptr) return runner_.backward(backend, o_gradient, workspace);
    runner_.backward(backend, o_gradient, workspace, [&](auto& executor, const auto& part, matrix<const float> gx) {
      executor.for_each(part(x_gradient).rows(),
                        detail::scale_rows<Preconditioning>{gx, part(rows.times), part(x_gradient), preconditioner()});
    });
  }

 private:
  friend network_generator<Backend, Network, Preconditioning, true>;
  explicit network_generator(runner_type runner) : runner_(std::move(runner)) {}

  void check([[maybe_unused]] const batch<context_type>& rows) const {
    if constexpr (on_host<Backend> && requires { network().expect_known(rows.contexts); })
      network().expect_known(rows.contexts);
  }

  runner_type runner_;
};

}  // namespace fewstep
