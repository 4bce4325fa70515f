// SPDX-License-Identifier: Apache-2.0
// States in 16 bits: what a rollout stores, scores, emits and replays.
#include "support/affine_predictor.hpp"
#include "support/arrays.hpp"
#include "test.hpp"

#include <fewstep/mdp/open_rollout.hpp>
#include <fewstep/mdp/replay.hpp>
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/sampler/ddim.hpp>
#include <fewstep/sampler/scored_part.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

using namespace fewstep;
using fewstep::test::affine_predictor;
using fewstep::test::affine_sampling;
using fewstep::test::same_bits;

namespace {

constexpr index_t dimension = affine_predictor::dimension;
constexpr rollout_noise noise{11, 40};

step_table three_steps(last_step last) {
  return consistency_sampler{.times = {4, 2, 1}, .last = last}.table(affine_predictor{}.preconditioner(), 3);
}
std::vector<step_table> tables() {
  const auto process = affine_predictor{}.preconditioner();
  return {three_steps(last_step::reference), three_steps(last_step::mask), three_steps(last_step::stochastic),
          ddim_sampler{.eta = 0.7f, .times = {4, 2, 1}}.table(process, 3),
          scored_part{consistency_sampler{.times = {4, 2, 1}}, {.first = 3, .count = 5}}.table(process, 3)};
}

/// What is stored of a number, in double precision: `bits` significant bits, and units of `least` at the smallest.
double rounded(double value, state_storage as) {
  const int bits = as == state_storage::float16 ? 11 : 8;
  const double least = as == state_storage::float16 ? std::ldexp(1.0, -24) : std::ldexp(1.0, -133);
  if (value == 0) return value;
  const double unit = std::max(std::ldexp(1.0, std::ilogb(value) + 1 - bits), least);
  return std::nearbyint(value / unit) * unit;  // ties to even
}

/// The states of all steps as floats.
std::vector<float> read_all(affine_sampling& s) {
  const index_t rows = (s.path.table().horizon() + 1) * s.path.samples();
  std::vector<float> to(static_cast<std::size_t>(rows * dimension));
  const auto states = s.path.storage().read(s.backend, 0, rows, {to.data(), {rows, dimension}});
  return {states.begin(), states.end()};
}

auto opened(affine_sampling& s, index_t first, index_t count) {
  return open_rollout(s.backend, s.model, s.workspace, s.path, matrix<float>{s.o.data(), {count, dimension}}, &noise,
                      reduction::mean, first, count);
}

}  // namespace

TEST_CASE("states in 16 bits are those of the definition: drawn, rounded, scored and shown to the network rounded") {
  const auto as = GENERATE(state_storage::float16, state_storage::bfloat16);
  const auto over = GENERATE(reduction::mean, reduction::sum);
  constexpr index_t samples = 6;
  const random_stream start{noise.seed, stream::initial_noise}, moves{noise.seed, stream::noise};
  for (const step_table& table : tables()) {
    affine_sampling s(table, samples, 1, {.store_states_as = as});
    s.run(noise, 0, samples, over);
    const std::vector<float> all = read_all(s);
    const auto state = [&](int k, index_t r, index_t d) {
      return static_cast<double>(all[static_cast<std::size_t>((k * samples + r) * dimension + d)]);
    };
    const double unit = std::ldexp(1.0, as == state_storage::float16 ? -10 : -7);
    int off = 0;  // a number that lies near the middle may be rounded to the other side
    for (index_t r = 0; r < samples; ++r) {
      const auto sample = noise.first + static_cast<std::uint64_t>(r);
      for (index_t d = 0; d < dimension; ++d) {
        const double x = static_cast<double>(table.initial_sigma) *
                         static_cast<double>(start.normal(sample, 0, static_cast<std::uint64_t>(d)));
        CHECK(state(0, r, d) == Approx(rounded(x, as)).epsilon(unit));
        off += state(0, r, d) == rounded(x, as) ? 0 : 1;
      }
      for (int k = 0; k < table.horizon(); ++k) {
        const step_row& row = table.rows[static_cast<std::size_t>(k)];
        double squares = 0;
        for (index_t d = 0; d < dimension; ++d) {
          const double x = state(k, r, d);
          const double o = 0.3 * x + 0.25 * static_cast<double>(r % 3) + 0.1 * static_cast<double>(row.time);
          const double mean = static_cast<double>(row.a) * x + static_cast<double>(row.b) * o;
          const double z =
              static_cast<double>(moves.normal(sample, static_cast<std::uint32_t>(k), static_cast<std::uint64_t>(d)));
          const double drawn = mean + static_cast<double>(row.sigma) * z, next = state(k + 1, r, d);
          CHECK(next == Approx(rounded(drawn, as)).epsilon(unit).margin(1e-5));
          off += next == rounded(drawn, as) ? 0 : 1;
          if (table.scored.has(d)) squares += (next - mean) * (next - mean);
          if (k + 1 == table.horizon()) {
            const double result = static_cast<double>(s.path.result()(r, d));
            if (table.result == emitted::state)
              CHECK(result == next);
            else
              CHECK(result ==
                    Approx(static_cast<double>(row.skip) * x + static_cast<double>(row.out) * o).margin(1e-5));
          }
        }
        if (!table.trains(k)) continue;
        const double sigma = static_cast<double>(row.sigma), n = static_cast<double>(table.scored.size(dimension));
        const double log_pi =
            -squares / (2 * sigma * sigma) - n * (std::log(sigma) + std::log(2 * std::acos(-1.0)) / 2);
        CHECK(s.path.log_probability(k * samples + r) ==
              Approx(over == reduction::mean ? log_pi / n : log_pi).epsilon(1e-5));
      }
    }
    CHECK(off <= samples * dimension * (table.horizon() + 1) / 100);
  }
}

