// SPDX-License-Identifier: Apache-2.0
// The direct gradient of a reward against closed forms on the Gaussian toy, and against central differences through a
// network.
#include "support/arrays.hpp"
#include "support/differentiable_gaussian.hpp"
#include "support/micro_batches.hpp"
#include "support/temporary_directory.hpp"
#include "test.hpp"

#include <fewstep/algorithm/draft.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/io/checkpoint.hpp>
#include <fewstep/loss/consistency_regularizer.hpp>
#include <fewstep/loss/last_step_reward.hpp>
#include <fewstep/mdp/rollout.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/reward/differentiable_per_sample.hpp>
#include <fewstep/reward/differentiable_reward.hpp>
#include <fewstep/sampler/ddim.hpp>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

using namespace fewstep;
using namespace fewstep::test;

namespace {

using perceptron = mlp_generator<cpu_backend>;
using toy = differentiable_gaussian;

constexpr float target = 1.5f;
const std::vector<std::int32_t> one_context = {0};
const std::vector<std::int32_t> contexts = {0, 1, 2, 3};

perceptron make_mlp(cpu_backend& backend) {
  return {backend, {.network = {.dimension = 3, .classes = 4}, .preconditioner = {.sigma_max = 4}, .seed = 3}};
}

template <class Generator>
std::vector<float> parameters_of(Generator& model) {
  return {model.parameters().begin(), model.parameters().end()};
}
template <class Generator>
std::vector<float> gradients_of(Generator& model) {
  return {model.gradients().begin(), model.gradients().end()};
}

template <class Trainer>
std::string state_of(Trainer& trainer) {
  const temporary_directory folder;
  save_checkpoint(folder / "state", trainer);
  return text_of(folder / "state");
}

/// d loss / d mean of -differentiable_quadratic for one sample that moves by `share` with the mean.
double slope_of(const float* sample, double share) {
  double slope = 0;
  for (index_t d = 0; d < toy::dimension; ++d)
    slope += 2 * (static_cast<double>(sample[d]) - static_cast<double>(target)) * share;
  return slope;
}

const std::vector<float> times = {4, 1.2f, 0.5f};

/// A sampler of these times, of which no call needs another after it.
consistency_sampler jumped_from(std::vector<float> at) {
  return {.times = std::move(at), .last = last_step::stochastic, .final_sigma = 1};
}

}  // namespace

TEST_CASE("DRaFT-K on the Gaussian toy is the closed form, sample by sample, for every K") {
  cpu_backend backend({.threads = 1});
  const int horizon = GENERATE(1, 2, 3);
  const int k = GENERATE(1, 2, 3);
  if (k > horizon) return;
  toy model;
  const std::vector<float> own(times.end() - horizon, times.end());
  auto trainer =
      draft(backend, model,
            direct_reward_gradient_parts{.reward = differentiable_quadratic{target},
                                         .optimizer = sgd{.learning_rate = 0},
                                         .sampler = jumped_from(own)},
            {.horizon = horizon, .steps_with_gradient = k, .jump_from = horizon - 1, .batch = {.prompts = 20}});
  trainer.update(one_context);
  // f = m (1 - s) + s x, and renoising adds noise only: x_{H-K} held, the result moves with m by 1 - prod s.
  double product = 1;
  for (int i = horizon - k; i < horizon; ++i)
    product *= toy::shrinking(static_cast<double>(own[static_cast<std::size_t>(i)]));
  double expected = 0, loss = 0;
  for (index_t r = 0; r < 20; ++r) {
    expected += slope_of(trainer.samples().row(r), 1 - product) / 20;
    loss -= static_cast<double>(trainer.rewards()[static_cast<std::size_t>(r)]) / 20;
  }
  CHECK(static_cast<double>(model.gradient) == Approx(expected).epsilon(1e-5));
  CHECK(trainer.update(one_context).loss > 0);
  CHECK(loss > 0);
}

