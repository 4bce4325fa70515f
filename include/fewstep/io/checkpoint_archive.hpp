// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>

#include <concepts>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace fewstep::detail {

template <class T>
inline constexpr bool is_vector = false;
template <class T, class Allocator>
inline constexpr bool is_vector<std::vector<T, Allocator>> = true;

template <class T>
inline constexpr bool is_tensor_view = false;
template <class T, int Rank>
inline constexpr bool is_tensor_view<tensor_view<T, Rank>> = true;

template <class T>
concept number = std::is_arithmetic_v<T> || std::is_enum_v<T>;

/// Anything that is a contiguous run of numbers.
template <class T>
concept number_range = requires(T& values) {
  std::span(values);
}
&&std::is_arithmetic_v<std::remove_reference_t<decltype(*std::span(std::declval<T&>()).data())>>;

template <class T, class Archive>
concept has_serialize = requires(T& object, Archive& archive) {
  object.serialize(archive);
};

/// Enums of which every number of the underlying type is a value: one that was read is never undefined behaviour.
template <class T>
concept whole_enum = std::is_enum_v<T> && requires {
  T{std::underlying_type_t<T>{}};
};

/// What the writing, checking and reading archives share: names with their prefix, and which value goes which way.
template <class Derived>
class checkpoint_archive {
 public:
  /// Saves, checks or loads one value under this name; the names of one scope must differ.
  template <class T>
  void operator()(std::string_view name, T&& value) {
    using type = std::remove_cvref_t<T>;
    const auto full = prefix_ + std::string(name);
    if constexpr (std::is_enum_v<type>) {
      static_assert(whole_enum<type>,
                    "checkpoint: give the enum an underlying type (an enum class has one), so that it can hold every "
                    "number that a file may have");
      auto number = static_cast<std::underlying_type_t<type>>(value);
      self().values(full, std::span(&number, 1), std::span<const index_t>());
      if constexpr (Derived::loads) value = static_cast<type>(number);
    } else if constexpr (std::is_arithmetic_v<type>) {
      self().values(full, std::span(&value, 1), std::span<const index_t>());
    } else if constexpr (std::same_as<type, std::string>) {
      self().text(full, value);
    } else if constexpr (is_tensor_view<type>) {
      self().values(full, std::span(value.begin(), static_cast<std::size_t>(value.size())), std::span(value.extents));
    } else if constexpr (has_serialize<type, Derived>) {
      auto section = scope(name);
      value.serialize(section);
    } else if constexpr (is_vector<type>) {
      static_assert(!std::same_as<type, std::vector<bool>>, "checkpoint: use std::vector<std::uint8_t> for flags");
      if constexpr (number_range<type>)
        self().resizable(full, value);
      else
        self().list(name, value);
    } else {
      static_assert(number_range<type>,
                    "checkpoint: a value must be a number, an enum, a std::string, a span, tensor_view, std::array or "
                    "std::vector of numbers, have serialize(archive), or be a std::vector of such");
      const std::span<std::remove_pointer_t<decltype(std::span(value).data())>> run(value);
      const auto length = static_cast<index_t>(run.size());
      self().values(full, run, std::span(&length, 1));
    }
  }

  /// As operator() for a number or an enum; a file with a value outside [least, most] is refused.
  template <class T>
  requires number<T>
  void within(std::string_view name, T& value, std::type_identity_t<T> least, std::type_identity_t<T> most) {
    (*this)(name, value);
    if constexpr (requires { self().check_within(prefix_, least, most); })
      self().check_within(prefix_ + std::string(name), least, most);
  }

  /// The same archive with `name.` before every name. The archive must outlive the section.
  [[nodiscard]] Derived scope(std::string_view name) const {
    Derived section = self();
    section.prefix_ += std::string(name) + ".";
    return section;
  }

 protected:
  Derived& self() { return static_cast<Derived&>(*this); }
  const Derived& self() const { return static_cast<const Derived&>(*this); }

  std::string prefix_;
};

}  // namespace fewstep::detail
