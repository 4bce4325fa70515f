// SPDX-License-Identifier: Apache-2.0
#include "support/affine_predictor.hpp"
#include "support/arrays.hpp"
#include "support/masked_pairs.hpp"
#include "test.hpp"

#include <fewstep/mdp/generator_particles.hpp>
#include <fewstep/mdp/open_rollout.hpp>
#include <fewstep/mdp/particle_process.hpp>
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/sampler/ddim.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

using Catch::Matchers::StartsWith;
using fewstep::cpu_backend;
using fewstep::generator_particles;
using fewstep::index_t;
using fewstep::last_step;
using fewstep::matrix;
using fewstep::open_rollout;
using fewstep::reduction;
using fewstep::step_table;
using fewstep::test::affine_predictor;
using fewstep::test::affine_sampling;
using fewstep::test::masked_pairs;
using fewstep::test::same_bits;

namespace {

constexpr std::uint64_t seed = 17;
constexpr index_t count = 8, dimension = affine_predictor::dimension;
const std::vector<index_t> ancestors{5, 5, 1, 0, 5, 7, 7, 2};

/// What resamplers do with any process: steps, a look before each, and ancestors before step `resampled`.
template <class Process>
std::vector<typename Process::value_type> samples(cpu_backend& backend, Process& particles, int resampled,
                                                  bool looks = true) {
  static_assert(fewstep::detail::require_particle_process<Process, cpu_backend>());
  std::vector<typename Process::value_type> out(
      static_cast<std::size_t>(particles.particles() * particles.sample_size()));
  const matrix<typename Process::value_type> to{out.data(), {particles.particles(), particles.sample_size()}};
  particles.start(backend, seed);
  for (int k = 0; k < particles.steps(); ++k) {
    if (looks) particles.clean(backend, k, to);
    if (k == resampled) particles.gather(backend, ancestors);
    particles.step(backend, k);
  }
  particles.clean(backend, particles.steps(), to);
  return out;
}

step_table tables(int which) {
  const auto process = affine_predictor{}.preconditioner();
  if (which == 0) return fewstep::ddim_sampler{.times = {4, 2, 1}}.table(process, 3);
  return fewstep::consistency_sampler{.times = {4, 2, 1}, .last = which == 1 ? last_step::mask : last_step::reference}
      .table(process, 3);
}

/// Contexts as affine_sampling has them.
std::vector<float> contexts() {
  std::vector<float> all;
  for (index_t r = 0; r < count; ++r) all.push_back(0.25f * static_cast<float>(r % 3));
  return all;
}

}  // namespace

TEST_CASE("particles of a generator are the samples of a rollout, to the bit") {
  const step_table table = tables(GENERATE(0, 1, 2));
  affine_sampling expected(table, count);
  expected.run({seed, 0}, 0, count);

  cpu_backend backend({.threads = GENERATE(1, 2)});
  affine_predictor model;
  generator_particles particles(backend, model, table, contexts());
  const std::vector<float> made = samples(backend, particles, -1, GENERATE(true, false));
  CHECK(same_bits(made.data(), expected.path.result().data, count * dimension));
  CHECK(model.calls == 3);
}

TEST_CASE("the clean prediction of particles is that of an open rollout") {
  const step_table table = tables(1);
  affine_sampling s(table, count);
  const fewstep::rollout_noise noise{seed, 0};
  open_rollout run(s.backend, s.model, s.workspace, s.path, matrix<float>{s.o.data(), {count, dimension}}, &noise,
                   reduction::mean, 0, count);
  cpu_backend backend({.threads = 1});
  affine_predictor model;
  generator_particles particles(backend, model, table, contexts());
  std::vector<float> expected(count * dimension), seen(count * dimension);
  run.start();
  particles.start(backend, seed);
  for (int k = 0; k < 3; ++k) {
    run.clean({expected.data(), {count, dimension}});
    particles.clean(backend, k, {seen.data(), {count, dimension}});
    CHECK(same_bits(seen, expected));
    run.step();
    particles.step(backend, k);
  }
}

TEST_CASE("particles that were resampled go on as their ancestors would, with the noise of their place") {
  const step_table table = tables(GENERATE(0, 1, 2));
  const int resampled = GENERATE(0, 1, 2);
  const fewstep::rollout_noise noise{seed, 0};
  affine_sampling s(table, count);
  open_rollout run(s.backend, s.model, s.workspace, s.path, matrix<float>{s.o.data(), {count, dimension}}, &noise,
                   reduction::mean, 0, count);
  run.start();
  while (run.at() < resampled) run.step();
  const matrix<float> state = s.path.state(resampled);
  const std::vector<float> before(state.begin(), state.end());
  for (index_t i = 0; i < count; ++i) {
    const index_t from = ancestors[static_cast<std::size_t>(i)];
    std::copy_n(before.begin() + from * dimension, dimension, state.row(i));
    s.path.set_context(i, contexts()[static_cast<std::size_t>(from)]);
  }
  run.start(resampled);
  while (run.at() < 3) run.step();
  run.finish();

  cpu_backend backend({.threads = GENERATE(1, 2)});
  affine_predictor model;
  generator_particles particles(backend, model, table, contexts());
  const bool looks = GENERATE(true, false);  // an output at hand is gathered too
  const std::vector<float> made = samples(backend, particles, resampled, looks);
  CHECK(same_bits(made.data(), s.path.result().data, count * dimension));
  CHECK(model.calls == 3);
  // Started again, they have their own contexts.
  const std::vector<float> again = samples(backend, particles, -1);
  affine_sampling plain(table, count);
  plain.run(noise, 0, count);
  CHECK(same_bits(again.data(), plain.path.result().data, count * dimension));
}

