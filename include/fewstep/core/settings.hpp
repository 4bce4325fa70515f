// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/published.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <functional>
#include <limits>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

/// What may be set, said once. A struct of options, or a part that has some, names each of its numbers and says where
/// it may lie:
///
///     static constexpr std::string_view name = "sgd";
///     template <class Visitor>
///     void settings(Visitor& visit) const {
///       visit("learning_rate", learning_rate, at_least(0));
///       visit("momentum", momentum, at_least(0).below(1));
///     }
///
/// checked(options) refuses a number that lies elsewhere, NaN being nowhere, and match_settings(archive, options) has a
/// resumed run refused that has another. The visitor is called with
///
/// - visit("seed", seed): a number, bool or enum; floats are finite where no range says otherwise
/// - visit("times", times, range): a vector or an optional of such; the range holds for each number
/// - visit("horizon", horizon, range): a published<T>; one that is not given lies anywhere
/// - visit("schedule", schedule): a struct that has settings()
/// - visit.part("reference", reference): an object that may have settings(); its name is compared too
/// - visit.not_compared("threads", threads): checked, but a resumed run may change it, since no bit depends on it
namespace fewstep {

/// Where a number may lie. NaN lies nowhere, and infinity only where or_infinite() says so.
struct valid_range {
  double least = -std::numeric_limits<double>::infinity(), most = std::numeric_limits<double>::infinity();
  bool excludes_least = false, excludes_most = false, infinite = false;
  std::string_view remark_text = {};

  [[nodiscard]] constexpr valid_range at_most(double high) const {
    valid_range range = *this;
    range.most = high;
    return range;
  }
  [[nodiscard]] constexpr valid_range below(double high) const {
    valid_range range = at_most(high);
    range.excludes_most = true;
    return range;
  }
  [[nodiscard]] constexpr valid_range or_infinite() const {
    valid_range range = *this;
    range.infinite = true;
    return range;
  }
  /// What a value means, for the error's sentence: at_least(0).remark("0: no clipping").
  [[nodiscard]] constexpr valid_range remark(std::string_view text) const {
    valid_range range = *this;
    range.remark_text = text;
    return range;
  }

  [[nodiscard]] bool holds(double value) const {
    if (std::isinf(value)) return infinite && value > 0;
    return (excludes_least ? value > least : value >= least) && (excludes_most ? value < most : value <= most);
  }
  /// "at least 1", "in [0, 1)", "from 1 to 16", "above 0 and finite".
  [[nodiscard, gnu::cold]] std::string text(bool is_integer) const {
    const bool from = std::isfinite(least), to = std::isfinite(most);
    std::string words;
    if (from && to)
      words = is_integer && !excludes_least && !excludes_most
                  ? message("from ", least, " to ", most)
                  : message("in ", excludes_least ? "(" : "[", least, ", ", most, excludes_most ? ")" : "]");
    else if (from)
      words = message(excludes_least ? "above " : "at least ", least, is_integer || infinite ? "" : " and finite");
    else if (to)
      words = message(excludes_most ? "below " : "at most ", most, is_integer ? "" : " and finite");
    else
      words = "finite";
    if (infinite) words += ", or +infinity";
    return remark_text.empty() ? words : message(words, " (", remark_text, ")");
  }
};

[[nodiscard]] constexpr valid_range at_least(double low) { return {.least = low}; }
[[nodiscard]] constexpr valid_range above(double low) { return {.least = low, .excludes_least = true}; }
[[nodiscard]] constexpr valid_range between(double low, double high) { return at_least(low).at_most(high); }

namespace detail {

struct any_visitor {
  template <class T>
  void operator()(std::string_view, const T&, valid_range = {}) {}
  template <class T>
  void not_compared(std::string_view, const T&, valid_range = {}) {}
  template <class T>
  void part(std::string_view, const T&) {}
};

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <class T>
inline constexpr bool is_published = false;
template <class T>
inline constexpr bool is_published<published<T>> = true;

template <class T>
[[nodiscard]] constexpr const auto& unwrapped(const std::reference_wrapper<T>& object);

/// Whose settings a part has: its own, or those of what it holds and lets others see by wrapped_part().
template <class T>
[[nodiscard]] constexpr const auto& unwrapped(const T& object) {
  if constexpr (requires { object.wrapped_part(); })
    return unwrapped(object.wrapped_part());
  else
    return object;
}
template <class T>
[[nodiscard]] constexpr const auto& unwrapped(const std::reference_wrapper<T>& object) {
  return unwrapped(object.get());
}

}  // namespace detail

/// Whether S says what can be set in it.
template <class S>
concept has_settings = requires(const S& s, detail::any_visitor& visit) {
  s.settings(visit);
};

namespace detail {

/// S::name may also be a member that says something else.
template <class S>
concept has_name = requires {
  typename std::bool_constant<(std::string_view(S::name).size() > 0)>;
};

template <class S>
[[nodiscard]] constexpr std::string_view name_of() {
  if constexpr (has_name<S>)
    return S::name;
  else
    return "settings";
}

/// Refuses the first setting that lies elsewhere than it may.
class settings_checker {
 public:
  settings_checker(std::string_view who, std::string path, const std::source_location& where)
      : who_(who), path_(std::move(path)), where_(where) {}

