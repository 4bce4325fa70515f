// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string>
#include <system_error>
#include <vector>

namespace fewstep::detail {

[[nodiscard]] inline std::string decimal(double value, int digits) {
  std::array<char, 64> text{};
  const auto result = std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed, digits);
  return result.ec == std::errc{} ? std::string(text.data(), result.ptr) : "0";
}

/// Marks at multiples of 1, 2 or 5 times a power of ten that cover at most `most` steps of [low, high].
struct axis_ticks {
  double low;  ///< the axis, widened to whole steps where `round_out`
  double high;
  double step;

  axis_ticks(double from, double to, int most, bool round_out) : low(from), high(to), step(1) {
    if (!(low <= high)) low = 0, high = 1;
    if (const double size = std::max(std::abs(low), std::abs(high)); high - low < std::max(1e-12 * size, 1e-290)) {
      const double room = size < 1e-290 ? 1 : 0.1 * size;
      low -= room;
      high += room;
    }
    const double raw = (high - low) / most;
    const double power = std::pow(10.0, std::floor(std::log10(raw)));
    for (const double factor : {1.0, 2.0, 5.0, 10.0})
      if (factor * power >= raw * (1 - 1e-9)) {
        step = factor * power;
        break;
      }
    if (round_out) {
      low = std::floor(low / step + 1e-9) * step;
      high = std::ceil(high / step - 1e-9) * step;
    }
  }

  [[nodiscard]] std::vector<double> positions() const {
    std::vector<double> marks;
    const double first = std::ceil(low / step - 1e-9);
    for (int i = 0; (first + i) * step <= high + 1e-9 * step && i < 100; ++i) marks.push_back((first + i) * step);
    return marks;
  }

  /// The mark's text, with no more digits than the step needs; a true minus sign.
  [[nodiscard]] std::string label(double value) const {
    if (std::abs(value) < 1e-9 * step) value = 0;
    std::string text;
    if (const double size = std::max(std::abs(low), std::abs(high)); size >= 1e7 || size < 1e-4) {
      if (value == 0) return "0";
      std::array<char, 32> digits{};
      const int places = std::max(
          0, static_cast<int>(std::floor(std::log10(std::abs(value)) + 1e-9) - std::floor(std::log10(step) + 1e-9)));
      const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), std::abs(value),
                                     std::chars_format::scientific, std::min(places, 15));
      text.assign(digits.data(), end.ptr);
    } else {
      text = decimal(std::abs(value), std::max(0, static_cast<int>(-std::floor(std::log10(step) + 1e-9))));
      const auto whole = std::min(text.find('.'), text.size());
      if (whole > 4)  // thin spaces between thousands, from 10 000
        for (auto at = whole; at > 3;) text.insert(at -= 3, "\u2009");
    }
    return (value < 0 ? "\u2212" : "") + text;
  }
};

}  // namespace fewstep::detail
