// SPDX-License-Identifier: Apache-2.0
#include <fewstep/core/half.hpp>

#include "test.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

/// The value of a 16-bit pattern from the definition of the format, in double.
double value_of(std::uint16_t pattern, int exponent_bits, int fraction_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = (pattern >> fraction_bits) & ((1 << exponent_bits) - 1);
  const int fraction = pattern & ((1 << fraction_bits) - 1);
  const double sign = (pattern & 0x8000) != 0 ? -1 : 1;
  if (exponent == (1 << exponent_bits) - 1) return fraction != 0 ? std::nan("") : sign * HUGE_VAL;
  const double significand = fraction + (exponent > 0 ? 1 << fraction_bits : 0);
  return sign * std::ldexp(significand, (exponent > 0 ? exponent : 1) - bias - fraction_bits);
}

/// Checks every pattern, and the rounding at, just below and just above the middle of every two neighbours. As rounding
/// never decreases, that settles all floats.
template <class ToFloat, class FromFloat>
void check_format(int exponent_bits, int fraction_bits, ToFloat to_float, FromFloat from_float) {
  const unsigned top = ((1u << exponent_bits) - 1) << fraction_bits;
  int wrong = 0;
  for (unsigned pattern = 0; pattern < 65536; ++pattern) {
    const auto bits = static_cast<std::uint16_t>(pattern);
    const double expected = value_of(bits, exponent_bits, fraction_bits);
    const float got = to_float(bits);
    const bool same = std::isnan(expected)
                          ? std::isnan(got)
                          : static_cast<double>(got) == expected && std::signbit(got) == std::signbit(expected);
    if (!same || from_float(got) != bits) ++wrong;
  }
  CHECK(wrong == 0);

  for (unsigned low = 0; low < top; ++low) {
    const auto even = static_cast<std::uint16_t>((low & 1u) == 0 ? low : low + 1);
    const double below = value_of(static_cast<std::uint16_t>(low), exponent_bits, fraction_bits);
    const double above = low + 1 < top
                             ? value_of(static_cast<std::uint16_t>(low + 1), exponent_bits, fraction_bits)
                             : 2 * below - value_of(static_cast<std::uint16_t>(low - 1), exponent_bits, fraction_bits);
    const auto middle = static_cast<float>((below + above) / 2);
    if (static_cast<double>(middle) != (below + above) / 2) continue;  // bfloat16's smallest: below float's grid
    for (const float sign : {1.0f, -1.0f}) {
      const unsigned mark = sign < 0 ? 0x8000u : 0u;
      if (from_float(sign * middle) != (even | mark)) ++wrong;
      if (from_float(sign * std::nextafter(middle, 0.0f)) != (low | mark)) ++wrong;
      if (from_float(sign * std::nextafter(middle, infinity)) != ((low + 1) | mark)) ++wrong;
    }
  }
  CHECK(wrong == 0);

  // It never decreases.
  unsigned before = 0;
  for (std::uint32_t bits = 0; bits <= 0x7f800000u; bits += 4099) {
    const unsigned pattern = from_float(std::bit_cast<float>(bits));
    if (pattern < before || from_float(std::bit_cast<float>(bits | 0x80000000u)) != (pattern | 0x8000u)) ++wrong;
    before = pattern;
  }
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("binary16: every pattern survives, every float rounds to nearest even") {
  check_format(5, 10, fewstep::half_to_float, fewstep::float_to_half);
}

TEST_CASE("bfloat16: every pattern survives, every float rounds to nearest even") {
  check_format(8, 7, fewstep::bfloat16_to_float, fewstep::float_to_bfloat16);
}

TEST_CASE("binary16: known values") {
  using fewstep::float_to_half;
  CHECK(float_to_half(1.0f) == 0x3c00);
  CHECK(float_to_half(-2.0f) == 0xc000);
  CHECK(float_to_half(0.1f) == 0x2e66);
  CHECK(float_to_half(65504.0f) == 0x7bff);
  CHECK(float_to_half(65519.996f) == 0x7bff);
  CHECK(float_to_half(65520.0f) == 0x7c00);
  CHECK(float_to_half(5.9604645e-8f) == 0x0001);
  CHECK(float_to_half(6.1035156e-5f) == 0x0400);
  CHECK(float_to_half(-0.0f) == 0x8000);
  CHECK(float_to_half(-infinity) == 0xfc00);
  CHECK(float_to_half(std::numeric_limits<float>::denorm_min()) == 0);
  CHECK(std::isnan(fewstep::half_to_float(float_to_half(std::numeric_limits<float>::quiet_NaN()))));
  CHECK(std::isnan(fewstep::half_to_float(float_to_half(std::bit_cast<float>(0x7f800001u)))));
  CHECK(std::isnan(fewstep::bfloat16_to_float(fewstep::float_to_bfloat16(std::bit_cast<float>(0x7f800001u)))));
  CHECK(fewstep::float_to_bfloat16(3.14159265f) == 0x4049);
  CHECK(fewstep::float_to_bfloat16(std::numeric_limits<float>::max()) == 0x7f80);
}

#if defined(__FLT16_MAX__)
TEST_CASE("binary16 agrees with the compiler's own type") {
  __extension__ using compiler_half = _Float16;
  const std::uint32_t seed = 20240601;
  CAPTURE(seed);
  std::mt19937 random(seed);
  int wrong = 0;
  for (int i = 0; i < 500000; ++i) {
    const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (std::isnan(value)) continue;
    const auto expected = std::bit_cast<std::uint16_t>(static_cast<compiler_half>(value));
    if (fewstep::float_to_half(value) != expected) ++wrong;
    if (fewstep::half_to_float(expected) != static_cast<float>(std::bit_cast<compiler_half>(expected))) ++wrong;
  }
  CHECK(wrong == 0);
}
#endif