TEST_CASE("copies of a particle separate at the next step, and finished ones are gathered too") {
  cpu_backend backend({.threads = 1});
  affine_predictor model;
  generator_particles particles(backend, model, tables(1), contexts());
  std::vector<float> out(count * dimension), moved(count * dimension);
  particles.start(backend, seed);
  particles.step(backend, 0);
  particles.gather(backend, ancestors);
  particles.clean(backend, 1, {out.data(), {count, dimension}});
  CHECK(same_bits(out.data(), out.data() + dimension, dimension));
  particles.step(backend, 1);
  particles.step(backend, 2);
  particles.clean(backend, 3, {out.data(), {count, dimension}});
  CHECK_FALSE(same_bits(out.data(), out.data() + dimension, dimension));
  particles.gather(backend, ancestors);
  particles.clean(backend, 3, {moved.data(), {count, dimension}});
  for (index_t i = 0; i < count; ++i)
    CHECK(same_bits(moved.data() + i * dimension, out.data() + ancestors[static_cast<std::size_t>(i)] * dimension,
                    dimension));
}

TEST_CASE("particles refuse steps out of order and ancestors that are none") {
  cpu_backend backend({.threads = 1});
  affine_predictor model;
  generator_particles particles(backend, model, tables(0), contexts());
  particles.start(backend, seed);
  CHECK_THROWS_WITH(particles.step(backend, 1),
                    StartsWith("generator_particles: step(1) but the particles stand before step 0; take the steps in "
                               "order, from start() on"));
  std::vector<float> out(count * dimension);
  CHECK_THROWS_WITH(particles.clean(backend, 2, {out.data(), {count, dimension}}),
                    StartsWith("generator_particles: clean(2)"));
  for (int k = 0; k < 3; ++k) particles.step(backend, k);
  CHECK_THROWS_WITH(particles.step(backend, 3), StartsWith("generator_particles: all 3 steps were taken"));
  CHECK_THROWS_WITH(particles.gather(backend, std::vector<index_t>{0, 1}),
                    StartsWith("gather: there are 2 ancestors but 8 particles; give one for each"));
  CHECK_THROWS_WITH(particles.gather(backend, std::vector<index_t>{0, 1, 2, 3, 4, 5, 6, 8}),
                    StartsWith("gather: ancestor 8 is not in [0, 8)"));
  CHECK_THROWS_WITH(generator_particles(backend, model, tables(0), std::vector<float>{}),
                    StartsWith("generator_particles: there are no contexts; give one for each particle"));
}

TEST_CASE("masked letters come out as often as a chain of that many steps says") {
  cpu_backend backend({.threads = 2});
  constexpr index_t n = 100000;
  for (const int steps : {1, 2, 4}) {
    masked_pairs letters(steps, n);
    std::vector<std::int32_t> out(2 * n);
    letters.start(backend, seed);
    for (int k = 0; k < steps; ++k) letters.step(backend, k);
    letters.clean(backend, steps, {out.data(), {n, 2}});
    std::array<double, 4> often{};
    for (std::size_t i = 0; i < out.size(); i += 2) often[static_cast<std::size_t>(2 * out[i] + out[i + 1])] += 1.0 / n;
    const std::array<double, 4> p{.4, .1, .2, .3}, independent{.3, .2, .3, .2};
    for (std::size_t pair = 0; pair < 4; ++pair) {
      const double expected = (1 - 1.0 / steps) * p[pair] + independent[pair] / steps;
      CAPTURE(steps, pair);
      CHECK(std::abs(often[pair] - expected) < 5 * std::sqrt(expected * (1 - expected) / n));
    }
  }
}

TEST_CASE("a discrete process is resampled by the same driver, on any number of threads") {
  constexpr int steps = 6;
  for (int resampled = -1; resampled < steps; ++resampled) {
    masked_pairs expected(steps, count);
    cpu_backend one({.threads = 1}), two({.threads = 2});
    expected.start(one, seed);
    for (int k = 0; k < steps; ++k) {
      if (k == resampled) {
        std::vector<std::array<std::int32_t, 2>> before;
        for (index_t i = 0; i < count; ++i) before.push_back(expected.at(i));
        for (std::size_t i = 0; i < before.size(); ++i)
          expected.at(static_cast<index_t>(i)) = before[static_cast<std::size_t>(ancestors[i])];
      }
      expected.step(one, k);
    }
    masked_pairs letters(steps, count);
    const std::vector<std::int32_t> made = samples(two, letters, resampled);
    for (index_t i = 0; i < count; ++i)
      for (std::size_t at = 0; at < 2; ++at) CHECK(made[static_cast<std::size_t>(2 * i) + at] == expected.at(i)[at]);
  }
}
