// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/generator/context_rows.hpp>

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

/// What mlp_generator may be conditioned on: the type of its context, and how a context becomes columns of the
/// network's input.

namespace fewstep {

/// One of `classes` classes, counted from 0; the network sees it one-hot. -1 is no class, of which it sees zeros.
struct class_conditioning {
  using context_type = std::int32_t;

  [[nodiscard]] static context_type none() { return -1; }
  [[nodiscard]] static index_t width(index_t classes) { return classes; }
  /// A class beyond the last would be written outside of the row.
  static void check(const context_rows<context_type>& contexts, index_t classes) {
    for (index_t r = 0; classes > 0 && r < contexts.size(); ++r)
      expects(contexts[r] >= none() && contexts[r] < classes, [&] {
        return message("mlp_generator: row ", r, " has the class ", contexts[r], ", but there are ", classes, " (0 to ",
                       classes - 1, ", or ", none(), " for none)");
      });
  }
  template <class T>
  FEWSTEP_HD static void write(const context_type& number, vec<T> columns) {
    for (index_t i = 0; i < columns.size(); ++i) columns[i] = T(0);
    if (number >= 0) columns[number] = T(1);
  }
};

namespace detail {

/// Converts to float, and to nothing else that a float could be converted to.
struct only_float {
  template <std::same_as<float> T>
  operator T() const;  // NOLINT: implicit, to be tried
};

template <class T, std::size_t... I>
consteval bool made_of_floats(std::index_sequence<I...>) {
  return requires { T{((void)I, only_float{})...}; };
}

/// Whether T is an aggregate whose members, and theirs, are as many floats as fit: in one list of values without inner
/// braces each has to take a value of its own, and here only a float can.
template <class T>
consteval bool made_of_floats() {
  if constexpr (std::same_as<T, float>)
    return true;
  else if constexpr (!std::is_aggregate_v<T> || std::is_union_v<T> || sizeof(T) % sizeof(float) != 0)
    return false;
  else
    return made_of_floats<T>(std::make_index_sequence<sizeof(T) / sizeof(float)>{});
}

}  // namespace detail

/// Whether a type's bytes are floats and nothing else. The compiler finds out for an aggregate (no constructor and no
/// private member); say it of another type by
///
///   template <>
///   inline constexpr bool fewstep::is_made_of_floats<my_vector> = true;
template <class T>
inline constexpr bool is_made_of_floats = detail::made_of_floats<T>();

/// What a robot observes. `Observation` is a struct of floats and nothing else, and the network sees them in their
/// order, as they are: scale them to about 1. It may have arrays and structs of floats as members.
///
///   struct observation { float position[2], velocity[2], goal[2]; };
///   using policy = mlp_generator<cpu_backend, edm_consistency, observation_conditioning<observation>>;
template <class Observation>
struct observation_conditioning {
  static_assert(std::is_trivially_copyable_v<Observation> && alignof(Observation) == alignof(float),
                "fewstep::observation_conditioning: an observation is copied as bytes; let it be a struct of floats "
                "only, such as struct { float position[2], velocity[2]; }");
  static_assert(is_made_of_floats<Observation>,
                "fewstep::observation_conditioning: not every member of the observation is a float, an array or a "
                "struct of floats; the network would read its bits as a number. Make it one, or, if it has a "
                "constructor and floats only, say so: is_made_of_floats<Observation> = true");
  using context_type = Observation;

  /// Nothing is observed: zeros, which no observation of numbers of about 1 is taken for.
  [[nodiscard]] static context_type none() {
    return std::bit_cast<Observation>(std::array<float, static_cast<std::size_t>(floats)>{});
  }
  [[nodiscard]] static index_t width(index_t classes) {
    expects(classes == 0, [&] {
      return message("mlp_generator: classes is ", classes, ", but it is conditioned on an observation; leave it 0");
    });
    return floats;
  }
  static void check(const context_rows<context_type>&, index_t) {}
  template <class T>
  FEWSTEP_HD static void write(const context_type& observed, vec<T> columns) {
    float values[static_cast<std::size_t>(floats)];
    std::memcpy(values, &observed, sizeof(Observation));
    for (index_t i = 0; i < floats; ++i) columns[i] = static_cast<T>(values[i]);
  }

 private:
  static constexpr index_t floats = sizeof(Observation) / sizeof(float);
};

}  // namespace fewstep
