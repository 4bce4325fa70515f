// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

/// Rigid boxes in a plane under gravity, with dry friction and without bounce. It stands by itself: nothing of the
/// library is needed. Lengths are in m, masses in kg, times in s, angles in rad; y points up.
namespace block_towers {

struct vector2 {
  double x = 0, y = 0;

  friend vector2 operator+(vector2 a, vector2 b) { return {a.x + b.x, a.y + b.y}; }
  friend vector2 operator-(vector2 a, vector2 b) { return {a.x - b.x, a.y - b.y}; }
  friend vector2 operator*(double s, vector2 a) { return {s * a.x, s * a.y}; }
  [[nodiscard]] vector2 left() const { return {-y, x}; }  ///< a quarter turn further
};
[[nodiscard]] inline double dot(vector2 a, vector2 b) { return a.x * b.x + a.y * b.y; }
[[nodiscard]] inline double cross(vector2 a, vector2 b) { return a.x * b.y - a.y * b.x; }

struct box {
  vector2 half{};    ///< of its width and height
  vector2 at{};      ///< its centre
  double angle = 0;  ///< counterclockwise
  double mass = 0;   ///< 0: it does not move
  vector2 velocity{};
  double spin = 0;  ///< rad/s

  [[nodiscard]] vector2 axis(int i) const {
    const vector2 x{std::cos(angle), std::sin(angle)};
    return i == 0 ? x : x.left();
  }
  [[nodiscard]] double half_along(int i) const { return i == 0 ? half.x : half.y; }
  /// From the centre to the furthest point in the direction n.
  [[nodiscard]] double reach(vector2 n) const {
    return half.x * std::abs(dot(n, axis(0))) + half.y * std::abs(dot(n, axis(1)));
  }
  [[nodiscard]] double inverse_mass() const { return mass > 0 ? 1 / mass : 0; }
  [[nodiscard]] double inverse_inertia() const { return mass > 0 ? 3 / (mass * dot(half, half)) : 0; }
  [[nodiscard]] vector2 velocity_at(vector2 point) const { return velocity + spin * (point - at).left(); }
  void push(vector2 impulse, vector2 point) {
    velocity = velocity + inverse_mass() * impulse;
    spin += inverse_inertia() * cross(point - at, impulse);
  }
};

/// A point where two boxes touch, or are about to.
struct contact {
  std::size_t a, b;   ///< of the boxes; b is pushed along the normal
  std::uint32_t key;  ///< which corner on which face, the same from step to step
  vector2 point, normal;
  double gap;                         ///< below 0: they overlap
  double pressure = 0, friction = 0;  ///< impulses of a step along the normal and along normal.left()
  double heavy = 0, wide = 0;         ///< masses that impulses in these directions meet
};

/// Adds the contacts of boxes number a and b whose gap is at most `margin`. The face that separates the boxes best
/// carries them; they are the ends of the other box's face that looks at it, cut to its width (Baraff and Witkin 1997,
/// SIGGRAPH course notes on physically based modeling, in the plane).
inline void find_contacts(const std::vector<box>& boxes, std::size_t a, std::size_t b, double margin,
                          std::vector<contact>& to) {
  const vector2 apart = boxes[b].at - boxes[a].at;
  const double far = std::hypot(boxes[a].half.x, boxes[a].half.y) + std::hypot(boxes[b].half.x, boxes[b].half.y);
  if (dot(apart, apart) > (far + margin) * (far + margin)) return;
  double best = -1e300;
  bool of_b = false;
  int face = 0;
  for (int k = 0; k < 4; ++k) {
    const box& owner = boxes[k < 2 ? a : b];
    const vector2 n = owner.axis(k % 2);
    const double gap = std::abs(dot(apart, n)) - boxes[a].reach(n) - boxes[b].reach(n);
    if (gap > margin) return;
    // of nearly equal faces always the first, so that rounding does not choose
    if (gap > best + 1e-4) best = gap, of_b = k >= 2, face = k % 2;
  }
  const box &carrier = boxes[of_b ? b : a], &other = boxes[of_b ? a : b];
  vector2 n = carrier.axis(face);
  if (dot(other.at - carrier.at, n) < 0) n = -1.0 * n;
  const int looks = std::abs(dot(other.axis(0), n)) > std::abs(dot(other.axis(1), n)) ? 0 : 1;
  const bool forward = dot(other.axis(looks), n) < 0;
  const vector2 middle = other.at + (forward ? 1 : -1) * other.half_along(looks) * other.axis(looks);
  vector2 ends[2];
  for (int i = 0; i < 2; ++i)
    ends[i] = middle + (i == 0 ? -1 : 1) * other.half_along(1 - looks) * other.axis(1 - looks);
  const vector2 side = n.left();
  const double width = carrier.half_along(1 - face), from = dot(ends[0] - carrier.at, side),
               by = dot(ends[1] - carrier.at, side) - from;
  for (int i = 0; i < 2; ++i) {
    const double place = from + i * by, cut = std::clamp(place, -width, width);
    if (cut != place && std::abs(by) < 1e-12) continue;
    const double share = cut == place ? i : (cut - from) / by;
    if (share < 0 || share > 1) continue;
    const vector2 point = ends[0] + share * (ends[1] - ends[0]);
    const double gap = dot(point - carrier.at, n) - carrier.half_along(face);
    const auto key = static_cast<std::uint32_t>((of_b ? 16 : 0) + 8 * face + 4 * looks + (forward ? 2 : 0) + i);
    if (gap <= margin) to.push_back({a, b, key, point, of_b ? -1.0 * n : n, gap});
  }
}

/// Boxes that move: impulses one after the other until none changes (Catto 2005, GDC, "Iterative dynamics with temporal
/// coherence"), from those of the step before, with Coulomb's friction |friction| <= mu pressure.
struct world {
  std::vector<box> boxes;
  double friction = 0.6, gravity = 9.81;
  std::vector<contact> contacts{};