  template <class T>
  void operator()(std::string_view setting, const T& value, const valid_range& range = {}) {
    if constexpr (std::is_enum_v<T> || std::same_as<T, bool> || std::same_as<T, std::string>) {
      static_cast<void>(value);
    } else if constexpr (std::is_arithmetic_v<T>) {
      if (!range.holds(static_cast<double>(value))) refuse(message(path_, setting), value, range);
    } else if constexpr (is_optional<T>) {
      if (value) (*this)(setting, *value, range);
    } else if constexpr (is_published<T>) {
      if (value.is_given()) (*this)(setting, value.value(), range);
    } else if constexpr (has_settings<T>) {
      settings_checker inner(who_, message(path_, setting, "."), where_);
      value.settings(inner);
    } else {
      for (std::size_t i = 0; i < value.size(); ++i)
        if (!range.holds(static_cast<double>(value[i]))) refuse(message(path_, setting, "[", i, "]"), value[i], range);
    }
  }
  template <class T>
  void not_compared(std::string_view setting, const T& value, const valid_range& range = {}) {
    (*this)(setting, value, range);
  }
  template <class Part>
  void part(std::string_view role, const Part& wrapped) {
    const auto& object = unwrapped(wrapped);
    using type = std::remove_cvref_t<decltype(object)>;
    if constexpr (has_settings<type> && has_name<type>) {
      settings_checker inner(type::name, {}, where_);
      object.settings(inner);
    } else if constexpr (has_settings<type>) {
      (*this)(role, object);
    }
  }

 private:
  template <class T>
  [[noreturn, gnu::cold]] void refuse(const std::string& setting, T value, const valid_range& range) const {
    const std::string words = range.text(std::is_integral_v<T>);
    detail::refuse(message(who_, ": ", setting, " is ", +value, "; it must be ", words), where_);
  }

  std::string_view who_;
  std::string path_;
  std::source_location where_;
};

/// Compares every setting with that of the run that is resumed.
template <class Archive>
class settings_matcher {
 public:
  settings_matcher(Archive& archive, std::string path) : archive_(&archive), path_(std::move(path)) {}

  template <class T>
  void operator()(std::string_view setting, const T& value, const valid_range& = {}) {
    const std::string full = message(path_, setting);
    if constexpr (is_optional<T>) {
      archive_->must_match(full + ".given", value.has_value());
      if (value) (*this)(setting, *value);
    } else if constexpr (is_published<T>) {
      (*this)(setting, value.value());
    } else if constexpr (has_settings<T>) {
      settings_matcher inner(*archive_, full + ".");
      value.settings(inner);
    } else {
      archive_->must_match(full, value);
    }
  }
  template <class T>
  void not_compared(std::string_view, const T&, const valid_range& = {}) {}
  template <class Part>
  void part(std::string_view role, const Part& wrapped) {
    const auto& object = unwrapped(wrapped);
    using type = std::remove_cvref_t<decltype(object)>;
    if constexpr (has_name<type>) archive_->must_match(message(path_, role), std::string(type::name));
    if constexpr (has_settings<type>) (*this)(role, object);
  }

 private:
  Archive* archive_;
  std::string path_;
};

}  // namespace detail

/// Throws std::invalid_argument unless all settings lie where they may; its sentence names `who` and the one that does
/// not.
template <class S>
requires has_settings<S>
void check_settings(std::string_view who, const S& s, std::source_location where = std::source_location::current()) {
  detail::settings_checker visit(who, {}, where);
  s.settings(visit);
}
/// The same in the name of S.
template <class S>
requires has_settings<S>
void check_settings(const S& s, std::source_location where = std::source_location::current()) {
  check_settings(detail::name_of<S>(), s, where);
}

/// The settings, if they can be used; throws as check_settings.
template <class S>
requires has_settings<S>
[[nodiscard]] S checked(S s, std::source_location where = std::source_location::current()) {
  check_settings(s, where);
  return s;
}

/// A part, if it can be used: one without settings() always can.
template <class Part>
[[nodiscard]] Part checked_part(Part part, std::source_location where = std::source_location::current()) {
  detail::settings_checker(detail::name_of<Part>(), {}, where).part("part", part);
  return part;
}

/// In serialize(): a run that resumes with other settings is refused.
template <class Archive, class S>
requires has_settings<S>
void match_settings(Archive& archive, const S& s) {
  detail::settings_matcher<Archive> visit(archive, {});
  s.settings(visit);
}

/// The same for an object that may have settings, under the name of its role.
template <class Archive, class Part>
void match_part(Archive& archive, std::string_view role, const Part& part) {
  detail::settings_matcher<Archive>(archive, {}).part(role, part);
}

}  // namespace fewstep
