// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/sampler/step_selection.hpp>

#include <cstdint>
#include <vector>

using fewstep::random_window;
using fewstep::sliding_window;

TEST_CASE("all_steps selects what can be trained") {
  const auto window = fewstep::all_steps{}.window(7, 5, 1);
  CHECK(window.first == 0);
  CHECK(window.count == 5);
}

TEST_CASE("a sliding window starts at the noise, moves every so many updates and stays at the clean end") {
  const auto firsts = [](const sliding_window& window, int steps, std::int64_t updates) {
    std::vector<int> places;
    for (std::int64_t k = 0; k < updates; ++k) {
      CHECK(window.window(k, steps, 1).count == window.length);
      places.push_back(window.window(k, steps, 1).first);
    }
    return places;
  };
  CHECK(firsts({.length = 2, .advance = 1, .every = 3}, 5, 14) ==
        std::vector<int>{0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3});
  CHECK(firsts({.length = 2, .advance = 2, .every = 1}, 5, 5) == std::vector<int>{0, 2, 3, 3, 3});
  CHECK(firsts({.length = 5, .advance = 1, .every = 1}, 5, 3) == std::vector<int>{0, 0, 0});
  // The published constants: 25 steps, a window of 4, one step every 25 updates.
  CHECK(sliding_window{}.window(24, 25, 1).first == 0);
  CHECK(sliding_window{}.window(25, 25, 1).first == 1);
  CHECK(sliding_window{}.window(20 * 25 + 24, 25, 1).first == 20);
  CHECK(sliding_window{}.window(std::int64_t{1} << 40, 25, 1).first == 21);
}

TEST_CASE("a random window is at every place equally often") {
  constexpr int steps = 9;
  constexpr std::int64_t updates = 20000;
  const int length = GENERATE(1, 2, 4);
  const std::uint64_t seed = GENERATE(1u, 2u);
  std::vector<double> counts(steps - static_cast<std::size_t>(length) + 1);
  for (std::int64_t k = 0; k < updates; ++k) {
    const auto window = random_window{length}.window(k, steps, seed);
    REQUIRE(window.count == length);
    REQUIRE(window.first >= 0);
    REQUIRE(window.first + length <= steps);
    counts[static_cast<std::size_t>(window.first)] += 1;
  }
  const double expected = static_cast<double>(updates) / static_cast<double>(counts.size());
  double chi_square = 0;
  for (const double count : counts) chi_square += (count - expected) * (count - expected) / expected;
  CAPTURE(length, seed, chi_square);
  // P(chi^2 > 45) is below 4e-7 with 8 degrees of freedom, and less with fewer.
  CHECK(chi_square < 45);
}

TEST_CASE("a random window depends on update and seed only, and successive ones are independent") {
  constexpr int steps = 5, places = 4;
  constexpr std::int64_t updates = 20000;
  int of_other_seed = 0;
  double pairs[places][places] = {};
  for (std::int64_t k = 0; k < updates; ++k) {
    const int first = random_window{}.window(k, steps, 3).first;
    REQUIRE(random_window{}.window(k, steps, 3).first == first);
    of_other_seed += random_window{}.window(k, steps, 4).first != first;
    pairs[first][random_window{}.window(k + 1, steps, 3).first] += 1;
  }
  CHECK(of_other_seed > 0);
  double chi_square = 0;
  constexpr double expected = static_cast<double>(updates) / (places * places);
  for (const auto& row : pairs)
    for (const double count : row) chi_square += (count - expected) * (count - expected) / expected;
  CAPTURE(chi_square);
  // P(chi^2 > 60) is below 3e-7 with 15 degrees of freedom.
  CHECK(chi_square < 60);
}

TEST_CASE("windows refuse lengths that do not fit and settings that do not move") {
  CHECK_THROWS_WITH(random_window{0}.window(0, 4, 1), contains("random_window: length is 0; it must be at least 1"));
  CHECK_THROWS_WITH(random_window{5}.window(0, 4, 1), contains("random_window: length is 5"));
  CHECK_THROWS_WITH((sliding_window{.length = 5}.window(0, 4, 1)), contains("sliding_window: length is 5"));
  CHECK_THROWS_WITH((sliding_window{.length = 1, .advance = 0}.window(0, 4, 1)), contains("advance is 0"));
  CHECK_THROWS_WITH((sliding_window{.length = 1, .every = 0}.window(0, 4, 1)), contains("every is 0"));
}