  [[nodiscard]] std::vector<contact> contacts_within(double margin) const {
    std::vector<contact> found;
    for (std::size_t b = 1; b < boxes.size(); ++b)
      for (std::size_t a = 0; a < b; ++a)
        if (boxes[a].mass > 0 || boxes[b].mass > 0) find_contacts(boxes, a, b, margin, found);
    return found;
  }

  void step(double dt) {
    for (box& one : boxes)
      if (one.mass > 0) one.velocity.y -= gravity * dt;
    // boxes that just met know nothing of their impulses yet
    const int most = contacts.empty() ? 5000 : 50;
    meet();
    for (contact& c : contacts) apply(c, c.pressure, c.friction);
    for (int i = 0; i < most; ++i) {
      double change = 0;
      for (contact& c : contacts) change = std::max(change, solve(c, dt));
      if (change < 1e-6 * gravity * dt) break;
    }
    for (box& one : boxes) {
      one.at = one.at + dt * one.velocity;
      one.angle += dt * one.spin;
    }
  }

 private:
  /// The contacts of now, with the impulses that they had.
  void meet() {
    std::vector<contact> now = contacts_within(1e-3);
    for (contact& c : now)
      for (const contact& before : contacts)
        if (before.a == c.a && before.b == c.b && before.key == c.key)
          c.pressure = before.pressure, c.friction = before.friction;
    contacts = std::move(now);
    for (contact& c : contacts) c.heavy = mass_along(c, c.normal), c.wide = mass_along(c, c.normal.left());
  }
  void apply(const contact& c, double pressure, double along) {
    const vector2 impulse = pressure * c.normal + along * c.normal.left();
    boxes[c.a].push(-1.0 * impulse, c.point);
    boxes[c.b].push(impulse, c.point);
  }
  /// The mass that an impulse in the direction n meets.
  [[nodiscard]] double mass_along(const contact& c, vector2 n) const {
    double inverse = 0;
    for (const box* one : {&boxes[c.a], &boxes[c.b]}) {
      const double arm = cross(c.point - one->at, n);
      inverse += one->inverse_mass() + one->inverse_inertia() * arm * arm;
    }
    return 1 / inverse;
  }
  /// Returns by how much the relative velocity was changed.
  double solve(contact& c, double dt) {
    const auto speed = [&](vector2 n) {
      return dot(boxes[c.b].velocity_at(c.point) - boxes[c.a].velocity_at(c.point), n);
    };
    // Boxes may come as near as they touch at the end of the step; where they overlap by more than 0.1 mm they part
    // slowly.
    const double wanted = c.gap > 0 ? -c.gap / dt : std::min(0.1 * std::max(0.0, -c.gap - 1e-4) / dt, 0.5);
    const double pressure = c.pressure;
    c.pressure = std::max(0.0, pressure + c.heavy * (wanted - speed(c.normal)));
    apply(c, c.pressure - pressure, 0);
    const vector2 side = c.normal.left();
    const double along = c.friction, most = friction * c.pressure;
    c.friction = std::clamp(along - c.wide * speed(side), -most, most);
    apply(c, 0, c.friction - along);
    return std::max(std::abs(c.pressure - pressure) / c.heavy, std::abs(c.friction - along) / c.wide);
  }
};

}  // namespace block_towers
