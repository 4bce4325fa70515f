// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/mdp/replay.hpp>

#include <algorithm>
#include <vector>

using fewstep::index_t;
using fewstep::replay_order;

namespace {

std::vector<index_t> listed(const replay_order& order, index_t n) {
  std::vector<index_t> rows;
  for (index_t i = 0; i < n; ++i) rows.push_back(order[i]);
  return rows;
}

}  // namespace

TEST_CASE("a replay order starts as it was sampled") {
  CHECK(listed(replay_order({.samples = 4}, 1), 4) == std::vector<index_t>{0, 1, 2, 3});
}

TEST_CASE("the minibatches of a replay are disjoint, cover it, and differ by a row at most") {
  const index_t rows = GENERATE(7, 8, 105);
  const int minibatches = GENERATE(1, 2, 3, 7);
  const replay_order order({.samples = rows}, minibatches);
  index_t end = 0;
  for (int k = 0; k < minibatches; ++k) {
    const auto [first, last] = order.minibatch(k);
    CHECK(first == end);
    CHECK(last - first >= rows / minibatches);
    CHECK(last - first <= rows / minibatches + 1);
    end = last;
  }
  CHECK(end == rows);
}

TEST_CASE("a permuted replay has every row once, and depends on seed and pass only") {
  constexpr index_t n = 105;
  replay_order order({.samples = n}, 3), again({.samples = n}, 1);
  order.permute(1, 0);
  const auto first = listed(order, n);
  auto sorted = first;
  std::sort(sorted.begin(), sorted.end());
  CHECK(sorted == listed(replay_order({.samples = n}, 1), n));
  CHECK(first != sorted);

  order.permute(1, 1);
  CHECK(listed(order, n) != first);
  order.permute(2, 0);
  CHECK(listed(order, n) != first);
  again.permute(5, 5);
  again.permute(1, 0);
  CHECK(listed(again, n) == first);
}

TEST_CASE("every place of a permuted replay gets every row equally often") {
  constexpr index_t n = 5;
  constexpr std::uint64_t passes = 20000, seed = 7;
  CAPTURE(seed);
  replay_order order({.samples = n}, 1);
  std::vector<double> counts(n * n);
  for (std::uint64_t pass = 0; pass < passes; ++pass) {
    order.permute(seed, pass);
    for (index_t i = 0; i < n; ++i) counts[static_cast<std::size_t>(i * n + order[i])] += 1;
  }
  // 6 standard deviations of a count: a false alarm in 25 counts is below 1e-7.
  const double p = 1.0 / n, deviation = std::sqrt(static_cast<double>(passes) * p * (1 - p));
  for (const double count : counts) CHECK(std::abs(count - static_cast<double>(passes) * p) < 6 * deviation);
}

TEST_CASE("more optimizer steps than rows are refused") {
  CHECK_THROWS_WITH(replay_order({.samples = 3}, 4), contains("replay: 4 optimizer steps but only 3 rows"));
}

TEST_CASE("samples that are learned from together stay in one minibatch with all their steps") {
  constexpr index_t steps = 3, samples = 10, together = 2;
  constexpr int minibatches = 2;
  replay_order order({steps, samples, together}, minibatches);
  order.permute(1, 0);
  std::vector<int> seen(static_cast<std::size_t>(steps * samples)), minibatch_of(samples, -1);
  for (int k = 0; k < minibatches; ++k) {
    const auto [first, last] = order.minibatch(k);
    for (index_t i = first; i < last; ++i) {
      ++seen[static_cast<std::size_t>(order[i])];
      int& of_sample = minibatch_of[static_cast<std::size_t>(order[i] % samples)];
      CHECK((of_sample == -1 || of_sample == k));
      of_sample = k;
    }
  }
  CHECK(std::all_of(seen.begin(), seen.end(), [](int count) { return count == 1; }));
  for (std::size_t r = 0; r < minibatch_of.size(); r += 2) CHECK(minibatch_of[r] == minibatch_of[r + 1]);
  CHECK_THROWS_WITH(replay_order({steps, 4, 2}, 3), contains("only 2 prompts whose samples are learned from together"));
}
