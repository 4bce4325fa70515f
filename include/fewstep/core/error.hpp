// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <limits>
#include <locale>
#include <source_location>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

namespace fewstep {

namespace detail {

/// What is printed for a value: itself, but NaN without its sign, which depends on how a compiler arranged the
/// arithmetic.
template <class Value>
[[nodiscard]] decltype(auto) printable(const Value& value) {
  if constexpr (std::is_floating_point_v<Value>)
    return std::isnan(value) ? std::numeric_limits<Value>::quiet_NaN() : value;
  else
    return (value);
}

}  // namespace detail

/// Joins its arguments with operator<< into one message, e.g. message("horizon is ", 1, "; use horizon >= 2").
template <class... Parts>
[[nodiscard, gnu::cold]] std::string message(const Parts&... parts) {
  std::ostringstream text;
  text.imbue(std::locale::classic());  // a program's own locale would group digits
  (text << ... << detail::printable(parts));
  return std::move(text).str();
}

namespace detail {

[[noreturn, gnu::cold]] inline void refuse(std::string_view sentence, const std::source_location& where) {
  const std::string_view path = where.file_name();
  throw std::invalid_argument(message(sentence, " [", path.substr(path.rfind('/') + 1), ":", where.line(), "]"));
}

}  // namespace detail

/// Throws std::invalid_argument unless the condition holds.
/// The sentence names the thing, its value and the remedy; file and line of the check are appended in brackets.
/// Costly sentences belong into the callable overload, which is evaluated only on failure.
inline void expects(bool condition, std::string_view sentence,
                    std::source_location where = std::source_location::current()) {
  if (!condition) detail::refuse(sentence, where);
}

/// As above; `describe()` returns the sentence and runs only on failure.
template <class Describe>
requires requires(const Describe& describe) { std::string(describe()); }
void expects(bool condition, const Describe& describe, std::source_location where = std::source_location::current()) {
  if (!condition) detail::refuse(std::string_view(describe()), where);
}

}  // namespace fewstep
