// SPDX-License-Identifier: Apache-2.0
#include <fewstep/generator/conditioning.hpp>

#include <array>
#include <cstdint>

using fewstep::is_made_of_floats;

namespace {

enum class mode : std::int32_t { off, on };
struct vector2 {
  float x, y;
};
struct flat {
  float a, b, c;
};
struct arrays {
  float position[2], velocity[2][3];
};
struct nested {
  vector2 position;
  std::array<float, 3> angles;
  vector2 corners[4];
  float time = 1;
};
struct with_int {
  float a;
  int b;
};
struct with_unsigned {
  std::uint32_t b;
  float a;
};
struct with_bool {
  float a;
  bool b;
};
struct with_enum {
  float a;
  mode b;
};
struct with_shorts {
  float a;
  std::int16_t b, c;
};
struct with_bits {
  float a;
  unsigned b : 3, c : 29;
};
struct with_pointer {
  float a;
  float* b;
};
struct with_double {
  float a, b;
  double c;
};
struct with_inner_int {
  vector2 position;
  with_int rest;
};
struct with_array_of_int {
  float a;
  int b[2];
};
struct padded {
  alignas(16) float a;
};
struct empty {};
struct with_constructor {
  with_constructor(float a, float b) : x(a), y(b) {}
  float x, y;
};
struct with_inner_constructor {
  with_constructor a;
  float b;
};
struct declared {
  declared(float a, float b) : x(a), y(b) {}
  float x, y;
};
union either {
  float a;
  int b;
};

}  // namespace

template <>
inline constexpr bool fewstep::is_made_of_floats<declared> = true;

static_assert(is_made_of_floats<flat>);
static_assert(is_made_of_floats<arrays>);
static_assert(is_made_of_floats<nested>);
static_assert(is_made_of_floats<float>);
static_assert(is_made_of_floats<std::array<float, 700>>);
static_assert(is_made_of_floats<declared>);

static_assert(!is_made_of_floats<with_int>);
static_assert(!is_made_of_floats<with_unsigned>);
static_assert(!is_made_of_floats<with_bool>);
static_assert(!is_made_of_floats<with_enum>);
static_assert(!is_made_of_floats<with_shorts>);
static_assert(!is_made_of_floats<with_bits>);
static_assert(!is_made_of_floats<with_pointer>);
static_assert(!is_made_of_floats<with_double>);
static_assert(!is_made_of_floats<with_inner_int>);
static_assert(!is_made_of_floats<with_array_of_int>);
static_assert(!is_made_of_floats<padded>);
static_assert(!is_made_of_floats<empty>);
static_assert(!is_made_of_floats<with_constructor>);
static_assert(!is_made_of_floats<with_inner_constructor>);
static_assert(!is_made_of_floats<either>);
static_assert(!is_made_of_floats<int>);
static_assert(!is_made_of_floats<std::array<int, 2>>);
