// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/backend.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/generator/batch.hpp>
#include <fewstep/generator/preconditioning.hpp>
#include <fewstep/generator/workspace.hpp>

#include <concepts>
#include <cstddef>
#include <functional>
#include <type_traits>
#include <utility>

namespace fewstep {

namespace detail {

template <class G>
concept has_context_type = requires {
  typename G::context_type;
}
&&std::is_trivially_copyable_v<typename G::context_type>;
template <class G>
concept has_sample_size = requires(const G& g) {
  { g.sample_size() } -> std::convertible_to<index_t>;
};
template <class G>
concept has_preconditioner = requires(const G& g) {
  g.preconditioner();
};
template <class G>
using preconditioning_of = decltype(std::declval<const G&>().preconditioner());
template <class G, class Backend>
concept has_make_workspace = requires(G& g, Backend& backend, index_t rows) {
  { g.make_workspace(backend, rows) } -> std::same_as<workspace_of<G>>;
};
/// make_workspace of a type that has not been declared.
template <class G, class Backend>
concept has_unnamed_workspace = !has_workspace_type<G> && requires(G & g, Backend& backend, index_t rows) {
  g.make_workspace(backend, rows);
};
template <class G, class Backend>
concept has_workspace_bytes = requires(const G& g, Backend& backend, index_t rows) {
  { g.workspace_bytes(backend, rows) } -> std::convertible_to<std::size_t>;
};

// With a workspace,
template <class G, class Backend>
concept has_predict = requires(G& g, Backend& backend, batch<typename G::context_type> rows, matrix<float> o,
                               workspace_of<G>& workspace) {
  { g.predict(backend, rows, o, workspace) } -> std::same_as<void>;
};
template <class G, class Backend>
concept has_forward = requires(G& g, Backend& backend, batch<typename G::context_type> rows, matrix<float> o,
                               workspace_of<G>& workspace) {
  { g.forward(backend, rows, o, workspace) } -> std::same_as<void>;
};
template <class G, class Backend>
concept has_backward = requires(G& g, Backend& backend, batch<typename G::context_type> rows,
                                matrix<const float> o_gradient, workspace_of<G>& workspace) {
  { g.backward(backend, rows, o_gradient, workspace) } -> std::same_as<void>;
};
template <class G, class Backend>
concept has_state_gradient = requires(G& g, Backend& backend, batch<typename G::context_type> rows,
                                      matrix<const float> o_gradient, matrix<float> x_gradient,
                                      workspace_of<G>& workspace) {
  { g.backward(backend, rows, o_gradient, x_gradient, workspace) } -> std::same_as<void>;
};
// and without.
template <class G, class Backend>
concept has_plain_predict = requires(G& g, Backend& backend, batch<typename G::context_type> rows, matrix<float> o) {
  { g.predict(backend, rows, o) } -> std::same_as<void>;
};
template <class G, class Backend>
concept has_plain_backward = requires(G& g, Backend& backend, batch<typename G::context_type> rows,
                                      matrix<const float> o_gradient) {
  { g.backward(backend, rows, o_gradient) } -> std::same_as<void>;
};
template <class G, class Backend>
concept has_plain_state_gradient = requires(G& g, Backend& backend, batch<typename G::context_type> rows,
                                            matrix<const float> o_gradient, matrix<float> x_gradient) {
  { g.backward(backend, rows, o_gradient, x_gradient) } -> std::same_as<void>;
};

template <class G, class Backend>
concept can_predict = (has_workspace_type<G> && has_make_workspace<G, Backend> && has_workspace_bytes<G, Backend> &&
                       has_predict<G, Backend>) ||
                      (!has_workspace_type<G> && has_plain_predict<G, Backend>);
template <class G, class Backend>
concept can_go_back = (has_workspace_type<G> && has_forward<G, Backend> && has_backward<G, Backend>) ||
                      (!has_workspace_type<G> && has_plain_backward<G, Backend>);
template <class G, class Backend>
concept can_give_state_gradient = (has_workspace_type<G> && has_state_gradient<G, Backend>) ||
                                  (!has_workspace_type<G> && has_plain_state_gradient<G, Backend>);

template <class G>
concept has_parameters = requires(G& g) {
  { g.parameters() } -> std::same_as<vec<float>>;
};
template <class G>
concept has_gradients = requires(G& g) {
  { g.gradients() } -> std::same_as<vec<float>>;
};

}  // namespace detail

/// A network that can be sampled from: it gives the raw output o for a batch of rows, and its preconditioning turns o
/// into the clean prediction f = skip(t) x + out(t) o. The input factor in(t) is applied inside predict.
///
/// With a workspace_type all calls take a workspace, as the last argument, that make_workspace made for so many rows:
///   using workspace_type = ...;
///   workspace_type make_workspace(cpu_backend&, index_t rows);
///   std::size_t workspace_bytes(const cpu_backend&, index_t rows) const;   before it is made; does not fall with rows
/// Both are also called with 0 rows. predict takes any number of rows, whatever the workspace was made for.
///
/// What the compiler cannot check: row r of o depends on row r of the batch only, and has the same bits in every batch
/// (pad to fixed blocks inside where a library's kernels depend on the row count); predict keeps nothing.
///
/// Smallest model:
///   struct constant {
///     using context_type = int;
///     index_t sample_size() const { return 2; }
///     edm_consistency preconditioner() const { return {}; }
///     void predict(cpu_backend&, batch<int> rows, matrix<float> o) { ... }
///   };
template <class G, class Backend>
concept predictor = detail::has_context_type<G> && detail::has_sample_size<G> && detail::has_preconditioner<G> &&
    preconditioning<detail::preconditioning_of<G>> && detail::can_predict<G, Backend>;

/// A predictor that can be trained: it also has
///   void backward(cpu_backend&, batch<int> rows, matrix<const float> o_gradient);   adds into gradients()
///   vec<float> parameters();
///   vec<float> gradients();
/// the last two being flat arrays of equal length that stay where they are for the generator's lifetime. With a
/// workspace it has forward too, which is predict (and takes at most the workspace's rows) but keeps in the workspace
/// what backward needs.
/// A generator that keeps something made of its parameters offers void parameters_changed(), which trainers call after
/// every step; one that holds more memory than those arrays, std::size_t held_bytes(bool trained) const, for the memory
/// plan: where it is trained, or what comes with predictions alone.
///
/// What the compiler cannot check: forward gives the bits of predict; gradients of a batch do not depend on how it is
/// cut into calls, as long as cuts are at multiples of row_block() rows (if it has one; else 32).
/// The workspace owns all state between forward and backward, so that two evaluations can be in flight.
/// check_generator (testing/check_generator.hpp) tries all of this.
template <class G, class Backend>
concept generator =
    predictor<G, Backend> && detail::can_go_back<G, Backend> && detail::has_parameters<G> && detail::has_gradients<G>;

/// A generator whose output can be differentiated by the state too: an overload of backward that also writes
/// x_gradient[B, D] = d <o, o_gradient> / dx, row by row, the factor in(t) included. What it adds to gradients() has
/// the bits of the other overload. Gradients of a reward go through several network calls by it.
///
/// Smallest model: a generator with
///   void backward(cpu_backend&, batch<int> rows, matrix<const float> o_gradient, matrix<float> x_gradient) { ... }
/// check_generator compares it with central differences.
template <class G, class Backend>
concept differentiable_generator = generator<G, Backend> && detail::can_give_state_gradient<G, Backend>;

namespace detail {

/// Whether G models predictor; where it does not, the compiler says what is missing. Members whose signature needs a
/// type that is itself missing are not complained of.
template <class G, class Backend>
consteval bool require_predictor() {
  if constexpr (!backend<Backend>) return false;
  static_assert(has_context_type<G>,
                "fewstep::predictor: context_type is missing or not trivially copyable; declare "
                "using context_type = ..., a number or a struct of a fixed size (a text is encoded before)");
  static_assert(has_sample_size<G>, "fewstep::predictor: index_t sample_size() const is missing");
  static_assert(has_preconditioner<G>, "fewstep::predictor: preconditioner() const is missing");
  if constexpr (has_preconditioner<G>) require_preconditioning<preconditioning_of<G>>();
  static_assert(!has_unnamed_workspace<G, Backend>,
                "fewstep::predictor: workspace_type is missing; declare what make_workspace returns");
  if constexpr (has_context_type<G> && has_workspace_type<G>) {
    static_assert(has_make_workspace<G, Backend>,
                  "fewstep::predictor: workspace_type make_workspace(Backend&, index_t rows) is missing");
    static_assert(has_workspace_bytes<G, Backend>,
                  "fewstep::predictor: std::size_t workspace_bytes(const Backend&, index_t rows) const is missing");
    static_assert(has_predict<G, Backend>,
                  "fewstep::predictor: void predict(Backend&, batch<context_type> rows, matrix<float> o, "
                  "workspace_type&) is missing");
  } else if constexpr (has_context_type<G> && !has_unnamed_workspace<G, Backend>) {
    static_assert(has_plain_predict<G, Backend>,
                  "fewstep::predictor: void predict(Backend&, batch<context_type> rows, matrix<float> o) is missing "
                  "(there is no workspace_type)");
  }
  return predictor<G, Backend>;
}

/// As above for generator.
template <class G, class Backend>
consteval bool require_generator() {
  constexpr bool predicts = require_predictor<G, Backend>();
  if constexpr (has_context_type<G> && has_workspace_type<G>) {
    static_assert(has_forward<G, Backend>,
                  "fewstep::generator: void forward(Backend&, batch<context_type> rows, matrix<float> o, "
                  "workspace_type&) is missing");
    static_assert(has_backward<G, Backend>,
                  "fewstep::generator: void backward(Backend&, batch<context_type> rows, matrix<const float> "
                  "o_gradient, workspace_type&) is missing");
  } else if constexpr (has_context_type<G> && !has_unnamed_workspace<G, Backend>) {
    static_assert(has_plain_backward<G, Backend>,
                  "fewstep::generator: void backward(Backend&, batch<context_type> rows, matrix<const float> "
                  "o_gradient) is missing (there is no workspace_type)");
  }
  static_assert(has_parameters<G>, "fewstep::generator: vec<float> parameters() is missing");
  static_assert(has_gradients<G>, "fewstep::generator: vec<float> gradients() is missing");
  return predicts && generator<G, Backend>;
}

}  // namespace detail

namespace detail {

/// Bytes that a generator or predictor holds beside parameters() and gradients(), as it says.
template <class G>
[[nodiscard]] std::size_t held_bytes(const G& g, bool trained) {
  if constexpr (requires {
                  { g.held_bytes(trained) } -> std::convertible_to<std::size_t>;
                })
    return g.held_bytes(trained);
  else
    return 0;
}

/// Whether two generators or predictors are one, or keep their trained parameters in one place: one cannot then stand
/// still while the other is trained.
template <class A, class B>
[[nodiscard]] bool share_parameters(A& a, B& b) {
  if (static_cast<const void*>(&a) == static_cast<const void*>(&b)) return true;
  if constexpr (has_parameters<A> && has_parameters<B>) {
    const vec<const float> of_a = a.parameters(), of_b = b.parameters();
    const std::less<const float*> before{};
    return of_a.size() > 0 && of_b.size() > 0 && before(of_a.begin(), of_b.end()) && before(of_b.begin(), of_a.end());
  } else {
    return false;
  }
}

}  // namespace detail

/// Rows whose gradients a generator adds up before they join the total: micro-batches are cut at multiples of it.
template <class G>
[[nodiscard]] index_t row_block_of(const G& g) {
  if constexpr (requires {
                  { g.row_block() } -> std::convertible_to<index_t>;
                })
    return g.row_block();
  else
    return 32;
}

}  // namespace fewstep
