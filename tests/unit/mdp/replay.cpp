// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/mdp/replay.hpp>
#include <fewstep/sampler/consistency.hpp>

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

TEST_CASE(
    "every row of a replay says what it is: state, time, context, step, next state, log-probability and advantage") {
  const int minibatches = GENERATE(1, 3);
  const bool keeps_outputs = GENERATE(false, true);
  const auto storage = GENERATE(fewstep::state_storage::float32, fewstep::state_storage::float16);
  constexpr index_t samples = 5, dimension = 2, micro_batch = 4;
  fewstep::cpu_backend backend({.threads = 1});
  fewstep::trajectory<fewstep::cpu_backend, std::int32_t> path(
      backend, fewstep::consistency_sampler{}.table(fewstep::edm_consistency{}, 4), samples, dimension,
      {.keeps_outputs = keeps_outputs, .store_states_as = storage});
  const int horizon = path.table().horizon();
  fewstep::mirrored<float, fewstep::cpu_backend> advantages(backend, horizon * samples);
  // Everything of row i of the trajectory is a number that i can be read from.
  for (index_t i = 0; i < (horizon + 1) * samples; ++i)
    for (index_t d = 0; d < dimension; ++d) {
      const auto value = static_cast<float>(10 * i + d);
      if (path.packs())
        path.storage().packed(i, 0, 1).store(0, d, value);
      else
        path.state(static_cast<int>(i / samples))(i % samples, d) = value;
    }
  for (index_t i = 0; i < horizon * samples; ++i) {
    path.log_probability(i) = -0.5 * static_cast<double>(i);
    advantages.host()[static_cast<std::size_t>(i)] = 100.0f + static_cast<float>(i);
    if (keeps_outputs) path.outputs()(i, 1) = static_cast<float>(7 * i);
  }
  for (index_t r = 0; r < samples; ++r) path.set_context(r, static_cast<std::int32_t>(40 + r));

  fewstep::replay<fewstep::cpu_backend, std::int32_t> replayed(backend, path, minibatches, micro_batch);
  replayed.begin_pass(backend, path, 3, 8);
  std::vector<index_t> seen;
  for (index_t at = 0; at < path.trained_rows(); at += micro_batch) {
    const index_t count = std::min(micro_batch, path.trained_rows() - at);
    const auto t = replayed.rows(backend, {path, advantages}, at, count);
    REQUIRE(t.size() == count);
    for (index_t i = 0; i < count; ++i) {
      const auto row = static_cast<index_t>(t.rows.x(i, 0)) / 10;
      CAPTURE(minibatches, at, i, row);
      CHECK(row == replayed.row_at(path, at + i));
      CHECK(t.rows.x(i, 1) == static_cast<float>(10 * row + 1));
      CHECK(t.next(i, 0) == static_cast<float>(10 * (row + samples)));
      CHECK(t.step[i] == row / samples);
      CHECK(t.rows.times[i] == path.table().rows[static_cast<std::size_t>(row / samples)].time);
      CHECK(t.rows.contexts[i] == 40 + row % samples);
      CHECK(t.old_log_probability[i] == -0.5 * static_cast<double>(row));
      CHECK(t.advantage[i] == 100.0f + static_cast<float>(row));
      if (keeps_outputs) CHECK(t.old_output(i, 1) == static_cast<float>(7 * row));
      seen.push_back(row);
    }
  }
  std::sort(seen.begin(), seen.end());
  for (std::size_t i = 0; i < seen.size(); ++i) CHECK(seen[i] == static_cast<index_t>(i));
  CHECK(std::ssize(seen) == path.trained_rows());
}