TEST_CASE("DRaFT through all calls has the gradient of the expected reward") {
  // y = m (1 - s0 s1) + s0 s1 x_0 + s1 sigma z, so d E|y - c|^2 / dm = 2 D (m (1 - s0 s1) - c) (1 - s0 s1).
  cpu_backend backend({.threads = 1});
  toy model;
  constexpr std::uint64_t seed = 20;
  INFO("seed " << seed);
  constexpr int samples = 4000;
  auto trainer =
      draft(backend, model,
            direct_reward_gradient_parts{.reward = differentiable_quadratic{target},
                                         .optimizer = sgd{.learning_rate = 0},
                                         .sampler = consistency_sampler{.times = {4, 1}}},
            {.horizon = 2, .steps_with_gradient = 2, .batch = {.prompts = samples}, .training = {.seed = seed}});
  trainer.update(one_context);
  const double s0 = toy::shrinking(4), s1 = toy::shrinking(1), share = 1 - s0 * s1,
               mean = static_cast<double>(model.mean), sigma_squared = 1 - toy::sigma_min * toy::sigma_min;
  const double expected = 2 * toy::dimension * (mean * share - static_cast<double>(target)) * share;
  const double variance_of_y = s0 * s0 * s1 * s1 * 16 + s1 * s1 * sigma_squared;
  const double error = 2 * share * std::sqrt(toy::dimension * variance_of_y / samples);
  CHECK(std::abs(static_cast<double>(model.gradient) - expected) < 5.5 * error);  // false alarm 4e-8
}

TEST_CASE("a jump has the gradient of the clean prediction it jumps to") {
  cpu_backend backend({.threads = 1});
  toy model;
  auto trainer = refl(backend, model,
                      direct_reward_gradient_parts{.reward = differentiable_quadratic{target},
                                                   .optimizer = sgd{.learning_rate = 0},
                                                   .sampler = consistency_sampler{.times = times}},
                      {.horizon = 3, .jump_from = 0, .weight = 0.01f, .margin = -2, .batch = {.prompts = 40}});
  std::vector<int> seen(3);
  for (int update = 0; update < 40; ++update) {
    const auto report = trainer.update(one_context);
    const int call = trainer.table().horizon() - 1;
    ++seen[static_cast<std::size_t>(call)];
    const double share = 1 - toy::shrinking(static_cast<double>(times[static_cast<std::size_t>(call)]));
    double expected = 0, loss = 0;
    int good = 0;
    for (index_t r = 0; r < 40; ++r) {
      const auto reward = static_cast<double>(trainer.rewards()[static_cast<std::size_t>(r)]);
      if (reward >= -2) {
        ++good;
        continue;
      }
      expected += 0.01 * slope_of(trainer.samples().row(r), share) / 40;
      loss += 0.01 * (-2 - reward) / 40;
    }
    CAPTURE(update, call, good);
    CHECK(static_cast<double>(model.gradient) == Approx(expected).epsilon(1e-4).margin(1e-9));
    CHECK(report.loss == Approx(loss).epsilon(1e-6));
  }
  CAPTURE(seen);
  for (const int n : seen) CHECK(n > 0);  // each of the three is missed with probability (2/3)^40
}

