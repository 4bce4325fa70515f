// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/elementary.hpp>

#include <cstdint>

namespace fewstep {

/// The 16-bit floating-point formats of model files and stored states, as bit patterns. Conversions from float round to
/// nearest, ties to even; too large becomes infinity. The other way is exact. A NaN stays a NaN and keeps what fits of
/// its payload, so every 16-bit pattern survives the way to float and back. Free of branches, so that loops over them
/// vectorise.

namespace detail {

inline constexpr std::uint32_t infinity_bits = 0x7f800000u;
/// To the exponent of a float from that of a binary16, whose bias is 15 instead of 127.
inline constexpr std::uint32_t half_exponent_offset = 112u << 23;
/// 0.5: the floats from here on are apart by 2^-24, the smallest number of a binary16.
inline constexpr std::uint32_t one_half = 0x3f000000u;

/// a or b, chosen by a mask of bits, as of floats.
FEWSTEP_HD constexpr std::uint32_t select(bool condition, std::uint32_t a, std::uint32_t b) {
  const std::uint32_t mask = 0u - static_cast<std::uint32_t>(condition);
  return (a & mask) | (b & ~mask);
}

}  // namespace detail

/// IEEE 754 binary16 (1 sign, 5 exponent, 10 fraction bits) to float.
[[nodiscard]] FEWSTEP_HD constexpr float half_to_float(std::uint16_t half) {
  using namespace detail;
  const std::uint32_t sign = (half & 0x8000u) << 16, magnitude = half & 0x7fffu;
  const std::uint32_t subnormal = bits_of(float_of(one_half + magnitude) - 0.5f);
  const std::uint32_t special = select(magnitude >= 0x7c00u, half_exponent_offset, 0u);  // infinities and NaN
  const std::uint32_t normal = (magnitude << 13) + half_exponent_offset + special;
  return float_of(sign | select(magnitude < 0x400u, subnormal, normal));
}

/// Float to IEEE 754 binary16.
[[nodiscard]] FEWSTEP_HD constexpr std::uint16_t float_to_half(float value) {
  using namespace detail;
  constexpr std::uint32_t least_normal = 0x38800000u;  // 2^-14
  const std::uint32_t bits = bits_of(value), sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7fffffffu;
  const std::uint32_t small = magnitude < least_normal ? magnitude : least_normal;
  const std::uint32_t subnormal = bits_of(float_of(small) + 0.5f) - one_half;  // the addition rounds
  const std::uint32_t rounded = (magnitude - half_exponent_offset + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  const std::uint32_t normal = rounded < 0x7c00u ? rounded : 0x7c00u;  // else infinity
  const std::uint32_t payload = (magnitude >> 13) & 0x3ffu;
  const std::uint32_t quiet = 0x7c00u | payload | select(payload == 0, 0x200u, 0u);
  const std::uint32_t number = select(magnitude < least_normal, subnormal, normal);
  return static_cast<std::uint16_t>(sign | select(magnitude > infinity_bits, quiet, number));
}

/// bfloat16 (the upper half of a float) to float.
[[nodiscard]] FEWSTEP_HD constexpr float bfloat16_to_float(std::uint16_t pattern) {
  return detail::float_of(static_cast<std::uint32_t>(pattern) << 16);
}

/// Float to bfloat16.
[[nodiscard]] FEWSTEP_HD constexpr std::uint16_t float_to_bfloat16(float value) {
  using namespace detail;
  const std::uint32_t bits = bits_of(value), upper = bits >> 16;
  const std::uint32_t quiet = upper | select((upper & 0x7fu) == 0, 0x40u, 0u);
  const std::uint32_t rounded = (bits + 0x7fffu + (upper & 1u)) >> 16;
  return static_cast<std::uint16_t>(select((bits & 0x7fffffffu) > infinity_bits, quiet, rounded));
}

}  // namespace fewstep
