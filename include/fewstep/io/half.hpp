// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>

namespace fewstep {

/// The 16-bit floating-point formats of model files, as bit patterns. Conversions from float round to nearest, ties to
/// even; too large becomes infinity. The other way is exact. A NaN stays a NaN and keeps what fits of its payload, so
/// every 16-bit pattern survives the way to float and back.

/// IEEE 754 binary16 (1 sign, 5 exponent, 10 fraction bits) to float.
[[nodiscard]] constexpr float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000u) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1fu;
  std::uint32_t fraction = half & 0x3ffu;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | (fraction << 13));
  if (exponent > 0) return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
  if (fraction == 0) return std::bit_cast<float>(sign);
  const auto shift = static_cast<std::uint32_t>(std::countl_zero(fraction)) - 21;
  fraction = (fraction << shift) & 0x3ffu;
  return std::bit_cast<float>(sign | ((113 - shift) << 23) | (fraction << 13));
}

/// Float to IEEE 754 binary16.
[[nodiscard]] constexpr std::uint16_t float_to_half(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  const auto with_sign = [sign](std::uint32_t pattern) { return static_cast<std::uint16_t>(sign | pattern); };

  if (magnitude > 0x7f800000u) {
    const std::uint32_t payload = (magnitude >> 13) & 0x3ffu;
    return with_sign(0x7c00u | (payload != 0 ? payload : 0x200u));
  }
  if (magnitude >= 0x477ff000u) return with_sign(0x7c00u);  // from 65520 = 65504 + half a unit: infinity
  if (magnitude >= 0x38800000u)                             // from 2^-14: normal
    return with_sign(((magnitude + 0xfffu + ((magnitude >> 13) & 1u)) >> 13) - (112u << 10));
  if (magnitude <= 0x33000000u) return with_sign(0);  // up to 2^-25, half of the smallest subnormal

  const std::uint32_t shift = 126 - (magnitude >> 23);
  const std::uint32_t significand = (magnitude & 0x7fffffu) | 0x800000u;
  const std::uint32_t rest = significand & ((1u << shift) - 1);
  const std::uint32_t tie = 1u << (shift - 1);
  std::uint32_t units = significand >> shift;
  if (rest > tie || (rest == tie && (units & 1u) != 0)) ++units;
  return with_sign(units);
}

/// bfloat16 (the upper half of a float) to float.
[[nodiscard]] constexpr float bfloat16_to_float(std::uint16_t pattern) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(pattern) << 16);
}

/// Float to bfloat16.
[[nodiscard]] constexpr std::uint16_t float_to_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) {
    const std::uint32_t upper = bits >> 16;
    return static_cast<std::uint16_t>((upper & 0x7fu) != 0 ? upper : (upper | 0x40u));
  }
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace fewstep
