// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>

#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>

/// Single-precision elementary functions whose bits do not depend on where in an array an element stands.
///
/// A vectorising compiler may call one exp inside a packet and another for the rest of the loop, and the two differ in
/// the last bit. These are branch-free polynomials in plain C++ (argument reductions and coefficients of the Cephes
/// library by S. Moshier), so a plain loop over them vectorises and each element has the same value in a packet, in the
/// tail and alone. Every sum has at most one product among its operands, which leaves a compiler that contracts into
/// fused multiply-adds one way only to do it.
namespace fewstep {

namespace detail {

FEWSTEP_HD constexpr std::uint32_t bits_of(float x) { return __builtin_bit_cast(std::uint32_t, x); }
FEWSTEP_HD constexpr float float_of(std::uint32_t bits) { return __builtin_bit_cast(float, bits); }

/// a or b, chosen by a mask of bits: g++ makes a branch of a ?: whose arms compute something, and no packets of the
/// loop around it. Both arms must be defined for any argument.
FEWSTEP_HD constexpr float select(bool condition, float a, float b) {
  const std::uint32_t mask = 0u - static_cast<std::uint32_t>(condition);
  return float_of((bits_of(a) & mask) | (bits_of(b) & ~mask));
}

/// 1.5 * 2^23: added to |x| < 2^22 it rounds x to the nearest integer, which then stands in the low bits.
inline constexpr float rounding_offset = 12582912.0f;

// Constants of their own: device code may read a constant, but may not call std::numeric_limits.
inline constexpr float smallest_normal = std::numeric_limits<float>::min();
inline constexpr float largest_float = std::numeric_limits<float>::max();
inline constexpr float infinity = std::numeric_limits<float>::infinity();
inline constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

/// 2^exponent for exponents of normal numbers.
FEWSTEP_HD constexpr float power_of_two(std::int32_t exponent) {
  return float_of((static_cast<std::uint32_t>(exponent) + 127u) << 23);
}

/// log(x) of a positive normal x; no other argument is looked after.
FEWSTEP_HD constexpr float log_of_normal(float x) {
  constexpr std::uint32_t sqrt_half = 0x3f3504f3u;
  const std::uint32_t offset = bits_of(x) - sqrt_half;
  const float e = static_cast<float>(static_cast<std::int32_t>(offset) >> 23);
  const float f = float_of((offset & 0x007fffffu) + sqrt_half) - 1.0f;
  float p = 7.0376836292e-2f;
  p = p * f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  p = p * f - 0.5f;
  const float log_mantissa = p * (f * f) + f;
  const float low = e * -2.12194440e-4f + log_mantissa;
  return e * 0.693359375f + low;
}

}  // namespace detail

/// e^x to about one unit in the last place; exactly 1 at 0, 0 and infinity beyond the range, subnormals where they
/// belong, NaN for NaN.
FEWSTEP_HD constexpr float exp_float(float x) {
  x = detail::select(x > 89.0f, 89.0f, x);
  x = detail::select(x < -104.0f, -104.0f, x);
  const float shifted = x * 1.44269504088896341f + detail::rounding_offset;
  const float n = shifted - detail::rounding_offset;
  const auto k = static_cast<std::int32_t>(detail::bits_of(shifted) - detail::bits_of(detail::rounding_offset));
  float r = x - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  const float y = (p * (r * r) + r) + 1.0f;
  const std::int32_t half = k >> 1;
  return y * detail::power_of_two(half) * detail::power_of_two(k - half);
}

/// Natural logarithm to about one unit in the last place; -infinity at 0, NaN below, infinity at infinity.
FEWSTEP_HD constexpr float log_float(float x) {
  const bool subnormal = x < detail::smallest_normal;
  const float scaled = detail::select(subnormal, x * 8388608.0f, x);
  const float correction = detail::select(subnormal, -15.942385152878742f, 0.0f);
  float y = detail::log_of_normal(scaled) + correction;
  y = detail::select(x == detail::infinity, x, y);
  y = detail::select(x == 0.0f, -detail::infinity, y);
  return detail::select(x >= 0.0f, y, detail::not_a_number);
}

/// Square root of x >= 0 to about one unit in the last place (std::sqrt may set errno, which keeps a loop from
/// vectorising). Relative precision holds for normal numbers.
FEWSTEP_HD constexpr float sqrt_float(float x) {
  const float half = 0.5f * x;
  float y = detail::float_of(0x5f3759dfu - (detail::bits_of(x) >> 1));
  y = y * (1.5f - (half * y) * y);
  y = y * (1.5f - (half * y) * y);
  y = y * (1.5f - (half * y) * y);
  const float root = x * y;
  const float rest = x - root * root;
  return detail::select(x == detail::infinity, x, (0.5f * y) * rest + root);
}

struct sin_cos {
  float sin, cos;
};

/// sin and cos of 2 pi u, |u| < 2^20, to about 1e-7: angles in turns reduce without error.
FEWSTEP_HD constexpr sin_cos sincos_2pi(float u) {
  const float shifted = u * 4.0f + detail::rounding_offset;
  const std::uint32_t quadrant = detail::bits_of(shifted) - detail::bits_of(detail::rounding_offset);
  const float angle = (u - (shifted - detail::rounding_offset) * 0.25f) * 6.28318530717958648f;
  const float z = angle * angle;
  float s = -1.9515295891e-4f;
  s = s * z + 8.3321608736e-3f;
  s = s * z - 1.6666654611e-1f;
  s = (s * z) * angle + angle;
  float c = 2.443315711809948e-5f;
  c = c * z - 1.388731625493765e-3f;
  c = c * z + 4.166664568298827e-2f;
  c = c * z - 0.5f;
  c = c * z + 1.0f;
  const std::uint32_t swapped = (detail::bits_of(s) ^ detail::bits_of(c)) & (0u - (quadrant & 1u));
  const std::uint32_t sine = detail::bits_of(s) ^ swapped;
  const std::uint32_t cosine = detail::bits_of(c) ^ swapped;
  return {detail::float_of(sine ^ ((quadrant & 2u) << 30)), detail::float_of(cosine ^ (((quadrant + 1u) & 2u) << 30))};
}

/// e^x in the precision of its argument: exp_float for float, std::exp for double.
template <std::floating_point Real>
FEWSTEP_HD constexpr Real exp_of(Real x) {
  if constexpr (std::same_as<Real, float>)
    return exp_float(x);
  else
    return std::exp(x);
}

/// ln x in the precision of its argument.
template <std::floating_point Real>
FEWSTEP_HD constexpr Real log_of(Real x) {
  if constexpr (std::same_as<Real, float>)
    return log_float(x);
  else
    return std::log(x);
}

/// 1 / (1 + e^-x); 0 and 1 far out.
template <std::floating_point Real>
FEWSTEP_HD constexpr Real sigmoid(Real x) {
  return Real(1) / (Real(1) + exp_of(-x));
}

}  // namespace fewstep
