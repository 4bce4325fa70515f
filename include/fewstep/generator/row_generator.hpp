// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/generator/preconditioning.hpp>
#include <fewstep/nn/network_workspace.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <type_traits>
#include <utility>
#include <vector>

namespace fewstep {

/// One row that a network is asked about: x[D], scaled by in(t) already, the time t in the unit of the preconditioning,
/// and the context.
template <class Context>
struct network_row {
  vec<const float> x;
  float time;
  const Context& context;
};

namespace detail {

template <class N>
concept has_tape = requires {
  typename N::tape;
};
template <class N>
concept tape_can_be_copied = std::default_initializable<typename N::tape> && std::copy_constructible<typename N::tape>;
struct no_tape {};
template <class N>
struct tape_type_of {
  using type = no_tape;
};
template <has_tape N>
struct tape_type_of<N> {
  using type = typename N::tape;
};

template <class N>
concept has_row_forward = requires(const N& n, vec<const float> parameters,
                                   const network_row<typename N::context_type>& row, vec<float> o) {
  { n.forward(parameters, row, o) } -> std::same_as<void>;
};
template <class N>
concept has_row_backward = requires(const N& n, vec<const float> parameters,
                                    const network_row<typename N::context_type>& row, vec<const float> o_gradient,
                                    vec<float> gradient) {
  { n.backward(parameters, row, o_gradient, gradient) } -> std::same_as<void>;
};
template <class N>
concept has_row_forward_with_tape = requires(const N& n, vec<const float> parameters,
                                             const network_row<typename N::context_type>& row, vec<float> o,
                                             typename N::tape& tape) {
  { n.forward(parameters, row, o, tape) } -> std::same_as<void>;
};
template <class N>
concept has_row_backward_with_tape = requires(const N& n, vec<const float> parameters,
                                              const network_row<typename N::context_type>& row,
                                              vec<const float> o_gradient, vec<float> gradient,
                                              const typename N::tape& tape) {
  { n.backward(parameters, row, o_gradient, gradient, tape) } -> std::same_as<void>;
};

}  // namespace detail

/// A network of one row, of which row_generator makes a generator. It has no state of its own: parameters[P] are handed
/// in. A network that keeps something of a row between forward and backward, so as not to compute it again, declares
/// its type `tape` (default constructible, copyable, of a fixed size: what it allocates is in no memory plan), which
/// both calls then take as their last argument.
///
/// What the compiler cannot check: the calls depend on their arguments only (several threads make them at once);
/// backward adds to gradient[P] the gradient of <o, o_gradient> by the parameters. check_generator tries it.
///
/// Smallest model:
///   struct line {
///     using context_type = int;
///     index_t sample_size() const { return 1; }
///     void forward(vec<const float> w, const network_row<int>& in, vec<float> o) const { o[0] = w[0] * in.x[0]; }
///     void backward(vec<const float>, const network_row<int>& in, vec<const float> g, vec<float> w_gradient) const {
///       w_gradient[0] += g[0] * in.x[0];
///     }
///   };
template <class N>
concept row_network = detail::has_context_type<N> && detail::has_sample_size<N> &&
    ((detail::has_tape<N> && detail::tape_can_be_copied<N> && detail::has_row_forward_with_tape<N> &&
      detail::has_row_backward_with_tape<N>) ||
     (!detail::has_tape<N> && detail::has_row_forward<N> && detail::has_row_backward<N>));

namespace detail {

/// Whether N models row_network; where it does not, the compiler says what is missing.
template <class N>
consteval bool require_row_network() {
  static_assert(has_context_type<N>,
                "fewstep::row_network: context_type is missing or not trivially copyable; declare "
                "using context_type = ..., a number or a struct of a fixed size (a text is encoded before)");
  static_assert(has_sample_size<N>, "fewstep::row_network: index_t sample_size() const is missing");
  if constexpr (has_context_type<N> && has_tape<N>) {
    static_assert(
        tape_can_be_copied<N>,
        "fewstep::row_network: tape must be default constructible and copyable; every row and thread has one");
    static_assert(has_row_forward_with_tape<N>,
                  "fewstep::row_network: void forward(vec<const float> parameters, const network_row<context_type>& "
                  "row, vec<float> o, tape&) const is missing");
    static_assert(has_row_backward_with_tape<N>,
                  "fewstep::row_network: void backward(vec<const float> parameters, const network_row<context_type>& "
                  "row, vec<const float> o_gradient, vec<float> gradient, const tape&) const is missing");
  } else if constexpr (has_context_type<N>) {
    static_assert(has_row_forward<N>,
                  "fewstep::row_network: void forward(vec<const float> parameters, const network_row<context_type>& "
                  "row, vec<float> o) const is missing");
    static_assert(has_row_backward<N>,
                  "fewstep::row_network: void backward(vec<const float> parameters, const network_row<context_type>& "
                  "row, vec<const float> o_gradient, vec<float> gradient) const is missing");
  }
  return row_network<N>;
}

}  // namespace detail

/// A network of one row (row_network) as a generator on the CPU: it loops over the rows with threads, keeps parameters
/// and gradients, and scales x by in(t). The promises of `generator` hold of themselves, as a row is evaluated by one
/// copy of the code, alone, and gradients add up in blocks of 32 rows.
///
///   row_generator model(line{}, {0.5f});                                   parameters to begin with
///   row_generator model(line{}, {0.5f}, edm_consistency{.sigma_max = 5});  and another preconditioning
///
/// What else Network offers (encode, unconditional, layout, ...) the generator has too.
template <class Network, preconditioning Preconditioning = edm_consistency,
          bool Fits = detail::require_row_network<Network>()>
class row_generator : public Network {
  static constexpr index_t block = 32;
  static constexpr bool keeps = detail::has_tape<Network>;
  using tape_type = typename detail::tape_type_of<Network>::type;

