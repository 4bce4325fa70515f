// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

namespace fewstep {

/// The 8-bit floating-point formats of model files (OCP OFP8, revision 1.0; "F8_E4M3" and "F8_E5M2" in safetensors), as
/// bit patterns, to float. Exact, since a float holds every one of their values.

namespace detail {

/// A sign, `exponent_bits` of exponent with the bias 2^(exponent_bits - 1) - 1, and the rest fraction. No specials.
template <int exponent_bits>
[[nodiscard]] constexpr float finite_float8(std::uint8_t pattern) {
  constexpr int fraction_bits = 7 - exponent_bits, bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = (pattern & 0x7f) >> fraction_bits, fraction = pattern & ((1 << fraction_bits) - 1);
  const bool is_normal = exponent > 0;
  const int significand = is_normal ? fraction + (1 << fraction_bits) : fraction;
  const int power = (is_normal ? exponent : 1) - bias - fraction_bits;  // 2^power is a normal float
  const auto unit = std::bit_cast<float>(static_cast<std::uint32_t>(power + 127) << 23);
  const float magnitude = static_cast<float>(significand) * unit;
  return (pattern & 0x80) != 0 ? -magnitude : magnitude;
}

}  // namespace detail

/// 4 exponent and 3 fraction bits; no infinity, S.1111.111 is NaN. The largest number is 448.
[[nodiscard]] constexpr float float8_e4m3_to_float(std::uint8_t pattern) {
  if ((pattern & 0x7f) == 0x7f) return std::numeric_limits<float>::quiet_NaN();
  return detail::finite_float8<4>(pattern);
}

/// 5 exponent and 2 fraction bits, with infinities and NaN as IEEE 754 has them. The largest number is 57344.
[[nodiscard]] constexpr float float8_e5m2_to_float(std::uint8_t pattern) {
  if ((pattern & 0x7f) > 0x7c) return std::numeric_limits<float>::quiet_NaN();
  if ((pattern & 0x7f) == 0x7c)
    return (pattern & 0x80) != 0 ? -std::numeric_limits<float>::infinity() : std::numeric_limits<float>::infinity();
  return detail::finite_float8<5>(pattern);
}

}  // namespace fewstep