TEST_CASE("the gradient through K calls of a network is that of central differences") {
  cpu_backend backend({.threads = 1});
  auto model = make_mlp(backend);
  const bool noise_at_the_end = GENERATE(false, true);
  const int horizon = 3, k = GENERATE(1, 2, 3);
  constexpr index_t samples = 6;
  const differentiable_quadratic judge{target};
  const consistency_sampler sampler{
      .times = times, .last = noise_at_the_end ? last_step::stochastic : last_step::mask, .final_sigma = 0.3f};
  direct_reward_gradient trainer(
      backend, model,
      direct_reward_gradient_parts{.reward = judge, .optimizer = sgd{.learning_rate = 0}, .sampler = sampler},
      {.horizon = horizon,
       .steps_with_gradient = k,
       .batch = {.prompts = samples},
       .training = {.max_gradient_norm = 0, .seed = 5}});
  trainer.update(one_context);
  const auto claimed = gradients_of(model);

  // The same rollout, of which the last K calls are then repeated under moved parameters with the noise that was drawn.
  const step_table& table = trainer.table();
  trajectory<cpu_backend, std::int32_t> path(backend, table, samples, 3);
  for (index_t r = 0; r < samples; ++r) path.set_context(r, 0);
  auto workspace = model.make_workspace(backend, samples);
  tensor<float, 2, cpu_backend> o(backend, {samples, 3}), x(backend, {samples, 3}), noise(backend, {3 * samples, 3});
  rollout(backend, model, workspace, path, o.view(), rollout_noise{5, 0}, reduction::mean, 0, samples);
  for (index_t i = 0; i < samples * 3; ++i) REQUIRE(path.result().data[i] == trainer.samples().data[i]);
  for (int step = 0; step < horizon; ++step) {
    const step_row& row = table.rows[static_cast<std::size_t>(step)];
    model.predict(backend, path.rows(step * samples, samples), o.view(), workspace);
    for (index_t i = 0; i < samples * 3; ++i)
      noise.data()[step * samples * 3 + i] =
          path.state(step + 1).data[i] - row.a * path.state(step).data[i] - row.b * o.data()[i];
  }
  const auto loss = [&] {
    std::copy_n(path.state(horizon - k).data, samples * 3, x.data());
    for (int step = horizon - k; step < horizon; ++step) {
      const step_row& row = table.rows[static_cast<std::size_t>(step)];
      const auto rows = path.rows(step * samples, samples);
      model.predict(backend, {x.view(), rows.times, rows.contexts}, o.view(), workspace);
      const bool clean = step + 1 == horizon && table.result == emitted::clean;
      for (index_t i = 0; i < samples * 3; ++i)
        x.data()[i] = clean ? row.skip * x.data()[i] + row.out * o.data()[i]
                            : row.a * x.data()[i] + row.b * o.data()[i] + noise.data()[step * samples * 3 + i];
    }
    double sum = 0;
    for (index_t i = 0; i < samples * 3; ++i) {
      const double off = static_cast<double>(x.data()[i]) - static_cast<double>(target);
      sum += off * off / samples;
    }
    return sum;
  };
  const auto start = parameters_of(model);
  for (std::uint64_t direction = 0; direction < 6; ++direction) {
    const auto v = normals<float>(model.parameters().size(), direction + 50);
    double along = 0;
    for (std::size_t i = 0; i < v.size(); ++i) along += static_cast<double>(claimed[i]) * static_cast<double>(v[i]);
    const auto slope = [&](double step) {
      double difference = 0;
      for (const double sign : {1.0, -1.0}) {
        for (std::size_t i = 0; i < v.size(); ++i)
          model.parameters()[static_cast<index_t>(i)] = start[i] + static_cast<float>(sign * step) * v[i];
        difference += sign * loss() / (2 * step);
      }
      std::copy(start.begin(), start.end(), model.parameters().begin());
      return difference;
    };
    const double measured = (4 * slope(1.0 / 512) - slope(1.0 / 256)) / 3;
    CAPTURE(k, direction, noise_at_the_end);
    CHECK(along == Approx(measured).epsilon(2e-3).margin(2e-3));
  }
}

TEST_CASE("DRaFT raises a differentiable reward, through one call and through all") {
  cpu_backend backend({.threads = 1});
  const int k = GENERATE(1, 4);  // the last call alone hardly moves the result, and learning it fast is unstable
  auto model = make_mlp(backend);
  auto trainer = draft(backend, model, differentiable_quadratic{0.5f}, adam{.learning_rate = k == 1 ? 1e-3f : 1e-2f},
                       {.horizon = 4, .steps_with_gradient = k, .batch = {.prompts = 32}});
  std::vector<double> means;
  for (const auto& report : trainer.run(contexts, 60)) {
    means.push_back(report.reward_mean);
    CHECK(report.gradient_norm > 0);
  }
  CAPTURE(k, means.front(), means.back());
  CHECK(trainer.index() == 60);
  CHECK(means.back() > 0.3 * means.front());
  CHECK(means.back() < 0);
}

