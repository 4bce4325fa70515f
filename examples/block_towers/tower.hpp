// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cmath>
#include <cstddef>

/// Towers of six blocks, seen from the side, and the numbers that a generator makes of one.
namespace block_towers {

constexpr std::size_t blocks = 6;
constexpr std::size_t numbers = 3 * blocks - 1;

/// In m; x is the place of its centre, and the lowest block's is 0.
struct block {
  double x = 0, width = 0, height = 0;
};
/// From the ground upwards.
using tower = std::array<block, blocks>;

/// What a tower is asked to be, in units of about its deviation in the data: how high, and how far its top block's
/// centre is to the right of its lowest block's.
struct prompt {
  float height, overhang;
  friend bool operator==(const prompt&, const prompt&) = default;
};

/// The unit of each kind of number, in m, and what it is counted from.
struct scale {
  double middle, unit;
};
constexpr scale width_scale{0.8, 0.173}, height_scale{0.35, 0.087}, offset_scale{0, 0.1};
constexpr scale total_height_scale{2.1, 0.212}, overhang_scale{0, 0.39};

/// Of a tower the generator makes its widths, its heights and the offsets of its blocks from those below.
[[nodiscard]] inline tower tower_of(const float* x) {
  tower t;
  // a width or a height that is none is that of a thin one
  const auto length = [](scale s, float value) {
    return std::fmax(s.middle + s.unit * static_cast<double>(value), 0.05);
  };
  for (std::size_t i = 0; i < blocks; ++i) {
    t[i].width = length(width_scale, x[i]);
    t[i].height = length(height_scale, x[blocks + i]);
    if (i > 0) t[i].x = t[i - 1].x + offset_scale.unit * static_cast<double>(x[2 * blocks + i - 1]);
  }
  return t;
}
inline void write_tower(const tower& t, float* x) {
  const auto number = [](scale s, double value) { return static_cast<float>((value - s.middle) / s.unit); };
  for (std::size_t i = 0; i < blocks; ++i) {
    x[i] = number(width_scale, t[i].width);
    x[blocks + i] = number(height_scale, t[i].height);
    if (i > 0) x[2 * blocks + i - 1] = number(offset_scale, t[i].x - t[i - 1].x);
  }
}

[[nodiscard]] inline double height_of(const tower& t) {
  double sum = 0;
  for (const block& b : t) sum += b.height;
  return sum;
}
[[nodiscard]] inline double overhang_of(const tower& t) { return t.back().x; }
[[nodiscard]] inline prompt prompt_of(const tower& t) {
  return {static_cast<float>((height_of(t) - total_height_scale.middle) / total_height_scale.unit),
          static_cast<float>(overhang_of(t) / overhang_scale.unit)};
}

/// A tower as a builder with a poor eye for balance makes it: it leans to one side, and each block is off by some more.
/// `uniform(i)` and `normal(i)` are random numbers of this tower.
template <class Uniform, class Normal>
[[nodiscard]] tower random_tower(const Uniform& uniform, const Normal& normal) {
  tower t;
  const double lean = 0.078 * normal(0);
  for (std::size_t i = 0; i < blocks; ++i) {
    t[i].width = 0.5 + 0.6 * uniform(2 * i);
    t[i].height = 0.2 + 0.3 * uniform(2 * i + 1);
    if (i > 0) t[i].x = t[i - 1].x + lean + 0.07 * normal(i);
  }
  return t;
}

}  // namespace block_towers
