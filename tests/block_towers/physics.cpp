// SPDX-License-Identifier: Apache-2.0
// The judges of examples/block_towers against closed forms, and against each other.
#include "block_towers/mujoco_judge.hpp"
#include "block_towers/simulation.hpp"
#include "block_towers/statics.hpp"
#include "test.hpp"

#include <cmath>
#include <cstddef>
#include <random>

using namespace block_towers;

namespace {

constexpr double g = 9.81;

/// A stack of equal blocks of width 1 whose joint k from above, counted from 1, hangs over by share / (2 k).
tower harmonic(double share) {
  tower t;
  for (block& b : t) b = {0, 1, 0.2};
  for (std::size_t i = 1; i < blocks; ++i) t[i].x = t[i - 1].x + share / (2 * static_cast<double>(blocks - i));
  return t;
}

/// A box of 0.4 m x 0.2 m on a slope that does not move.
world slope(double tangent, double friction) {
  const double angle = std::atan(tangent);
  world w{.boxes = {{.half = {50, 1}, .angle = angle}, {.half = {0.2, 0.1}, .angle = angle, .mass = 2}},
          .friction = friction};
  w.boxes[1].at = 1.1 * w.boxes[0].axis(1);
  return w;
}

template <class Check>
void each_random_tower(const Check& check) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> uniform;
  std::normal_distribution<double> normal;
  for (int i = 0; i < 300; ++i)
    check(random_tower([&](std::size_t) { return uniform(random); }, [&](std::size_t) { return normal(random); }));
}

}  // namespace

TEST_CASE("a stack stands up to the harmonic overhang and no further") {
  CHECK(overhang_of(harmonic(1)) == Approx(0.5 * (1 + 1 / 2.0 + 1 / 3.0 + 1 / 4.0 + 1 / 5.0)));
  CHECK(stability_margin(harmonic(1)) == Approx(0).margin(1e-12));
  CHECK(stability_margin(harmonic(0)) == Approx(0.5));
  for (const double share : {0.5, 0.9, 0.98, 1.02, 1.1, 1.5}) {
    INFO(share);
    CHECK((stability_margin(harmonic(share)) >= 0) == (share < 1));
    CHECK(can_balance(world_of(harmonic(share))) == (share < 1));
    CHECK(stands_in_simulation(harmonic(share)) == (share < 1));
  }
}

TEST_CASE("blocks that do not overlap do not stand") {
  tower t = harmonic(0);
  t[5].x = 1.1;
  CHECK(stability_margin(t) < 0);
  CHECK_FALSE(can_balance(world_of(t)));
  CHECK_FALSE(stands_in_simulation(t));
}

TEST_CASE("a body in free fall is where the parabola says") {
  world w{.boxes = {{.half = {1, 1}, .at = {0, -100}}, {.half = {0.1, 0.1}, .mass = 1, .velocity = {2, 3}, .spin = 1}}};
  const double dt = 1e-3;
  const int n = 1000;
  for (int i = 0; i < n; ++i) w.step(dt);
  // the sum of the steps' velocities, which is the parabola up to the order of a step
  CHECK(w.boxes[1].at.y == Approx(3 - g * dt * dt * n * (n + 1) / 2).epsilon(1e-12));
  CHECK(w.boxes[1].at.y == Approx(3 - g / 2).epsilon(4 * dt));
  CHECK(w.boxes[1].at.x == Approx(2));
  CHECK(w.boxes[1].angle == Approx(1));
  CHECK(w.contacts.empty());
}

TEST_CASE("a box on a slope begins to slide at the slope of its friction") {
  for (const double friction : {0.2, 0.5})
    for (const double tangent : {0.98 * friction, 1.02 * friction, 1.5 * friction}) {
      INFO(friction << " " << tangent);
      world w = slope(tangent, friction);
      CHECK(can_balance(w) == (tangent < friction));
      const vector2 start = w.boxes[1].at, down = -1.0 * w.boxes[0].axis(0);
      for (int i = 0; i < 240; ++i) w.step(1.0 / 240);
      const double slid = dot(w.boxes[1].at - start, down), angle = std::atan(tangent);
      if (tangent < friction)
        CHECK(std::abs(slid) < 1e-4);
      else
        CHECK(slid == Approx(g * (std::sin(angle) - friction * std::cos(angle)) / 2).epsilon(0.01));
      CHECK(w.boxes[1].angle == Approx(angle).margin(1e-4));
    }
}

