// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include <locale.h>
#if __has_include(<xlocale.h>)
#include <xlocale.h>  // where macOS declares newlocale and uselocale
#endif

namespace fewstep {

/// The number that the whole of `text` is, rounded to the nearest double; nullopt where it is none. The notation is
/// that of std::from_chars (libc++ 19 has it for integers only), whatever the locale: an optional minus, digits with an
/// optional point, an optional exponent; or inf, or nan. What is too large is infinite, what is too small is 0.
[[nodiscard]] inline std::optional<double> parse_number(std::string_view text) {
  // strtod takes more: blanks and a plus before the number, and hexadecimal digits.
  const std::size_t first = text.starts_with('-') ? 1 : 0;
  if (first == text.size() || std::string_view("0123456789.iInN").find(text[first]) == text.npos) return {};
  if (text.find_first_of("xX") != text.npos) return {};

  static const locale_t plain = newlocale(LC_ALL_MASK, "C", nullptr);
  const std::string terminated(text);
  char* end = nullptr;
  const locale_t before = uselocale(plain);
  const double value = std::strtod(terminated.c_str(), &end);
  uselocale(before);
  if (end != terminated.c_str() + terminated.size()) return {};
  return value;
}

}  // namespace fewstep
