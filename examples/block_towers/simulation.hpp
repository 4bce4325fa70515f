// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "rigid_body.hpp"
#include "tower.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>

namespace block_towers {

/// The blocks of a tower where they were put, on the ground, which is box 0.
[[nodiscard]] inline world world_of(const tower& t) {
  world w{.boxes = {{.half = {100, 1}, .at = {0, -1}}}};
  double y = 0;
  for (const block& b : t) {
    w.boxes.push_back({.half = {b.width / 2, b.height / 2}, .at = {b.x, y + b.height / 2}, .mass = b.width * b.height});
    y += b.height;
  }
  return w;
}

/// Whether a tower still stands: no block has turned by 20 degrees (DSO's bound) or sunk by half its height.
[[nodiscard]] inline bool still_stands(const world& before, const world& now) {
  for (std::size_t i = 1; i < now.boxes.size(); ++i)
    if (std::abs(now.boxes[i].angle) > std::numbers::pi / 9 ||
        now.boxes[i].at.y < before.boxes[i].at.y - before.boxes[i].half.y)
      return false;
  return true;
}

struct simulation_settings {
  double seconds = 5, step = 1.0 / 120;
};

/// The judge of the training: whether the tower stands after some seconds on its own. It ends early where the tower has
/// come down, and where nothing moved for a quarter of a second.
[[nodiscard]] inline bool stands_in_simulation(const tower& t, const simulation_settings& s = {}) {
  world w = world_of(t);
  const world before = w;
  double still = 0;
  for (double time = 0; time < s.seconds && still < 0.25; time += s.step) {
    w.step(s.step);
    if (!still_stands(before, w)) return false;
    const bool moves = std::any_of(w.boxes.begin(), w.boxes.end(), [](const box& b) {
      return std::abs(b.velocity.x) + std::abs(b.velocity.y) + std::abs(b.spin) > 1e-3;
    });
    still = moves ? 0 : still + s.step;
  }
  return true;
}

}  // namespace block_towers
