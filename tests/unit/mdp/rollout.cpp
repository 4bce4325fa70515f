// SPDX-License-Identifier: Apache-2.0
#include "support/affine_predictor.hpp"
#include "support/arrays.hpp"
#include "test.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/mdp/rollout.hpp>
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/sampler/ddim.hpp>
#include <fewstep/sampler/scored_part.hpp>

#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

using fewstep::emitted;
using fewstep::index_t;
using fewstep::last_step;
using fewstep::matrix;
using fewstep::random_stream;
using fewstep::reduction;
using fewstep::step_table;
using fewstep::test::affine_predictor;
using fewstep::test::affine_sampling;
using fewstep::test::same_bits;

namespace {

constexpr index_t dimension = affine_predictor::dimension;

/// The trajectory in double precision, from the numbers of the noise streams.
struct closed_form {
  std::vector<std::vector<double>> states;  ///< of one sample, x_0 .. x_H
  std::vector<double> result, log_probability;

  closed_form(const step_table& table, double context, std::uint64_t seed, std::uint64_t sample, reduction over)
      : result(dimension) {
    const random_stream start{seed, fewstep::stream::initial_noise}, moves{seed, fewstep::stream::noise};
    std::vector<double> x(dimension);
    for (std::size_t d = 0; d < x.size(); ++d)
      x[d] = static_cast<double>(table.initial_sigma) * static_cast<double>(start.normal(sample, 0, d));
    states.push_back(x);
    for (std::size_t k = 0; k < table.rows.size(); ++k) {
      const auto& row = table.rows[k];
      double squares = 0;
      for (std::size_t d = 0; d < x.size(); ++d) {
        const double output = 0.3 * x[d] + context + 0.1 * static_cast<double>(row.time);
        const double z = static_cast<double>(moves.normal(sample, static_cast<std::uint32_t>(k), d));
        result[d] = static_cast<double>(row.skip) * x[d] + static_cast<double>(row.out) * output;
        x[d] = static_cast<double>(row.a) * x[d] + static_cast<double>(row.b) * output +
               static_cast<double>(row.sigma) * z;
        if (table.scored.has(static_cast<index_t>(d))) squares += z * z;
      }
      if (table.result == emitted::state) result = x;
      states.push_back(x);
      const auto scored = static_cast<double>(table.scored.size(dimension));
      const double whole =
          -0.5 * squares - scored * (std::log(static_cast<double>(row.sigma)) + 0.5 * std::log(2 * std::acos(-1.0)));
      log_probability.push_back(over == reduction::mean ? whole / scored : whole);
    }
  }
};

void check_closed_form(const step_table& table, reduction over = reduction::mean) {
  constexpr std::uint64_t seed = 11, first = 40;
  constexpr index_t samples = 6;
  affine_sampling s(table, samples);
  s.run({seed, first}, 0, samples, over);
  for (index_t r = 0; r < samples; ++r) {
    const closed_form expected(table, 0.25 * static_cast<double>(r % 3), seed, first + static_cast<std::uint64_t>(r),
                               over);
    for (int k = 0; k <= table.horizon(); ++k) {
      CAPTURE(r, k);
      const std::vector<float> state(s.path.state(k).row(r), s.path.state(k).row(r) + dimension);
      CHECK(fewstep::test::largest_difference(state, expected.states[static_cast<std::size_t>(k)]) < 1e-5);
      if (table.trains(k))
        CHECK(s.path.log_probability(k * samples + r) ==
              Approx(expected.log_probability[static_cast<std::size_t>(k)]).epsilon(1e-5));
    }
    const std::vector<float> result(s.path.result().row(r), s.path.result().row(r) + dimension);
    CHECK(fewstep::test::largest_difference(result, expected.result) < 1e-5);
  }
}

}  // namespace

TEST_CASE("a rollout follows its table in closed form") {
  const auto last = GENERATE(last_step::reference, last_step::mask, last_step::stochastic);
  const auto over = GENERATE(reduction::mean, reduction::sum);
  const auto table =
      fewstep::consistency_sampler{.times = {4, 2, 1}, .last = last}.table(affine_predictor{}.preconditioner(), 3);
  CAPTURE(static_cast<int>(last), over == reduction::mean);
  CHECK(table.trained == (last == last_step::mask ? 2 : 3));
  CHECK((table.result == emitted::state) == (last == last_step::stochastic));
  check_closed_form(table, over);
}

TEST_CASE("log-probabilities of a part of the coordinates are the density of that part, and all are moved alike") {
  const auto over = GENERATE(reduction::mean, reduction::sum);
  const fewstep::scored_part some{fewstep::consistency_sampler{.times = {4, 2, 1}}, {.first = 3, .count = 5}};
  const auto process = affine_predictor{}.preconditioner();
  check_closed_form(some.table(process, 3), over);

  fewstep::test::affine_sampling part(some.table(process, 3), 4), all(some.sampler.table(process, 3), 4);
  part.run({5, 0}, 0, 4);
  all.run({5, 0}, 0, 4);
  CHECK(same_bits(part.path.states().data, all.path.states().data, part.path.states().size()));
  CHECK(part.path.log_probability(0) != all.path.log_probability(0));
}

