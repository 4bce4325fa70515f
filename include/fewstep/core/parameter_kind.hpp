// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>

#include <cstdint>

namespace fewstep {

/// What a parameter is for, which an optimizer may treat differently: weight decay, as published for transformers,
/// leaves out biases and gains.
enum class parameter_kind : std::uint8_t {
  weight,  ///< of a product or a convolution
  bias,    ///< added
  gain,    ///< of a normalisation, multiplied
  table,   ///< of an embedding: rows that are looked up
  scale,   ///< one number for a whole output, as the temperature of a contrastive loss
};

/// A set of them: parameter_kind::weight | parameter_kind::table.
struct parameter_kinds {
  std::uint8_t bits = 0;

  constexpr parameter_kinds() = default;
  constexpr parameter_kinds(parameter_kind one)  // NOLINT: implicit, one kind is a set
      : bits(static_cast<std::uint8_t>(1u << static_cast<unsigned>(one))) {}

  [[nodiscard]] FEWSTEP_HD constexpr bool holds(parameter_kind kind) const {
    return (static_cast<unsigned>(bits) >> static_cast<unsigned>(kind) & 1u) != 0;
  }
  friend constexpr parameter_kinds operator|(parameter_kinds a, parameter_kinds b) {
    a.bits = static_cast<std::uint8_t>(a.bits | b.bits);
    return a;
  }
  friend constexpr bool operator==(parameter_kinds, parameter_kinds) = default;
};
/// Found for two kinds, which are no sets yet.
[[nodiscard]] constexpr parameter_kinds operator|(parameter_kind a, parameter_kind b) {
  return parameter_kinds(a) | parameter_kinds(b);
}

inline constexpr parameter_kinds every_parameter = parameter_kind::weight | parameter_kind::bias |
                                                   parameter_kind::gain | parameter_kind::table | parameter_kind::scale;
/// All but biases and gains.
inline constexpr parameter_kinds weights_and_tables = parameter_kind::weight | parameter_kind::table;

}  // namespace fewstep
