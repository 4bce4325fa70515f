// SPDX-License-Identifier: Apache-2.0
#include "support/affine_predictor.hpp"
#include "support/arrays.hpp"
#include "test.hpp"

#include <fewstep/mdp/open_rollout.hpp>
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/sampler/ddim.hpp>

#include <algorithm>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

using Catch::Matchers::StartsWith;
using fewstep::index_t;
using fewstep::last_step;
using fewstep::matrix;
using fewstep::open_rollout;
using fewstep::random_stream;
using fewstep::reduction;
using fewstep::rollout_noise;
using fewstep::step_table;
using fewstep::test::affine_predictor;
using fewstep::test::affine_sampling;
using fewstep::test::same_bits;

namespace {

constexpr index_t dimension = affine_predictor::dimension;
constexpr rollout_noise noise{11, 40};

step_table three_steps(last_step last = last_step::reference) {
  return fewstep::consistency_sampler{.times = {4, 2, 1}, .last = last}.table(affine_predictor{}.preconditioner(), 3);
}

auto opened(affine_sampling& s, index_t first, index_t count) {
  return open_rollout(s.backend, s.model, s.workspace, s.path, matrix<float>{s.o.data(), {count, dimension}}, &noise,
                      reduction::mean, first, count);
}

}  // namespace

TEST_CASE("a rollout that is looked at has the bits and the network calls of one that is not") {
  const step_table table =
      GENERATE(three_steps(last_step::mask), three_steps(last_step::stochastic),
               fewstep::ddim_sampler{.times = {4, 2, 1}}.table(affine_predictor{}.preconditioner(), 3));
  const bool keeps = GENERATE(false, true);
  constexpr index_t samples = 9, first = 2, count = 5;
  affine_sampling alone(table, samples, 1, {.keeps_outputs = keeps}), seen(table, samples, 2, {.keeps_outputs = keeps});
  alone.run(noise, first, count);

  std::vector<float> clean(static_cast<std::size_t>(count * dimension)), part(2 * dimension);
  auto run = opened(seen, first, count);
  run.start();
  for (int k = 0; k < table.horizon(); ++k) {
    CHECK(run.at() == k);
    run.clean({clean.data(), {count, dimension}});
    run.clean(3, {part.data(), {2, dimension}});
    CHECK(same_bits(part.data(), clean.data() + 3 * dimension, 2 * dimension));
    // f = skip x + out o, where o is what affine_predictor says.
    const auto& row = table.rows[static_cast<std::size_t>(k)];
    for (index_t r = 0; r < count; ++r)
      for (index_t d = 0; d < dimension; ++d) {
        const double x = static_cast<double>(seen.path.state(k)(first + r, d));
        const double o = 0.3 * x + 0.25 * static_cast<double>((first + r) % 3) + 0.1 * static_cast<double>(row.time);
        CHECK(static_cast<double>(clean[static_cast<std::size_t>(r * dimension + d)]) ==
              Approx(static_cast<double>(row.skip) * x + static_cast<double>(row.out) * o).margin(2e-6));
      }
    run.step();
  }
  run.clean({clean.data(), {count, dimension}});
  run.finish();
  CHECK(same_bits(clean.data(), seen.path.result().row(first), count * dimension));
  CHECK(same_bits(seen.everything(), alone.everything()));
  CHECK(seen.model.calls == table.horizon());
}

TEST_CASE("a rollout that goes on from its own states at a step ends with the same bits") {
  const auto table = three_steps();
  constexpr index_t samples = 6;
  affine_sampling whole(table, samples);
  whole.run(noise, 0, samples);
  for (int k = 0; k < 3; ++k) {
    auto partial_table = table;
    partial_table.first_trained = k;
    partial_table.trained = 3 - k;
    affine_sampling from(partial_table, samples);
    std::copy_n(whole.path.state(k).data, samples * dimension, from.path.state(k).data);
    auto run = opened(from, 0, samples);
    run.start(k);
    while (run.at() < 3) run.step();
    run.finish();
    CHECK(from.model.calls == 3 - k);
    CHECK(same_bits(from.path.result().data, whole.path.result().data, samples * dimension));
    for (index_t row = k * samples; row < 3 * samples; ++row)
      CHECK(from.path.log_probability(row) == whole.path.log_probability(row));
  }
}

