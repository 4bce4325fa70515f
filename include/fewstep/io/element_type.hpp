// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

namespace fewstep {

/// Element types of a safetensors file, as the package safetensors 0.8 has them. F4 and F6 are packed, several to a
/// byte.
enum class element_type {
  f64,
  f32,
  f16,
  bf16,
  i64,
  i32,
  u64,
  u32,
  u8,
  i16,
  u16,
  i8,
  boolean,
  c64,
  f8_e5m2,
  f8_e4m3,
  f8_e8m0,
  f8_e5m2fnuz,
  f8_e4m3fnuz,
  f6_e3m2,
  f6_e2m3,
  f4,
};

struct element_type_info {
  element_type type;
  std::string_view name;  ///< as written in the file
  std::uint64_t bits;     ///< of one element
};

inline constexpr std::array element_types{element_type_info{element_type::f64, "F64", 64},
                                          element_type_info{element_type::f32, "F32", 32},
                                          element_type_info{element_type::f16, "F16", 16},
                                          element_type_info{element_type::bf16, "BF16", 16},
                                          element_type_info{element_type::i64, "I64", 64},
                                          element_type_info{element_type::i32, "I32", 32},
                                          element_type_info{element_type::u64, "U64", 64},
                                          element_type_info{element_type::u32, "U32", 32},
                                          element_type_info{element_type::u8, "U8", 8},
                                          element_type_info{element_type::i16, "I16", 16},
                                          element_type_info{element_type::u16, "U16", 16},
                                          element_type_info{element_type::i8, "I8", 8},
                                          element_type_info{element_type::boolean, "BOOL", 8},
                                          element_type_info{element_type::c64, "C64", 64},
                                          element_type_info{element_type::f8_e5m2, "F8_E5M2", 8},
                                          element_type_info{element_type::f8_e4m3, "F8_E4M3", 8},
                                          element_type_info{element_type::f8_e8m0, "F8_E8M0", 8},
                                          element_type_info{element_type::f8_e5m2fnuz, "F8_E5M2FNUZ", 8},
                                          element_type_info{element_type::f8_e4m3fnuz, "F8_E4M3FNUZ", 8},
                                          element_type_info{element_type::f6_e3m2, "F6_E3M2", 6},
                                          element_type_info{element_type::f6_e2m3, "F6_E2M3", 6},
                                          element_type_info{element_type::f4, "F4", 4}};

[[nodiscard]] constexpr const element_type_info& info(element_type type) {
  return element_types[static_cast<std::size_t>(type)];
}

namespace detail {

static_assert(std::all_of(element_types.begin(), element_types.end(),
                          [](const element_type_info& each) { return &each == &info(each.type); }));

/// Bytes of a tensor of this shape; none if their bits do not fit 63 bits, or end within a byte.
[[nodiscard]] inline std::optional<std::uint64_t> tensor_bytes(element_type type, std::span<const index_t> shape) {
  constexpr auto limit = static_cast<std::uint64_t>(std::numeric_limits<index_t>::max());
  std::uint64_t bits = info(type).bits;
  for (const auto extent : shape) {
    const auto factor = static_cast<std::uint64_t>(extent);
    if (extent < 0 || (factor != 0 && bits > limit / factor)) return std::nullopt;
    bits *= factor;
  }
  if (bits % 8 != 0) return std::nullopt;
  return bits / 8;
}

/// The element type that holds a C++ number bit for bit; U8 for bool.
template <class T>
requires std::is_arithmetic_v<T>
[[nodiscard]] constexpr element_type element_type_of() {
  if constexpr (std::is_floating_point_v<T>) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "safetensors: of the floating-point types, use float or double");
    return sizeof(T) == 4 ? element_type::f32 : element_type::f64;
  } else {
    static_assert(!std::same_as<T, char> && !std::same_as<T, wchar_t>,
                  "safetensors: of the integers, use those of a stated width (std::int8_t, std::uint16_t, ...)");
    switch (sizeof(T)) {
      case 1:
        return std::same_as<T, bool> || std::is_unsigned_v<T> ? element_type::u8 : element_type::i8;
      case 2:
        return std::is_signed_v<T> ? element_type::i16 : element_type::u16;
      case 4:
        return std::is_signed_v<T> ? element_type::i32 : element_type::u32;
      default:
        return std::is_signed_v<T> ? element_type::i64 : element_type::u64;
    }
  }
}

}  // namespace detail

}  // namespace fewstep
