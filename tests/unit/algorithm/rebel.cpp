// SPDX-License-Identifier: Apache-2.0
#include "support/affine_toy.hpp"
#include "support/arrays.hpp"
#include "support/gaussian_consistency.hpp"
#include "support/micro_batches.hpp"
#include "test.hpp"

#include <fewstep/advantage/group.hpp>
#include <fewstep/algorithm/rebel.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/mdp/replay.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/regularizer/kl_to_reference.hpp>
#include <fewstep/reward/per_sample.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::test::affine_rollout;
using fewstep::test::affine_toy;
using fewstep::test::quadratic_reward;
using fewstep::test::same_bits;

namespace {

const std::vector<std::int32_t> contexts{0, 1, 2};

fewstep::policy_gradient_options small(int samples_per_prompt) {
  return {.horizon = 3,
          .inner_epochs = 2,
          .optimizer_steps = 2,
          .batch = {.prompts = 4, .samples_per_prompt = samples_per_prompt},
          .training = {.seed = 8}};
}

/// REBEL's loss as the paper has it, in double precision and by pairs, on the states of a rollout.
struct by_hand {
  const affine_rollout& made;
  std::vector<double> advantages;
  double old_theta, reference_theta, coefficient, eta;

  /// Of the prompts whose first samples are these; n samples each.
  [[nodiscard]] double loss(const std::vector<index_t>& firsts, index_t n, double theta) const {
    double regression = 0, kl = 0;
    for (const index_t first : firsts) {
      std::vector<double> error;
      for (index_t r = first; r < first + n; ++r) {
        double log_ratio = 0;
        for (int k = 0; k < made.path.table().trained; ++k) {
          log_ratio += made.log_probability(k, r, theta) - made.log_probability(k, r, old_theta);
          kl += made.divergence(k, theta, reference_theta) / static_cast<double>(n);
        }
        error.push_back(log_ratio / eta - advantages[static_cast<std::size_t>(r)]);
      }
      for (std::size_t i = 0; i < error.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
          regression += (error[i] - error[j]) * (error[i] - error[j]) / (static_cast<double>(n * (n - 1)) / 2);
    }
    return (regression + coefficient * kl) / static_cast<double>(firsts.size());
  }
};

using mlp = fewstep::mlp_generator<cpu_backend>;

mlp make_mlp(cpu_backend& backend) { return {backend, {.network = {.dimension = 5, .classes = 3}, .seed = 3}}; }

struct first_value {
  template <class Context>
  float operator()(fewstep::vec<const float> x, const Context&) const {
    return x[0] - 0.5f * x[1] * x[1];
  }
};

auto mlp_trainer(cpu_backend& backend, mlp& model, const fewstep::policy_gradient_options& o) {
  return fewstep::rebel(backend, model,
                        fewstep::policy_gradient_parts{.reward = fewstep::per_sample(first_value{}),
                                                       .optimizer = fewstep::adam{.learning_rate = 1e-3f},
                                                       .advantage = fewstep::group_advantage{}},
                        o);
}

}  // namespace

TEST_CASE("several optimizer steps of REBEL are those of its equation, computed by hand in double precision") {
  const int n = GENERATE(2, 3);
  const float coefficient = GENERATE(0.0f, 0.5f);
  constexpr float start = 0.3f, rate = 0.02f, eta = 0.5f;
  const auto o = small(n);
  cpu_backend backend({.threads = 1});
  affine_toy model(affine_toy::process::edm, start), reference(affine_toy::process::edm, 0.1f);
  auto trainer =
      fewstep::rebel(backend, model,
                     fewstep::policy_gradient_parts{
                         .reward = fewstep::per_sample(quadratic_reward{}),
                         .optimizer = fewstep::sgd{.learning_rate = rate},
                         .objective = fewstep::reward_regression{.eta = eta},
                         .advantage = fewstep::test::raw_advantage{},
                         .sampler =
                             fewstep::consistency_sampler{
                                 .times = {4, 2, 1}, .last = fewstep::last_step::stochastic, .final_sigma = 0.5f},
                         .regularizer = fewstep::kl_to_reference<affine_toy>(reference, {.coefficient = coefficient})},
                     o);
  const auto report = trainer.update(contexts);

  const index_t samples = index_t{o.batch.prompts} * n;
  const affine_rollout made(backend, affine_toy(affine_toy::process::edm, start), trainer.table(), samples,
                            o.training.seed);
  REQUIRE(same_bits(made.path.result().data, trainer.samples().data, samples * affine_toy::dimension));
  const by_hand expected{made,
                         {trainer.rewards().begin(), trainer.rewards().end()},
                         static_cast<double>(start),
                         static_cast<double>(0.1f),
                         static_cast<double>(coefficient),
                         static_cast<double>(eta)};
  double theta = static_cast<double>(start), loss = 0;
  fewstep::replay_order order({made.path.table().trained, samples, n}, o.optimizer_steps);
  for (int epoch = 0; epoch < o.inner_epochs; ++epoch) {
    order.permute(o.training.seed, static_cast<std::uint64_t>(epoch));
    for (int k = 0; k < o.optimizer_steps; ++k) {
      std::vector<index_t> firsts;
      const auto [begin, end] = order.minibatch(k);
      for (index_t i = begin; i < end; ++i)
        if (order[i] < samples && order[i] % n == 0) firsts.push_back(order[i]);
      REQUIRE(firsts.size() == 2);
      loss += expected.loss(firsts, n, theta) / (o.inner_epochs * o.optimizer_steps);
      // The loss is a polynomial of fourth degree.
      constexpr double h = 1e-4;
      const double slope = (expected.loss(firsts, n, theta + h) - expected.loss(firsts, n, theta - h)) / (2 * h);
      theta -= static_cast<double>(rate) * slope;
    }
  }
  CAPTURE(n, coefficient, theta, loss);
  CHECK(std::abs(theta - static_cast<double>(start)) > 0.05);
  CHECK(static_cast<double>(model.theta) == Approx(theta).epsilon(1e-5));
  CHECK(report.loss == Approx(loss).epsilon(1e-5));
  CHECK(report.ratio_deviation > 0.01);
}

TEST_CASE("REBEL's loss falls from pass to pass over one rollout") {
  // The report has the mean over passes; one of p passes less one of p - 1 leaves the last.
  double sum = 0, before = 0;
  for (int passes = 1; passes <= 5; ++passes) {
    cpu_backend backend({.threads = 1});
    auto model = make_mlp(backend);
    auto trainer = mlp_trainer(
        backend, model, {.horizon = 3, .inner_epochs = passes, .batch = {.prompts = 8, .samples_per_prompt = 4}});
    const double mean = trainer.update(contexts).loss, last = mean * passes - sum;
    CAPTURE(passes, last, before);
    CHECK(last > 0);
    if (passes > 1) CHECK(last < before);
    before = last;
    sum = mean * passes;
  }
}

TEST_CASE("REBEL has the same bits in every micro-batch, on any threads") {
  std::optional<std::vector<float>> expected;
  for (const int threads : {1, 2})
    for (const index_t blocks : {1, 2, 4}) {
      cpu_backend backend({.threads = threads});
      fewstep::policy_gradient_options o{
          .horizon = 4, .inner_epochs = 2, .optimizer_steps = 2, .batch = {.prompts = 9, .samples_per_prompt = 5}};
      auto sizes = make_mlp(backend), model = make_mlp(backend);
      o.training.memory_budget = fewstep::test::budget_for(blocks, row_block_of(model), [&](std::size_t budget) {
        auto with = o;
        with.training.memory_budget = budget;
        return mlp_trainer(backend, sizes, with);
      });
      auto trainer = mlp_trainer(backend, model, o);
      std::vector<float> result;
      for (int k = 0; k < 2; ++k) {
        const auto report = trainer.update(contexts);
        CHECK(report.ratio_deviation > 0);
        result.push_back(static_cast<float>(report.loss));
      }
      result.insert(result.end(), model.parameters().begin(), model.parameters().end());
      CAPTURE(threads, blocks);
      if (!expected) expected = result;
      CHECK(same_bits(result, *expected));
    }
}

TEST_CASE("REBEL's ratios are exactly 1 with one optimizer step per rollout") {
  cpu_backend backend({.threads = 2});
  auto model = make_mlp(backend);
  auto trainer = mlp_trainer(backend, model, {.horizon = 3});
  CHECK(trainer.options().batch.samples_per_prompt == 2);
  CHECK(trainer.options().training.max_gradient_norm == 0);
  CHECK(trainer.parts().objective.eta == 1);
  for (int k = 0; k < 3; ++k) {
    const auto report = trainer.update(contexts);
    CHECK(report.ratio_mean == 1.0);
    CHECK(report.ratio_deviation == 0.0);
    CHECK(report.gradient_norm > 0.0);
  }
}

TEST_CASE("REBEL refuses single samples, and more optimizer steps than prompts") {
  cpu_backend backend({.threads = 1});
  affine_toy model(affine_toy::process::edm);
  const auto with = [&](fewstep::policy_gradient_options o) {
    return fewstep::rebel(backend, model, fewstep::per_sample(quadratic_reward{}), fewstep::sgd{}, o);
  };
  CHECK_THROWS_WITH(
      with({.horizon = 2, .batch = {.samples_per_prompt = 1}}),
      contains("policy_gradient: batch.samples_per_prompt is 1 but the objective compares the samples of a "
               "prompt; use at least 2"));
  CHECK_THROWS_WITH(with({.horizon = 2, .optimizer_steps = 4, .batch = {.prompts = 3}}),
                    contains("4 optimizer steps but only 3 prompts whose samples are learned from together"));
}