TEST_CASE("the replay of states in 16 bits has the log-probabilities of the rollout, to the bit") {
  const auto as = GENERATE(state_storage::float16, state_storage::bfloat16);
  const int minibatches = GENERATE(1, 3);
  constexpr index_t samples = 7, micro_batch = 4;
  for (const step_table& table : tables()) {
    affine_sampling s(table, samples, 2, {.store_states_as = as});
    s.run(noise, 0, samples);
    mirrored<float, cpu_backend> advantages(s.backend, table.horizon() * samples);
    replay<cpu_backend, float> replayed(s.backend, s.path, minibatches, micro_batch);
    replayed.begin_pass(s.backend, s.path, 3, 8);
    std::vector<float> o(micro_batch * dimension);
    for (index_t at = 0; at < s.path.trained_rows(); at += micro_batch) {
      const index_t count = std::min(micro_batch, s.path.trained_rows() - at);
      const auto t = replayed.rows(s.backend, {s.path, advantages}, at, count);
      s.model.predict(s.backend, t.rows, {o.data(), {count, dimension}}, s.workspace);
      for (index_t i = 0; i < count; ++i) {
        const step_row& row = table.rows[static_cast<std::size_t>(t.step[i])];
        const index_t first = table.scored.first;
        CHECK(t.old_log_probability[i] == log_probability({t.rows.x.row(i) + first, t.next.row(i) + first, &row},
                                                          o.data() + i * dimension + first,
                                                          table.scored.size(dimension), reduction::mean));
      }
    }
  }
}

TEST_CASE("a rollout in 16 bits that is looked at, or made in parts, has the bits of one that is not") {
  const auto as = GENERATE(state_storage::float16, state_storage::bfloat16);
  constexpr index_t samples = 9, first = 2, count = 5;
  for (const step_table& table : tables()) {
    affine_sampling alone(table, samples, 1, {.store_states_as = as}), seen(table, samples, 2, {.store_states_as = as});
    alone.run(noise, 0, samples);
    seen.run(noise, 0, first);
    seen.run(noise, first + count, samples - first - count);
    std::vector<float> clean(count * dimension);
    auto run = opened(seen, first, count);
    run.start();
    while (run.at() < table.horizon()) {
      run.clean({clean.data(), {count, dimension}});
      run.step();
    }
    run.finish();
    run.clean({clean.data(), {count, dimension}});
    CHECK(same_bits(clean.data(), alone.path.result().row(first), count * dimension));
    CHECK(same_bits(read_all(seen), read_all(alone)));
    CHECK(same_bits(seen.path.result().data, alone.path.result().data, samples * dimension));
    for (index_t row = 0; row < alone.path.trained_rows(); ++row)
      CHECK(seen.path.log_probability(row) == alone.path.log_probability(row));
  }
}

