// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/settings.hpp>

#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace fewstep::test {

/// Converts to anything: how many of it an aggregate can be made of is how many members it has.
struct anything {
  template <class T>
  operator T() const;  // NOLINT: not explicit, never defined
};

template <class Aggregate, std::size_t... I>
consteval bool takes(std::index_sequence<I...>) {
  return requires { Aggregate{(static_cast<void>(I), anything{})...}; };
}

/// Number of members of an aggregate of at most 24.
template <class Aggregate, std::size_t N = 24>
consteval std::size_t members() {
  if constexpr (N == 0 || takes<Aggregate>(std::make_index_sequence<N>{}))
    return N;
  else
    return members<Aggregate, N - 1>();
}

/// Counts what settings() names, without what is inside of it.
/// Numbers that a member shares are named after it: clip_range, clip_range.high.
struct counting_visitor {
  std::size_t count = 0;
  template <class T>
  void operator()(std::string_view name, const T&, valid_range = {}) {
    if (name.find('.') == name.npos) ++count;
  }
  template <class T>
  void not_compared(std::string_view, const T&, valid_range = {}) {
    ++count;
  }
  template <class T>
  void part(std::string_view, const T&) {
    ++count;
  }
};

/// A number among the settings of an object that can be set: it is reached through what settings() was given.
struct number_setting {
  std::string name;
  valid_range range;
  bool is_integer = false, is_flag = false, compared = true;
  double value = 0;
  std::function<void(double)> set;

  /// Another value that is allowed.
  [[nodiscard]] double other() const {
    if (is_flag) return value == 0 ? 1 : 0;
    for (const double candidate : {value * 0.98, value + 1, value - 1, value + 0.125, 0.5})
      if (candidate != value && range.holds(candidate) && (!is_integer || candidate == std::floor(candidate)))
        return candidate;
    return value;
  }
  /// Values that are not.
  [[nodiscard]] std::vector<double> wrong() const {
    if (is_flag) return {};
    std::vector<double> values;
    if (!is_integer) {
      values = {std::numeric_limits<double>::quiet_NaN(), -std::numeric_limits<double>::infinity()};
      if (!range.infinite) values.push_back(std::numeric_limits<double>::infinity());
    }
    const double step = is_integer ? 1.0 : 0.25;
    if (std::isfinite(range.least)) values.push_back(range.excludes_least ? range.least : range.least - step);
    if (std::isfinite(range.most)) values.push_back(range.excludes_most ? range.most : range.most + step);
    return values;
  }
};

/// Collects the numbers in an object, those in its structs and parts included. The object must outlive them, and what
/// settings() hands out must be its members.
struct collecting_visitor {
  std::vector<number_setting>* found;
  std::string path = {};
  bool compared = true;

  template <class T>
  void operator()(std::string_view setting, const T& value, valid_range range = {}) {
    const std::string full = path + std::string(setting);
    if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
      add(full, value, range);
    } else if constexpr (detail::is_published<T>) {
      if (value.is_given()) add_published(full, value, range);
    } else if constexpr (has_settings<T>) {
      collecting_visitor inner{found, full + ".", compared};
      value.settings(inner);
    } else if constexpr (requires { value.has_value(); }) {
      if (!value) return;
      if constexpr (has_settings<typename T::value_type>)
        (*this)(setting, *value);
      else
        (*this)(setting, *value, range);
    } else if constexpr (requires { value.size(); } && !std::is_same_v<T, std::string>) {
      for (std::size_t i = 0; i < value.size(); ++i) add(message(full, "[", i, "]"), value[i], range);
    }
  }
  template <class T>
  void not_compared(std::string_view setting, const T& value, valid_range range = {}) {
    collecting_visitor{found, path, false}(setting, value, range);
  }
  template <class Part>
  void part(std::string_view role, const Part& wrapped) {
    const auto& object = detail::unwrapped(wrapped);
    if constexpr (has_settings<std::remove_cvref_t<decltype(object)>>) (*this)(role, object);
  }

 private:
  template <class T>
  void add(const std::string& full, const T& value, valid_range range) {
    auto* place = const_cast<T*>(&value);  // the objects of the tests are none of them const
    found->push_back({full, range, std::is_integral_v<T>, std::is_same_v<T, bool> || std::is_enum_v<T>, compared,
                      static_cast<double>(value), [place](double to) { *place = static_cast<T>(to); }});
  }
  template <class T>
  void add_published(const std::string& full, const published<T>& value, valid_range range) {
    auto* place = const_cast<published<T>*>(&value);
    found->push_back({full, range, std::is_integral_v<T>, std::is_same_v<T, bool>, compared,
                      static_cast<double>(value.value()), [place](double to) { *place = static_cast<T>(to); }});
  }
};

template <class S>
std::vector<number_setting> numbers_in(S& object) {
  std::vector<number_setting> found;
  collecting_visitor visit{&found};
  object.settings(visit);
  return found;
}

/// The names of the numbers in an object, without those of the structs around them.
template <class S>
std::vector<std::string> names_of_numbers(S object) {
  std::vector<std::string> names;
  for (const number_setting& number : numbers_in(object)) {
    const std::string full = number.name.substr(0, number.name.find('['));
    names.push_back(full.substr(full.rfind('.') + 1));
  }
  return names;
}

}  // namespace fewstep::test
