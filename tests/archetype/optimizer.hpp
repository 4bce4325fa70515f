// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/optimizer/optimizer.hpp>

#include <cstddef>
#include <type_traits>

/// The smallest model of fewstep::optimizer, and models that lack one requirement each.
namespace optimizer_archetype {

using fewstep::cpu_backend;
using fewstep::index_t;

enum class drop { nothing, state, make_state, state_type, state_bytes, update, const_update, result, scale };

template <class Backend>
struct memory_of {
  memory_of(const memory_of&) = delete;
};
template <drop D>
struct state_of {
  template <class Backend>
  using state = memory_of<Backend>;
};
template <>
struct state_of<drop::state> {};

template <drop D = drop::nothing>
struct archetype : state_of<D> {
  archetype() = delete;
  archetype(const archetype&) = delete;
  archetype& operator=(const archetype&) = delete;

  using memory = memory_of<cpu_backend>;
  std::conditional_t<D == drop::state_type, int, memory> make_state(cpu_backend&, index_t) const
      requires(D != drop::make_state);

  std::size_t state_bytes(index_t) const requires(D != drop::state_bytes);

  using arrays = fewstep::optimizer_arrays;
  std::conditional_t<D == drop::result, int, void> update(cpu_backend&, memory&, const arrays&,
                                                          fewstep::step_scale) const
      requires(D != drop::update && D != drop::const_update && D != drop::scale);
  void update(cpu_backend&, memory&, const arrays&, fewstep::step_scale) requires(D == drop::const_update);
  void update(cpu_backend&, memory&, const arrays&) const requires(D == drop::scale);
};

}  // namespace optimizer_archetype

/// The smallest model of fewstep::elementwise_optimizer, and models that lack one requirement each.
namespace elementwise_archetype {

enum class drop { nothing, moments, learning_rate, element, const_element, moment };

template <drop D>
struct moments_of {
  static constexpr int moments = 1;
};
template <>
struct moments_of<drop::moments> {};
template <drop D>
struct rate_of {
  float learning_rate;
};
template <>
struct rate_of<drop::learning_rate> {};

template <drop D = drop::nothing>
struct archetype : moments_of<D>, rate_of<D> {
  archetype() = delete;
  archetype& operator=(const archetype&) = delete;

  void operator()(float&, float, float (&)[1], float) const
      requires(D != drop::element && D != drop::const_element && D != drop::moment);
  void operator()(float&, float, float (&)[1], float) requires(D == drop::const_element);
  void operator()(float&, float, float) const requires(D == drop::moment);
};

}  // namespace elementwise_archetype