TEST_CASE("a direct gradient has the same bits in every micro-batch, on any threads, with other losses beside it") {
  struct run_result {
    std::vector<float> parameters;
    index_t rows;
  };
  const auto make = [](cpu_backend& backend, perceptron& model, std::size_t budget) {
    return draft(backend, model,
                 direct_reward_gradient_parts{
                     .reward = differentiable_quadratic{target},
                     .optimizer = adam{.learning_rate = 1e-2f},
                     .sampler = consistency_sampler{},
                     .auxiliary = auxiliary_losses(
                         last_step_reward(backend, differentiable_quadratic{0}, {.weight = 0.3f, .margin = -1}),
                         consistency_regularizer(backend, {.weight = 0.2f}))},
                 {.horizon = 3,
                  .steps_with_gradient = 3,
                  .random_truncation = true,
                  .batch = {.prompts = 33, .samples_per_prompt = 3},
                  .training = {.ema_decay = 0.9f, .memory_budget = budget}});
  };
  const auto run = [&](int threads, std::size_t budget) {
    cpu_backend backend({.threads = threads});
    auto model = make_mlp(backend);
    auto trainer = make(backend, model, budget);
    for (int update = 0; update < 4; ++update) trainer.update(contexts);
    auto result = parameters_of(model);
    result.insert(result.end(), trainer.ema().begin(), trainer.ema().end());
    return run_result{result, trainer.memory().rows};
  };
  cpu_backend backend({.threads = 1});
  const std::size_t enough = std::size_t{1} << 30;
  const run_result whole = run(1, enough);
  CHECK(whole.rows == 128);
  const auto budget = budget_for(2, row_block_of(make_mlp(backend)), [&](std::size_t bytes) {
    auto model = make_mlp(backend);
    return make(backend, model, bytes);
  });
  const run_result cut = run(1, budget);
  CHECK(cut.rows == 64);
  CHECK(same_bits(cut.parameters, whole.parameters));
  CHECK(same_bits(run(3, enough).parameters, whole.parameters));
}

TEST_CASE("a direct run that is resumed from a checkpoint goes on bit for bit") {
  cpu_backend backend({.threads = 1});
  const auto make = [&](perceptron& model, int horizon = 3) {
    return refl(backend, model, differentiable_quadratic{target}, adam{.learning_rate = 1e-2f},
                {.horizon = horizon,
                 .jump_from = 1,
                 .weight = 1,
                 .margin = 0,
                 .batch = {.prompts = 8},
                 .training = {.ema_decay = 0.9f, .seed = 4}});
  };
  auto model = make_mlp(backend);
  auto trainer = make(model);
  for (int update = 0; update < 3; ++update) trainer.update(contexts);
  const temporary_directory folder;
  save_checkpoint(folder / "half", trainer);
  for (int update = 0; update < 3; ++update) trainer.update(contexts);
  auto other = make_mlp(backend);
  auto resumed = make(other);
  load_checkpoint(folder / "half", resumed);
  CHECK(resumed.index() == 3);
  for (int update = 0; update < 3; ++update) resumed.update(contexts);
  CHECK(state_of(resumed) == state_of(trainer));
  auto longer = make(other, 4);
  CHECK_THROWS_WITH(load_checkpoint(folder / "half", longer), contains("horizon"));
}