 public:
  using context_type = typename Network::context_type;
  using workspace_type = network_workspace<cpu_backend, tape_type>;

  row_generator(Network network, std::vector<float> parameters, Preconditioning preconditioner = {})
      : Network(std::move(network)),
        parameters_(std::move(parameters)),
        gradients_(parameters_.size()),
        preconditioner_(preconditioner) {
    expects(!parameters_.empty(), "row_generator: there are no parameters; give those to begin with");
  }

  [[nodiscard]] Preconditioning preconditioner() const { return preconditioner_; }
  [[nodiscard]] static index_t row_block() { return block; }
  [[nodiscard]] vec<float> parameters() & { return as_vec(std::span(parameters_)); }
  needs_a_named_object parameters() && = delete;
  [[nodiscard]] vec<float> gradients() & { return as_vec(std::span(gradients_)); }
  needs_a_named_object gradients() && = delete;

  [[nodiscard]] workspace_type make_workspace(cpu_backend& backend, index_t rows) const {
    return workspace_type(backend, plan(rows), tape_type{});
  }
  [[nodiscard]] std::size_t workspace_bytes(const cpu_backend& backend, index_t rows) const {
    return workspace_type::bytes(plan(rows), backend.threads());
  }

  void predict(cpu_backend& backend, batch<context_type> rows, matrix<float> o, workspace_type& w) const {
    for_each_row(backend, rows.rows(), [&](int thread, index_t r) {
      evaluate(rows, r, o.row(r), w.temporaries(thread), w.thread_tape(thread));
    });
  }
  void forward(cpu_backend& backend, batch<context_type> rows, matrix<float> o, workspace_type& w) const {
    w.expect_room("row_generator", "forward", rows.rows());
    for_each_row(backend, rows.rows(), [&](int thread, index_t r) {
      evaluate(rows, r, o.row(r), w.temporaries(thread), keeps ? w.tape(r) : w.thread_tape(thread));
    });
  }
  void backward(cpu_backend& backend, batch<context_type> rows, matrix<const float> o_gradient, workspace_type& w) {
    w.expect_room("row_generator", "backward", rows.rows());
    const index_t n = rows.rows();
    accumulate_in_order(backend, w, (n + block - 1) / block, gradients(),
                        [&](auto&, int thread, index_t b, vec<float> partial) {
                          for (index_t r = b * block; r < std::min(n, (b + 1) * block); ++r) {
                            arena memory = w.temporaries(thread);
                            const auto row = row_of(rows, r, memory);
                            const vec<const float> g{o_gradient.row(r), {o_gradient.cols()}};
                            if constexpr (keeps)
                              Network::backward(current(), row, g, partial, std::as_const(w.tape(r)));
                            else
                              Network::backward(current(), row, g, partial);
                          }
                        });
  }

 private:
  [[nodiscard]] vec<const float> current() const { return as_vec(std::span(parameters_)); }
  [[nodiscard]] typename workspace_type::plan plan(index_t rows) const {
    arena scaled;
    (void)scaled.allocate<float>(this->sample_size());
    return {.rows = rows,
            .units = keeps ? rows : 0,
            .activation_bytes = 0,
            .temporary_bytes = scaled.peak(),
            .gradients = rows > 0 ? current().size() : 0};
  }
  [[nodiscard]] network_row<context_type> row_of(const batch<context_type>& rows, index_t r, arena& memory) const {
    const vec<float> scaled{memory.allocate<float>(rows.x.cols()), {rows.x.cols()}};
    const float in = preconditioner_(rows.times[r]).in;
    for (index_t d = 0; d < scaled.size(); ++d) scaled[d] = in * rows.x(r, d);
    return {scaled, rows.times[r], rows.contexts[r]};
  }
  /// Not inlined: predict and forward must round alike.
  [[gnu::noinline]] void evaluate(const batch<context_type>& rows, index_t r, float* o, arena memory,
                                  [[maybe_unused]] tape_type& kept) const {
    const network_row<context_type> row = row_of(rows, r, memory);
    const vec<float> out{o, {rows.x.cols()}};
    if constexpr (keeps)
      Network::forward(current(), row, out, kept);
    else
      Network::forward(current(), row, out);
  }
  template <class OfRow>
  static void for_each_row(cpu_backend& backend, index_t rows, const OfRow& of_row) {
    backend.parallel_for((rows + block - 1) / block, [&](auto&, int thread, index_t b) {
      for (index_t r = b * block; r < std::min(rows, (b + 1) * block); ++r) of_row(thread, r);
    });
  }

  std::vector<float> parameters_, gradients_;
  Preconditioning preconditioner_;
};

/// Stands in where Network does not fit: what is missing has been said.
template <class Network, preconditioning Preconditioning>
class row_generator<Network, Preconditioning, false> {
 public:
  row_generator(Network, std::vector<float>, Preconditioning = {}) {}
};

}  // namespace fewstep
