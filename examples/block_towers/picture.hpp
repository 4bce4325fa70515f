// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "simulation.hpp"
#include "tower.hpp"

#include <fewstep/image/rgb.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace block_towers {

/// Towers as they are after two seconds on their own, side by side, `columns` to a row: blue ones stand, red ones do
/// not.
[[nodiscard]] inline fewstep::rgb_image picture_of(const std::vector<tower>& towers, fewstep::index_t columns) {
  constexpr fewstep::index_t side = 132;
  constexpr double pixels_per_meter = 48, ground = 6;
  const auto count = static_cast<fewstep::index_t>(towers.size());
  fewstep::rgb_image picture{(count + columns - 1) / columns * side, columns * side, {}};
  picture.pixels.assign(static_cast<std::size_t>(3 * picture.height * picture.width), 255);
  for (fewstep::index_t n = 0; n < count; ++n) {
    const tower& t = towers[static_cast<std::size_t>(n)];
    const world before = world_of(t);
    world now = before;
    for (int i = 0; i < 240; ++i) now.step(1.0 / 120);
    const bool stands = still_stands(before, now);
    const auto inside = [](const box& b, vector2 p) {
      return std::abs(dot(p - b.at, b.axis(0))) < b.half.x && std::abs(dot(p - b.at, b.axis(1))) < b.half.y;
    };
    for (fewstep::index_t y = 0; y < side; ++y)
      for (fewstep::index_t x = 0; x < side; ++x) {
        std::array<double, 3> sum{};
        for (int part = 0; part < 9; ++part) {  // points of the pixel
          const double across = static_cast<double>(x) + (part % 3 + 0.5) / 3,
                       down = static_cast<double>(y) + (part / 3 + 0.5) / 3;
          const vector2 point{(across - side / 2.0) / pixels_per_meter + overhang_of(t) / 2,
                              (side - ground - down) / pixels_per_meter};
          std::array<double, 3> color{255, 255, 255};
          for (std::size_t i = 0; i < now.boxes.size(); ++i) {
            if (!inside(now.boxes[i], point)) continue;
            const double light = i % 2 == 0 ? 40 : 0;
            color = i == 0   ? std::array{200.0, 200.0, 200.0}
                    : stands ? std::array{50 + light, 100 + light, 190 + light}
                             : std::array{200 + light, 60 + light, 50 + light};
          }
          for (std::size_t c = 0; c < 3; ++c) sum[c] += color[c] / 9;
        }
        const auto at = 3 * ((n / columns * side + y) * picture.width + n % columns * side + x);
        for (std::size_t c = 0; c < 3; ++c)
          picture.pixels[static_cast<std::size_t>(at) + c] = static_cast<std::uint8_t>(std::fmin(sum[c] + 0.5, 255));
      }
  }
  return picture;
}

}  // namespace block_towers