TEST_CASE("a part of the coordinates that a sample does not have is refused") {
  fewstep::cpu_backend backend({.threads = 1});
  auto table = fewstep::consistency_sampler{}.table(affine_predictor{}.preconditioner(), 3);
  for (const fewstep::scored_range& range :
       {fewstep::scored_range{18, 2}, fewstep::scored_range{-1, 2}, fewstep::scored_range{3, 0}}) {
    table.scored = range;
    CHECK_THROWS_WITH((fewstep::trajectory<fewstep::cpu_backend, float>(backend, table, 2, dimension)),
                      contains("scored_range: first is " + std::to_string(range.first)));
  }
}

TEST_CASE("steps before the first that is trained are sampled alike and have no log-probability") {
  auto table = fewstep::consistency_sampler{.times = {4, 2, 1}, .last = last_step::reference}.table(
      affine_predictor{}.preconditioner(), 3);
  table.first_trained = 1;
  table.trained = 2;
  check_closed_form(table);
  affine_sampling s(table, 4);
  s.run({3, 0}, 0, 4, reduction::mean);
  CHECK(s.path.first_trained_row() == 4);
  CHECK(s.path.trained_rows() == 8);
  for (index_t r = 0; r < 4; ++r) CHECK(s.path.log_probability(r) == 0);
}

TEST_CASE("a rollout follows DDIM's table, whose result is the last state") {
  const auto table = fewstep::ddim_sampler{.eta = GENERATE(0.0f, 0.5f, 1.0f), .times = {4, 2, 1}}.table(
      affine_predictor{}.preconditioner(), 3);
  REQUIRE(table.result == emitted::state);
  check_closed_form(table);
}

TEST_CASE("the last state of a masked step is the clean prediction") {
  const auto table = fewstep::consistency_sampler{.times = {4, 1}}.table(affine_predictor{}.preconditioner(), 2);
  affine_sampling s(table, 3);
  s.run({1, 0}, 0, 3);
  CHECK(same_bits(s.path.state(2).data, s.path.result().data, 3 * dimension));
}

TEST_CASE("a rollout in parts, in any order and on any number of threads, has the same bits") {
  const auto table = fewstep::consistency_sampler{.times = {4, 2, 1}, .last = last_step::reference}.table(
      affine_predictor{}.preconditioner(), 3);
  constexpr index_t samples = 35;
  affine_sampling whole(table, samples);
  whole.run({5, 70}, 0, samples);
  const auto expected = whole.everything();

  affine_sampling parts(table, samples, GENERATE(1, 2));
  const index_t part = GENERATE(1, 3, 7, 34);
  for (index_t first = samples / part * part; first >= 0; first -= part)
    if (first < samples) parts.run({5, 70}, first, std::min(part, samples - first));
  CAPTURE(part, parts.backend.threads());
  CHECK(same_bits(parts.everything(), expected));
}

TEST_CASE("noise belongs to the sample's number in the run, not to its place in the batch") {
  const auto table = fewstep::consistency_sampler{.times = {4, 2, 1}}.table(affine_predictor{}.preconditioner(), 3);
  affine_sampling early(table, 6), late(table, 6), other(table, 6);
  early.run({5, 0}, 0, 6);
  late.run({5, 3}, 0, 6);
  other.run({6, 0}, 0, 6);
  // Contexts repeat after three samples.
  CHECK(same_bits(early.path.result().row(3), late.path.result().row(0), 3 * dimension));
  CHECK_FALSE(same_bits(early.path.result().row(0), late.path.result().row(0), dimension));
  CHECK_FALSE(same_bits(early.path.result().row(0), other.path.result().row(0), dimension));
}

TEST_CASE("a trajectory shows a replayed step its state, time and context") {
  const auto table = fewstep::consistency_sampler{.times = {4, 2, 1}}.table(affine_predictor{}.preconditioner(), 3);
  affine_sampling s(table, 5);
  s.run({5, 0}, 0, 5);
  CHECK(s.path.trained_rows() == 10);
  const auto rows = s.path.rows(0, 15);
  for (index_t k = 0; k < 3; ++k)
    for (index_t r = 0; r < 5; ++r) {
      CHECK(rows.x.row(5 * k + r) == s.path.state(static_cast<int>(k)).row(r));
      CHECK(rows.times[5 * k + r] == table.rows[static_cast<std::size_t>(k)].time);
      CHECK(rows.contexts[5 * k + r] == 0.25f * static_cast<float>(r % 3));
      CHECK(s.path.times()[5 * k + r] == table.rows[static_cast<std::size_t>(k)].time);
    }
  // States and results; by row log-probability, time, step and sample; contexts; and the table, twice where a device
  // has its own.
  CHECK(fewstep::trajectory<fewstep::cpu_backend, float>::bytes(3, 5, dimension) ==
        (4 + 1) * 5 * dimension * sizeof(float) + 3 * 5 * (sizeof(double) + sizeof(float) + 2 * sizeof(std::int32_t)) +
            5 * sizeof(float) + 3 * 2 * sizeof(fewstep::step_row));
}