// A rod turns about the lower corner that it leans to: I a'' = m g r sin a with I = m (w^2 + h^2) / 3, r the half
// diagonal and a its angle to the vertical. From rest at a0 it takes the integral of da / sqrt(2 m g r (cos a0 - cos a)
// / I) to a.
TEST_CASE("a rod topples in the time of a pendulum turned over") {
  const vector2 half{0.02, 0.5};
  const double r = std::sqrt(dot(half, half)), a0 = 0.1, a1 = 0.6, factor = 1.5 * g / r;
  double time = 0;
  const int parts = 10000;
  for (int i = 0; i < parts; ++i) {  // by a = a0 + s^2, which leaves no pole
    const double all = std::sqrt(a1 - a0), s = all * (i + 0.5) / parts;
    time += 2 * s / std::sqrt(factor * (std::cos(a0) - std::cos(a0 + s * s))) * all / parts;
  }
  const auto toppled_after = [&](double dt) {
    const double corner = std::atan2(half.x, half.y);
    world w{.boxes = {{.half = {10, 1}, .at = {0, -1}},
                      {.half = half, .at = {r * std::sin(a0), r * std::cos(a0)}, .angle = -corner - a0, .mass = 1}},
            .friction = 5};
    const box& rod = w.boxes[1];
    const auto leans = [&] { return -corner - rod.angle; };
    double before = leans();
    int steps = 0;
    for (; leans() < a1 && steps < 100000; ++steps) before = leans(), w.step(dt);
    return (steps - (leans() - a1) / (leans() - before)) * dt;
  };
  CHECK(toppled_after(1e-4) == Approx(time).epsilon(2e-3));
  CHECK(toppled_after(1.0 / 240) == Approx(time).epsilon(0.03));
}

// No column: the general condition alone can say so.
TEST_CASE("a beam on two pillars stands while its weight is between them") {
  const auto bridge = [](double shift) {
    return world{.boxes = {{.half = {10, 1}, .at = {0, -1}},
                           {.half = {0.1, 0.3}, .at = {-0.5, 0.3}, .mass = 1},
                           {.half = {0.1, 0.3}, .at = {0.5, 0.3}, .mass = 1},
                           {.half = {0.8, 0.1}, .at = {shift, 0.7}, .mass = 2}}};
  };
  CHECK(can_balance(bridge(0)));
  CHECK(can_balance(bridge(0.59)));
  CHECK_FALSE(can_balance(bridge(0.61)));
}

TEST_CASE("equations are found to have a solution without a negative number or none") {
  CHECK(is_feasible({{1, 1}}, {1}));
  CHECK(is_feasible({{1, 0}, {1, 1}}, {1, 2}));
  CHECK_FALSE(is_feasible({{1, 0}, {1, 1}}, {2, 1}));
  CHECK_FALSE(is_feasible({{-1, -2}}, {1}));
  CHECK(is_feasible({{1, -1}, {-1, 1}}, {0, 0}));
  CHECK(is_feasible({}, {}));
}

TEST_CASE("judges of random towers agree") {
  int agree = 0, stand = 0;
  each_random_tower([&](const tower& t) {
    const bool stands = stability_margin(t) >= 0, simulated = stands_in_simulation(t);
    stand += stands ? 1 : 0;
    agree += simulated == stands ? 1 : 0;
    CHECK(can_balance(world_of(t)) == stands);
    if (std::abs(stability_margin(t)) > 0.01) CHECK(simulated == stands);
  });
  CHECK(agree >= 298);
  CHECK(stand > 220);
  CHECK(stand < 280);
}

#ifdef BLOCK_TOWERS_MUJOCO
TEST_CASE("MuJoCo agrees with the closed form") {
  int agree = 0;
  each_random_tower([&](const tower& t) { agree += stands_in_mujoco(t) == (stability_margin(t) >= 0) ? 1 : 0; });
  CHECK(agree >= 297);
}
#endif

TEST_CASE("numbers of a generator make the tower that they were made of") {
  each_random_tower([](const tower& t) {
    float x[numbers];
    write_tower(t, x);
    const tower again = tower_of(x);
    for (std::size_t i = 0; i < blocks; ++i) {
      CHECK(again[i].x == Approx(t[i].x).margin(1e-5));
      CHECK(again[i].width == Approx(t[i].width).epsilon(1e-5));
      CHECK(again[i].height == Approx(t[i].height).epsilon(1e-5));
    }
  });
}
