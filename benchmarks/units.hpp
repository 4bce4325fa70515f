// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdio>
#include <iterator>
#include <string>

/// A number below 1000 with three digits: "0.46", "46.1", "461".
inline std::string three_digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", value < 9.995 ? 2 : value < 99.95 ? 1 : 0, value);
  return text;
}

/// "46.1 us".
inline std::string duration_text(double seconds) {
  constexpr const char* units[] = {" ns", " us", " ms"};
  double value = seconds * 1e9;
  for (const char* unit : units) {
    if (value < 999.5) return three_digits(value) + unit;
    value /= 1000;
  }
  return three_digits(value) + " s";
}

/// "68.7 GB/s".
inline std::string scaled_text(double value, const char* unit) {
  constexpr const char* prefixes[] = {"", "k", "M", "G", "T"};
  std::size_t i = 0;
  for (; value >= 999.5 && i + 1 < std::size(prefixes); ++i) value /= 1000;
  return three_digits(value) + " " + prefixes[i] + unit;
}