TEST_CASE("a direct gradient refuses what it cannot follow") {
  cpu_backend backend({.threads = 1});
  gaussian_consistency plain;
  const auto make = [&](direct_reward_gradient_options o) {
    direct_reward_gradient trainer(
        backend, plain, direct_reward_gradient_parts{.reward = differentiable_quadratic{}, .optimizer = sgd{}}, o);
  };
  CHECK_NOTHROW(make({.horizon = 2}));
  CHECK_THROWS_WITH(make({.horizon = 2, .steps_with_gradient = 2}), contains("no gradient by the state"));
  CHECK_THROWS_WITH(make({.horizon = 2, .steps_with_gradient = 3}), contains("steps_with_gradient is 3"));
  CHECK_THROWS_WITH(make({.horizon = 2, .steps_with_gradient = 0}), contains("steps_with_gradient is 0"));
  CHECK_THROWS_WITH(make({.horizon = 2, .jump_from = 2}), contains("jump_from is 2"));
  CHECK_THROWS_WITH(make({.horizon = 2, .weight = -1}), contains("weight is -1"));
  CHECK_THROWS_WITH(make({.horizon = 2, .margin = NAN}), contains("margin is nan"));
  CHECK_THROWS_WITH(make({.horizon = 2, .batch = {.prompts = 0}}), contains("batch.prompts is 0"));
  CHECK_THROWS_WITH(make({.horizon = 2, .training = {.ema_decay = 1}}), contains("ema_decay is 1"));
  CHECK_THROWS_WITH(make({.horizon = 2, .training = {.memory_budget = 100}}), contains("memory_budget: 100"));
  auto trainer = draft(backend, plain, differentiable_quadratic{}, sgd{}, {.horizon = 2});
  CHECK_THROWS_WITH(trainer.update({}), contains("direct_reward_gradient: there are no prompts"));
}

TEST_CASE("a direct update that fails leaves the parameters and says whether the state is whole") {
  cpu_backend backend({.threads = 1});
  auto model = make_mlp(backend);
  float value = 0, slope = 1;
  auto trainer = draft(backend, model, differentiable_per_sample([&](vec<const float> x, int, vec<float> g) {
                         for (index_t d = 0; d < x.size(); ++d) g[d] = slope;
                         return value;
                       }),
                       sgd{.learning_rate = 0.1f});
  const auto before = parameters_of(model);
  value = NAN;
  CHECK_THROWS_WITH(trainer.update(contexts), contains("the reward of sample 0"));
  CHECK(trainer.is_whole());
  value = 0;
  slope = std::numeric_limits<float>::infinity();
  CHECK_THROWS_WITH(trainer.update(contexts), contains("gradient norm"));
  CHECK_FALSE(trainer.is_whole());
  CHECK(same_bits(parameters_of(model), before));
  slope = 1;
  CHECK_NOTHROW(trainer.update(contexts));
  CHECK(trainer.is_whole());
  CHECK_FALSE(same_bits(parameters_of(model), before));
}

TEST_CASE("DDIM's deterministic steps are followed back to the first") {
  // x' = a x + b o with o = f: d result / d mean = sum over calls of b (1 - s) times what later calls make of it.
  cpu_backend backend({.threads = 1});
  toy model;
  auto trainer = draft(backend, model,
                       direct_reward_gradient_parts{.reward = differentiable_quadratic{target},
                                                    .optimizer = sgd{.learning_rate = 0},
                                                    .sampler = ddim_sampler{.eta = 0, .times = times}},
                       {.horizon = 3, .steps_with_gradient = 3, .batch = {.prompts = 10}});
  trainer.update(one_context);
  double share = 0;
  for (const step_row& row : trainer.table().rows) {
    const double s = toy::shrinking(static_cast<double>(row.time));
    share =
        (static_cast<double>(row.a) + static_cast<double>(row.b) * s) * share + static_cast<double>(row.b) * (1 - s);
  }
  double expected = 0;
  for (index_t r = 0; r < 10; ++r) expected += slope_of(trainer.samples().row(r), share) / 10;
  CHECK(static_cast<double>(model.gradient) == Approx(expected).epsilon(1e-5));
}

TEST_CASE("the published settings of ReFL, and DRaFT-1") {
  cpu_backend backend({.threads = 1});
  toy model;
  const auto refl_trainer = refl(backend, model, differentiable_quadratic{}, sgd{});
  CHECK(refl_trainer.options().horizon == 40);
  CHECK(refl_trainer.options().jump_from == 30);
  CHECK(refl_trainer.options().weight == 1e-3f);
  CHECK(refl_trainer.options().margin == 2);
  const auto draft_trainer = draft(backend, model, differentiable_quadratic{}, sgd{});
  CHECK(draft_trainer.options().steps_with_gradient == 1);
  CHECK(draft_trainer.options().weight == 1);
}