TEST_CASE("a rollout in 16 bits goes on from states of the caller's, rounded, which stand where the result will") {
  affine_sampling s(three_steps(last_step::stochastic), 2, 1, {.store_states_as = state_storage::bfloat16});
  auto run = opened(s, 0, 2);
  run.start();
  run.step();
  CHECK(s.path.state(1).data == s.path.result().data);
  CHECK_THROWS_WITH(run.clean(s.path.result()), contains("give it an array of its own"));
  std::fill(s.path.state(1).begin(), s.path.state(1).end(), 1.0f + 1.0f / 1024);
  run.start(1);
  CHECK(std::count(s.path.state(1).begin(), s.path.state(1).end(), 1.0f) == 2 * dimension);
  run.step();
  run.step();
  run.finish();
  std::vector<float> stored(2 * dimension);
  (void)s.path.storage().read(s.backend, 2, 2, {stored.data(), {2, dimension}});
  CHECK(stored == std::vector<float>(stored.size(), 1.0f));
}

TEST_CASE("a state beyond the numbers of its storage is named, with the storage that holds it") {
  affine_sampling s(three_steps(last_step::stochastic), 3, 2, {.store_states_as = state_storage::float16});
  const auto check = [&] { s.path.storage().expect_storable(s.backend, 0, 3, "here"); };
  s.run(noise, 0, 3);
  CHECK_NOTHROW(check());
  auto run = opened(s, 0, 3);
  run.start();
  s.path.state(0)(1, 4) = -70000;
  run.start(0);
  CHECK_THROWS_WITH(check(),
                    contains("here: a state of sample 1 is -70000, but store_states_as is float16, which holds "
                             "up to 65504; use bfloat16 or float32"));
  CHECK_THROWS_AS(check(), std::runtime_error);
  CHECK_NOTHROW(s.path.storage().expect_storable(s.backend, 2, 1, "here"));
  run.start();
  CHECK_NOTHROW(check());
  s.path.set_context(2, 1e6f);  // the network's output
  run.step();
  CHECK_THROWS_WITH(check(), contains("a state of sample 2 is "));

  // What was not finite before is nobody's fault here; and bfloat16 has the range of a float.
  s.path.set_context(2, std::numeric_limits<float>::infinity());
  s.run(noise, 0, 3);
  CHECK_NOTHROW(check());
  affine_sampling wide(three_steps(last_step::stochastic), 3, 1, {.store_states_as = state_storage::bfloat16});
  wide.path.set_context(2, 1e6f);
  wide.run(noise, 0, 3);
  CHECK_NOTHROW(wide.path.storage().expect_storable(wide.backend, 0, 3, "here"));
  auto widest = opened(wide, 0, 3);
  widest.start();
  wide.path.state(0)(0, 0) = std::numeric_limits<float>::max();
  widest.start(0);
  CHECK_THROWS_WITH(wide.path.storage().expect_storable(wide.backend, 0, 3, "here"),
                    contains("store_states_as is bfloat16, which holds up to 3.38953e+38; use float32"));
}

TEST_CASE("samples that are left out are 0 in 16 bits too, and there is no array of floats") {
  affine_sampling s(three_steps(last_step::reference), 3, 1, {.store_states_as = state_storage::float16});
  s.path.set_context(1, std::numeric_limits<float>::quiet_NaN());
  s.run(noise, 0, 3);
  s.path.leave_out(s.backend, std::vector<std::uint8_t>{0, 1, 0});
  const std::vector<float> all = read_all(s);
  for (std::size_t i = 0; i < all.size(); ++i) {
    CAPTURE(i);
    CHECK((all[i] == 0) == (static_cast<index_t>(i) / dimension % 3 == 1));
  }
  CHECK_THROWS_WITH(s.path.states(), contains("states are stored as float16, so there is no array of floats"));
  CHECK_THROWS_WITH(s.path.rows(0, 2), contains("rows(backend, first, count, scratch)"));
  std::vector<float> scratch(2 * dimension);
  const auto rows = s.path.rows(s.backend, 4, 2, {scratch.data(), {2, dimension}});
  CHECK(rows.x.data == scratch.data());
  CHECK(rows.times[0] == 2.0f);
  CHECK(rows.contexts[1] == 0.5f);
}

TEST_CASE("the bytes of a trajectory in 16 bits") {
  using path = trajectory<cpu_backend, float>;
  const auto bytes = [](state_storage as) { return path::bytes(8, 5, dimension, {.store_states_as = as}); };
  for (const auto as : {state_storage::float16, state_storage::bfloat16})
    CHECK(bytes(state_storage::float32) - bytes(as) == static_cast<std::size_t>((9 * 2 - 4) * 5 * dimension - 5 * 4));
}
