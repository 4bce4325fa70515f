// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/sizes.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/optimizer/elementwise_optimizer.hpp>
#include <fewstep/optimizer/optimizer_arrays.hpp>

#include <concepts>
#include <cstddef>
#include <type_traits>

namespace fewstep {

namespace detail {

template <class O, class Backend>
concept has_state = requires {
  typename O::template state<Backend>;
};
template <class O, class Backend>
concept has_make_state = requires(const O& o, Backend& backend, index_t n) {
  { o.make_state(backend, n) } -> std::same_as<typename O::template state<Backend>>;
};
template <class O>
concept has_state_bytes = requires(const O& o, index_t n) {
  { o.state_bytes(n) } -> std::convertible_to<std::size_t>;
};
template <class O, class Backend>
concept has_update = requires(const O& o, Backend& backend, typename O::template state<Backend>& s,
                              const optimizer_arrays& arrays, step_scale scale) {
  { o.update(backend, s, arrays, scale) } -> std::same_as<void>;
};

}  // namespace detail

/// How flat parameters follow flat gradients of a loss to be minimised. Most are an elementwise_optimizer, which is
/// seven lines; what follows is for one that looks at several parameters at a time.
///
/// The settings are an aggregate; what changes from step to step is a state on the backend, so one optimizer object may
/// drive several models. The compiler cannot check: an update depends on the arrays and on the number of steps only,
/// and moves the EMA too unless it is empty; state has serialize(archive); state_bytes(n) is what the arrays of
/// make_state(backend, n) take.
///
/// Smallest model:
///   struct plain_descent {
///     template <class Backend> struct state { template <class A> void serialize(A&) {} };
///     template <class Backend> state<Backend> make_state(Backend&, index_t) const { return {}; }
///     std::size_t state_bytes(index_t) const { return 0; }
///     template <class Backend>
///     void update(Backend& backend, state<Backend>&, const optimizer_arrays& a, step_scale s) const { ... }
///   };
template <class O, class Backend>
concept optimizer = elementwise_optimizer<O> ||(detail::has_state<O, Backend>&& detail::has_make_state<O, Backend>&&
                                                    detail::has_state_bytes<O>&& detail::has_update<O, Backend>);

/// What an optimizer keeps of n parameters on a backend, all zero at the start.
template <class O, class Backend>
[[nodiscard]] auto make_optimizer_state(const O& o, Backend& backend, index_t n) {
  if constexpr (elementwise_optimizer<O>)
    return detail::elementwise_state<O, Backend>(backend, n);
  else
    return o.make_state(backend, n);
}
template <class O, class Backend>
using optimizer_state = decltype(make_optimizer_state(std::declval<const O&>(), std::declval<Backend&>(), index_t{}));

/// Bytes of the arrays of that state.
template <class O>
[[nodiscard]] std::size_t optimizer_state_bytes(const O& o, index_t n) {
  if constexpr (elementwise_optimizer<O>)
    return (saturated_size(n) * O::moments * sizeof(float)).value();
  else
    return o.state_bytes(n);
}

/// Whether an optimizer wants to know what parameters are for (optimizer_arrays::kinds).
template <class O>
[[nodiscard]] bool reads_kinds(const O& o) {
  if constexpr (requires {
                  { o.reads_kinds() } -> std::same_as<bool>;
                })
    return o.reads_kinds();
  else
    return false;
}

/// One step. A training has a parameter_update, which calls this.
template <class O, class Backend>
void optimizer_step(const O& o, Backend& backend, optimizer_state<O, Backend>& s, const optimizer_arrays& arrays,
                    step_scale scale) {
  if constexpr (elementwise_optimizer<O>)
    detail::elementwise_step(o, backend, s, arrays, scale);
  else
    o.update(backend, s, arrays, scale);
}

namespace detail {

/// Whether O models optimizer; where it does not, the compiler says what is missing.
template <class O, class Backend>
consteval bool require_optimizer() {
  if constexpr (has_moments<O>) {
    static_assert(has_element<O>,
                  "fewstep::elementwise_optimizer: there are moments, but void operator()(float& p, float g, float "
                  "(&m)[moments], float rate) const is missing (without m where there are none; std::int64_t step may "
                  "follow)");
  } else {
    static_assert(has_state<O, Backend>,
                  "fewstep::optimizer: template <class Backend> struct state is missing; it holds what changes from "
                  "step to step (or write a fewstep::elementwise_optimizer: static constexpr int moments, float "
                  "learning_rate, operator())");
    static_assert(has_state_bytes<O>,
                  "fewstep::optimizer: std::size_t state_bytes(index_t parameters) const is missing; it says what the "
                  "arrays of the state take, for the memory plan");
    if constexpr (has_state<O, Backend>) {
      static_assert(has_make_state<O, Backend>,
                    "fewstep::optimizer: state<Backend> make_state(Backend&, index_t parameters) const is missing");
      static_assert(
          has_update<O, Backend>,
          "fewstep::optimizer: void update(Backend&, state<Backend>&, const optimizer_arrays&, step_scale) const "
          "is missing");
    }
  }
  return optimizer<O, Backend>;
}

}  // namespace detail

}  // namespace fewstep
