// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "rigid_body.hpp"
#include "tower.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace block_towers {

/// How far the centre of mass of all above a joint lies within the overlap of the two blocks there, at the joint where
/// that is least, in m; below 0 where it lies outside. The force in a joint is the weight of what is above, straight
/// below its centre of mass, and can be anywhere in the overlap: so a tower of aligned blocks stands if and only if
/// this is not below 0, whatever the friction.
[[nodiscard]] inline double stability_margin(const tower& t) {
  double least = 1e300, mass = 0, moment = 0;
  for (std::size_t k = blocks; k-- > 1;) {
    const double m = t[k].width * t[k].height;
    mass += m, moment += m * t[k].x;
    const double left = std::max(t[k].x - t[k].width / 2, t[k - 1].x - t[k - 1].width / 2);
    const double right = std::min(t[k].x + t[k].width / 2, t[k - 1].x + t[k - 1].width / 2);
    least = std::min({least, moment / mass - left, right - moment / mass});
  }
  return least;
}

/// Whether there is x >= 0 with A x = b, for rows of A [m][n] and b >= 0: the first phase of the simplex method with
/// Bland's rule, which ends.
[[nodiscard]] inline bool is_feasible(std::vector<std::vector<double>> rows, std::vector<double> b) {
  constexpr double tiny = 1e-9;
  const std::size_t m = rows.size(), n = m == 0 ? 0 : rows[0].size();
  std::vector<double> cost(n, 0.0);  // of what is still unbalanced, less by every column
  double unbalanced = 0;
  std::vector<std::size_t> basis(m);  // from n on: a row's artificial variable, which never comes back
  for (std::size_t i = 0; i < m; ++i) {
    basis[i] = n + i;
    for (std::size_t j = 0; j < n; ++j) cost[j] += rows[i][j];
    unbalanced += b[i];
  }
  while (unbalanced > tiny) {
    const auto enters = static_cast<std::size_t>(
        std::find_if(cost.begin(), cost.end(), [](double c) { return c > tiny; }) - cost.begin());
    if (enters == n) return unbalanced < 1e-6;
    std::size_t leaves = m;
    double least = 1e300;
    for (std::size_t i = 0; i < m; ++i)
      if (rows[i][enters] > tiny) {
        const double ratio = b[i] / rows[i][enters];
        if (ratio < least - 1e-12 || (ratio < least + 1e-12 && basis[i] < basis[leaves])) least = ratio, leaves = i;
      }
    if (leaves == m) return false;
    const double pivot = rows[leaves][enters];
    for (double& v : rows[leaves]) v /= pivot;
    b[leaves] /= pivot;
    for (std::size_t i = 0; i < m; ++i) {
      const double f = rows[i][enters];
      if (i == leaves || f == 0) continue;
      for (std::size_t j = 0; j < n; ++j) rows[i][j] -= f * rows[leaves][j];
      b[i] = std::max(0.0, b[i] - f * b[leaves]);
    }
    const double f = cost[enters];
    for (std::size_t j = 0; j < n; ++j) cost[j] -= f * rows[leaves][j];
    unbalanced -= f * b[leaves];
    basis[leaves] = enters;
  }
  return true;
}

/// Whether forces at the contacts, each within its friction cone, can hold all boxes where they are: for any
/// arrangement, such as bridges and slopes. A force in the cone is a sum, by shares >= 0, of its two edges.
[[nodiscard]] inline bool can_balance(const world& w, double margin = 1e-6) {
  const auto contacts = w.contacts_within(margin);
  std::vector<std::vector<double>> rows;
  std::vector<double> b;
  for (std::size_t i = 0; i < w.boxes.size(); ++i) {
    if (w.boxes[i].mass <= 0) continue;
    std::vector<double> x, y, torque;
    for (const contact& c : contacts)
      for (const double lean : {-w.friction, w.friction}) {
        const double sign = c.b == i ? 1 : c.a == i ? -1 : 0;
        const vector2 force = sign * (c.normal + lean * c.normal.left());
        x.push_back(force.x), y.push_back(force.y), torque.push_back(cross(c.point - w.boxes[i].at, force));
      }
    rows.insert(rows.end(), {x, y, torque});
    b.insert(b.end(), {0, w.boxes[i].mass, 0});  // forces in units of gravity
  }
  return is_feasible(std::move(rows), std::move(b));
}

}  // namespace block_towers
