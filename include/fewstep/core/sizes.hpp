// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>

#include <concepts>
#include <cstddef>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

/// Arithmetic of sizes that options ask for, which may be any: nothing here overflows unseen.

namespace fewstep {

/// A number of bytes or elements whose sums and products stop at `most`, which no budget holds. Plans are made with it
/// before anything is allocated.
class saturated_size {
 public:
  static constexpr std::size_t most = std::numeric_limits<std::size_t>::max();

  /// A number below 0 is nothing that there could be room for.
  template <std::integral N>
  constexpr saturated_size(N n)  // NOLINT: implicit, for sums and products with numbers
      : value_(std::in_range<std::size_t>(n) ? static_cast<std::size_t>(n) : most) {}

  [[nodiscard]] constexpr std::size_t value() const { return value_; }

  friend constexpr saturated_size operator+(saturated_size a, saturated_size b) {
    return a.value_ > most - b.value_ ? most : a.value_ + b.value_;
  }
  friend constexpr saturated_size operator*(saturated_size a, saturated_size b) {
    return b.value_ != 0 && a.value_ > most / b.value_ ? most : a.value_ * b.value_;
  }

 private:
  std::size_t value_;
};

/// The product of lengths, which is the length of an array; throws std::length_error where it cannot be one.
template <std::integral... Lengths>
[[nodiscard]] index_t length_product(Lengths... lengths) {
  const std::size_t product = (saturated_size(1) * ... * saturated_size(lengths)).value();
  if (!std::in_range<index_t>(product)) {
    std::string factors;
    (factors.append(factors.empty() ? "" : " x ").append(std::to_string(lengths)), ...);
    throw std::length_error(
        message("an array of ", factors, " elements cannot be made; lower the sizes that it comes from"));
  }
  return static_cast<index_t>(product);
}

/// Number of elements of an array of this shape, likewise.
template <int Rank>
[[nodiscard]] index_t length_of(const array_extents<Rank>& shape) {
  return [&]<int... Axis>(std::integer_sequence<int, Axis...>) { return length_product(shape[Axis]...); }
  (std::make_integer_sequence<int, Rank>{});
}

/// Parts of `size` that it takes for n.
[[nodiscard]] constexpr index_t parts_of(index_t n, index_t size) { return n / size + (n % size != 0 ? 1 : 0); }

}  // namespace fewstep