TEST_CASE("a state that was changed under way is asked about anew") {
  affine_sampling s(three_steps(), 2);
  auto run = opened(s, 0, 2);
  std::vector<float> before(2 * dimension), after(2 * dimension), again(2 * dimension);
  run.start();
  run.step();
  run.clean({before.data(), {2, dimension}});
  std::copy_n(s.path.state(1).row(0), dimension, s.path.state(1).row(1));
  run.start(1);
  run.clean({after.data(), {2, dimension}});
  CHECK(same_bits(before.data(), after.data(), dimension));
  CHECK_FALSE(same_bits(before.data() + dimension, after.data() + dimension, dimension));
  CHECK(s.model.calls == 3);
}

TEST_CASE("a rollout that starts from data adds the noise of its step, keyed by sample and step") {
  auto table = three_steps();
  table.first_trained = 2;
  table.trained = 1;
  constexpr index_t samples = 6, first = 1, count = 4;
  affine_sampling s(table, samples);
  const auto data = fewstep::test::normals<float>(count * dimension, 3);
  for (const int k : {0, 1, 2}) {
    auto run = opened(s, first, count);
    run.start(k, {data.data(), {count, dimension}});
    CHECK(run.at() == k);
    const random_stream source{noise.seed, fewstep::stream::initial_noise};
    const double sigma = static_cast<double>(table.rows[static_cast<std::size_t>(k)].time);  // of this process
    for (index_t r = 0; r < count; ++r)
      for (index_t d = 0; d < dimension; ++d) {
        const double z =
            static_cast<double>(source.normal(noise.first + static_cast<std::uint64_t>(first + r),
                                              static_cast<std::uint32_t>(k), static_cast<std::uint64_t>(d)));
        CHECK(static_cast<double>(s.path.state(k)(first + r, d)) ==
              Approx(static_cast<double>(data[static_cast<std::size_t>(r * dimension + d)]) + sigma * z).margin(2e-6));
      }
  }
}

TEST_CASE("data without a signal starts a rollout where noise alone does") {
  affine_sampling s(three_steps(), 3), from_data(three_steps(), 3);
  auto plain = opened(s, 0, 3), data = opened(from_data, 0, 3);
  const std::vector<float> zero(3 * dimension);
  plain.start();
  data.start(0, {zero.data(), {3, dimension}});
  CHECK(same_bits(s.path.state(0).data, from_data.path.state(0).data, 3 * dimension));
}

TEST_CASE("an open rollout refuses a start that no training could follow, and an early end") {
  affine_sampling s(three_steps(), 3);
  auto run = opened(s, 0, 3);
  CHECK_THROWS_WITH(run.start(3), StartsWith("open_rollout: step 3 to start at is not in [0, 3)"));
  CHECK_THROWS_WITH(run.start(-1), contains("step -1"));
  CHECK_THROWS_WITH(
      run.start(1),
      StartsWith("open_rollout: it is to start at step 1, but the table trains steps from 0 on, which would "
                 "have no log-probability; set first_trained to 1 and `trained` to at most 2"));
  const std::vector<float> data(2 * dimension);
  CHECK_THROWS_WITH(
      run.start(0, {data.data(), {2, dimension}}),
      StartsWith("open_rollout: the data to start from is [2, 19], but the rows to be sampled are [3, 19]"));
  run.start();
  run.step();
  CHECK_THROWS_WITH(run.finish(),
                    StartsWith("open_rollout: finish() at step 1 of 3; take the steps that are left, or ask "
                               "for the clean prediction"));
  run.start(1);  // goes on
  run.step();
  run.step();
  CHECK_NOTHROW(run.finish());
}
