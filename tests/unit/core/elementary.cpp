// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/core/elementary.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

using fewstep::exp_float;
using fewstep::log_float;

static_assert(exp_float(0.0f) == 1.0f);
static_assert(log_float(1.0f) == 0.0f);

namespace {
constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
}  // namespace

TEST_CASE("exp_float agrees with the double exponential") {
  double worst = 0;
  for (double x = -87; x < 88.7; x += 2.3e-4) {
    const auto argument = static_cast<float>(x);
    const double expected = std::exp(static_cast<double>(argument));
    worst = std::max(worst, std::abs(static_cast<double>(exp_float(argument)) - expected) / expected);
  }
  CAPTURE(worst);
  CHECK(worst < 1.2e-7);
  for (float x = -103.0f; x < -87.0f; x += 0.01f) {
    CAPTURE(x);
    CHECK(std::abs(static_cast<double>(exp_float(x)) - std::exp(static_cast<double>(x))) < 1.01 * 1.401298464e-45);
  }
}

TEST_CASE("exp_float at the ends of its range") {
  CHECK(exp_float(infinity) == infinity);
  CHECK(exp_float(88.73f) == infinity);
  CHECK(std::isfinite(exp_float(88.72f)));
  CHECK(exp_float(-infinity) == 0.0f);
  CHECK(exp_float(-200.0f) == 0.0f);
  CHECK(std::isnan(exp_float(not_a_number)));
}

TEST_CASE("log_float agrees with the double logarithm") {
  double worst = 0;
  for (double exponent = -87; exponent < 88; exponent += 3.1e-4) {
    const auto argument = static_cast<float>(std::exp(exponent));
    const double expected = std::log(static_cast<double>(argument));
    if (expected == 0) continue;
    worst = std::max(worst, std::abs(static_cast<double>(log_float(argument)) - expected) / std::abs(expected));
  }
  for (std::uint32_t bits = 0x3f000000u; bits < 0x3fc00000u; bits += 31) {  // around 1, where it has its zero
    const float argument = fewstep::detail::float_of(bits);
    const double expected = std::log(static_cast<double>(argument));
    if (expected == 0) continue;
    worst = std::max(worst, std::abs(static_cast<double>(log_float(argument)) - expected) / std::abs(expected));
  }
  CAPTURE(worst);
  CHECK(worst < 1.2e-7);
  CHECK(log_float(1e-40f) == Approx(std::log(static_cast<double>(1e-40f))).epsilon(1e-7));
  CHECK(log_float(0.0f) == -infinity);
  CHECK(log_float(infinity) == infinity);
  CHECK(std::isnan(log_float(-1.0f)));
  CHECK(std::isnan(log_float(not_a_number)));
}

TEST_CASE("sincos_2pi agrees with double sine and cosine and is exact at quarter turns") {
  double worst = 0;
  for (double u = -3; u < 3; u += 1.3e-5) {
    const auto turns = static_cast<float>(u);
    const auto [sine, cosine] = fewstep::sincos_2pi(turns);
    const double angle = 2 * std::acos(-1.0) * static_cast<double>(turns);
    worst = std::max(worst, std::abs(static_cast<double>(sine) - std::sin(angle)));
    worst = std::max(worst, std::abs(static_cast<double>(cosine) - std::cos(angle)));
  }
  CAPTURE(worst);
  CHECK(worst < 1.5e-7);
  const float sines[] = {0, 1, 0, -1};
  for (int quarter = 0; quarter < 8; ++quarter) {
    const auto [sine, cosine] = fewstep::sincos_2pi(0.25f * static_cast<float>(quarter));
    CHECK(sine == sines[quarter % 4]);
    CHECK(cosine == sines[(quarter + 1) % 4]);
  }
}

TEST_CASE("sqrt_float agrees with the double square root") {
  double worst = 0;
  for (double x = 1e-30; x < 1e30; x *= 1.0013) {
    const auto argument = static_cast<float>(x);
    const double expected = std::sqrt(static_cast<double>(argument));
    worst = std::max(worst, std::abs(static_cast<double>(fewstep::sqrt_float(argument)) - expected) / expected);
  }
  CAPTURE(worst);
  CHECK(worst < 1.3e-7);
  CHECK(fewstep::sqrt_float(0.0f) == 0.0f);
  CHECK(fewstep::sqrt_float(INFINITY) == INFINITY);
}

TEST_CASE("elementary functions have the same bits in a vectorised loop, in its tail and alone") {
  constexpr std::size_t n = 1003;
  std::vector<float> x(n), e(n), l(n), s(n), c(n), r(n);
  // Hidden, as what the compiler works out by itself is not rounded as the processor's fused instructions do.
  volatile float step = 0.0317f;
  for (std::size_t i = 0; i < n; ++i) x[i] = 0.01f + step * static_cast<float>(i);
  for (std::size_t i = 0; i < n; ++i) e[i] = exp_float(x[i]);
  for (std::size_t i = 0; i < n; ++i) l[i] = log_float(x[i]);
  for (std::size_t i = 0; i < n; ++i) {
    const auto value = fewstep::sincos_2pi(x[i]);
    s[i] = value.sin;
    c[i] = value.cos;
  }
  for (std::size_t i = 0; i < n; ++i) r[i] = fewstep::sqrt_float(x[i]);
  for (std::size_t i = 0; i < n; ++i) {
    volatile float hidden = x[i];
    const float alone = hidden;
    CAPTURE(i, alone);
    CHECK(e[i] == exp_float(alone));
    CHECK(l[i] == log_float(alone));
    CHECK(s[i] == fewstep::sincos_2pi(alone).sin);
    CHECK(c[i] == fewstep::sincos_2pi(alone).cos);
    CHECK(r[i] == fewstep::sqrt_float(alone));
  }
}

TEST_CASE("sigmoid and the typed functions") {
  CHECK(fewstep::sigmoid(0.0f) == 0.5f);
  CHECK(fewstep::sigmoid(200.0f) == 1.0f);
  CHECK(fewstep::sigmoid(-200.0f) == 0.0f);
  CHECK(fewstep::sigmoid(1.7) == Approx(1 / (1 + std::exp(-1.7))).epsilon(1e-15));
  CHECK(fewstep::exp_of(1.25) == std::exp(1.25));
  CHECK(fewstep::exp_of(1.25f) == exp_float(1.25f));
  CHECK(fewstep::log_of(1.25) == std::log(1.25));
}
