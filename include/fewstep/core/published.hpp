// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <stdexcept>

namespace fewstep {

/// A setting whose default is the algorithm's: a number that may be left alone, and is then the published one.
///
///   struct batch_options { published<int> prompts{}; ... };     // batch_options{.prompts = 4} sets one and leaves the
///   rest
///
/// A trainer's options() have every number. One that nobody has given is not a number yet: reading it throws
/// std::logic_error.
template <class T>
class published {
 public:
  constexpr published() = default;
  constexpr published(T value) : value_(value) {}  // NOLINT: implicit, to be given as a number

  [[nodiscard]] constexpr bool is_given() const { return value_.has_value(); }
  /// This, or `other` where it is not given.
  [[nodiscard]] constexpr published or_else(published other) const { return is_given() ? *this : other; }
  [[nodiscard]] constexpr T value() const {
    if (!is_given())
      throw std::logic_error(
          "fewstep: a setting is read that is left to the algorithm; ask the options() of the trainer, which have all "
          "of them");
    return *value_;
  }
  constexpr operator T() const { return value(); }  // NOLINT: implicit, to be read as a number

 private:
  std::optional<T> value_{};
};

}  // namespace fewstep
