// SPDX-License-Identifier: Apache-2.0
// Until the first optimizer step after a rollout all ratios are exactly 1, and neither micro-batches nor threads change
// a bit of the gradient.
#include "support/arrays.hpp"
#include "support/micro_batches.hpp"
#include "support/tiny_text_unet.hpp"
#include "test.hpp"

#include <fewstep/advantage/batch.hpp>
#include <fewstep/algorithm/policy_gradient.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/objective/clipped_surrogate.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/regularizer/kl_to_reference.hpp>
#include <fewstep/reward/per_sample.hpp>
#include <fewstep/sampler/consistency.hpp>

#include <cstring>
#include <optional>
#include <utility>
#include <vector>

using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::reduction;
using fewstep::test::same_bits;

namespace {

constexpr int samples = 35, horizon = 3;  // an odd batch

struct first_value {
  template <class Context>
  float operator()(fewstep::vec<const float> x, const Context&) const {
    return x[0] - 0.5f * x[1] * x[1];
  }
};

struct mlp_case {
  using generator_type = fewstep::mlp_generator<cpu_backend>;
  static constexpr int repeats = 3;  // more samples, as its row blocks are larger
  static generator_type make(cpu_backend& backend, std::uint64_t seed) {
    return {backend, {.network = {.dimension = 5, .classes = 3}, .seed = seed}};
  }
  static std::vector<std::int32_t> contexts() { return {0, 1, 2}; }
};

struct unet_case {
  using generator_type = fewstep::test::tiny_text_unet;
  static constexpr int repeats = 1;
  static generator_type make(cpu_backend& backend, std::uint64_t seed) {
    auto model = fewstep::test::make_tiny_text_unet(backend);
    const auto noise = fewstep::test::normals<float>(model.parameters().size(), seed, 0.02);
    for (index_t i = 0; i < model.parameters().size(); ++i) model.parameters()[i] += noise[static_cast<std::size_t>(i)];
    return model;
  }
  static std::vector<fewstep::token_list> contexts() { return {{{1, 2}}, {{3}}, {}}; }
};

template <class Case, bool WithReference>
struct rig {
  using generator_type = typename Case::generator_type;
  using regularizer_type =
      std::conditional_t<WithReference, fewstep::kl_to_reference<generator_type>, fewstep::no_regularizer>;
  using parts = fewstep::policy_gradient_parts<fewstep::per_sample<first_value>, fewstep::sgd,
                                               fewstep::clipped_surrogate, fewstep::batch_advantage,
                                               fewstep::consistency_sampler, fewstep::not_given, regularizer_type>;
  using trainer_type = fewstep::policy_gradient<cpu_backend, generator_type, parts>;

  cpu_backend backend;
  generator_type model = Case::make(backend, 1), reference = Case::make(backend, 2);
  std::vector<typename generator_type::context_type> contexts = Case::contexts();

  explicit rig(int threads) : backend({.threads = threads}) {}

  regularizer_type regularizer() {
    if constexpr (WithReference)
      return regularizer_type(reference, {.coefficient = 0.1f});
    else
      return {};
  }
  trainer_type trainer(fewstep::policy_gradient_options o, float rate = 0) {
    o.horizon = horizon;
    o.batch.prompts = Case::repeats;
    o.batch.samples_per_prompt = samples;
    o.training.seed = 5;
    return {backend, model,
            parts{.reward = fewstep::per_sample(first_value{}),
                  .optimizer = fewstep::sgd{.learning_rate = rate},
                  .objective = fewstep::clipped_surrogate{1e-4f},
                  .sampler = {.last = fewstep::last_step::reference},
                  .regularizer = regularizer()},
            o};
  }
  std::vector<float> gradient() { return {model.gradients().begin(), model.gradients().end()}; }
  std::vector<float> parameters() { return {model.parameters().begin(), model.parameters().end()}; }
};

/// Gradient, rewards and loss of a rollout replayed with a budget.
template <class Rig>
std::vector<float> replayed(Rig& r, const fewstep::policy_gradient_options& o) {
  auto trainer = r.trainer(o);
  trainer.sample(r.contexts);
  const index_t rows = index_t{trainer.table().trained} * static_cast<index_t>(trainer.rewards().size());
  std::fill(r.model.gradients().begin(), r.model.gradients().end(), 0.0f);
  fewstep::update_report report;
  trainer.accumulate(0, rows, static_cast<double>(rows), report);
  CHECK(report.ratio_mean == static_cast<double>(rows));
  CHECK(report.ratio_deviation == 0);
  CHECK(report.approximate_kl == 0);
  auto result = r.gradient();
  CHECK(gradient_norm(r.backend, r.model.gradients()) > 0);
  result.insert(result.end(), trainer.rewards().begin(), trainer.rewards().end());
  float loss[2];
  std::memcpy(loss, &report.loss, sizeof(loss));
  result.insert(result.end(), loss, loss + 2);
  return result;
}

template <class Case, bool WithReference>
void check_micro_batches() {
  for (const reduction over : {reduction::mean, reduction::sum}) {
    std::optional<std::vector<float>> expected;
    for (const int threads : {1, 2}) {
      rig<Case, WithReference> r(threads);
      const auto make = [&](std::size_t budget) {
        return r.trainer({.reduction = over, .training = {.memory_budget = budget}});
      };
      const index_t block = row_block_of(r.model), all = horizon * Case::repeats * samples;
      const index_t all_blocks = (all + block - 1) / block;
      for (const index_t blocks : {all_blocks, index_t{1}, index_t{3}, index_t{7}}) {
        CAPTURE(over == reduction::mean, threads, blocks, all_blocks);
        REQUIRE(blocks <= all_blocks);
        const std::size_t budget = fewstep::test::budget_for(blocks, block, make);
        REQUIRE(make(budget).memory().rows == blocks * block);
        const auto result = replayed(r, {.reduction = over, .training = {.memory_budget = budget}});
        if (!expected) expected = result;
        CHECK(same_bits(result, *expected));
      }
    }
  }
}

}  // namespace

TEST_CASE("mlp: ratios are exactly 1 and gradients have the same bits in every micro-batch, on any threads") {
  check_micro_batches<mlp_case, false>();
}
TEST_CASE("mlp with a KL term: ratios are exactly 1 and gradients have the same bits in every micro-batch") {
  check_micro_batches<mlp_case, true>();
}
TEST_CASE("text_unet: ratios are exactly 1 and gradients have the same bits in every micro-batch, on any threads") {
  check_micro_batches<unet_case, false>();
}
TEST_CASE("text_unet with a KL term: ratios are exactly 1 and gradients have the same bits in every micro-batch") {
  check_micro_batches<unet_case, true>();
}

TEMPLATE_TEST_CASE("training from a later step on is the later steps' part of the whole gradient", "", mlp_case,
                   unet_case) {
  rig<TestType, true> r(2);
  const index_t one_step = index_t{samples} * TestType::repeats, all = horizon * one_step;
  const auto part = [&](fewstep::policy_gradient_options o, index_t first, index_t last) {
    auto trainer = r.trainer(o);
    trainer.sample(r.contexts);
    std::fill(r.model.gradients().begin(), r.model.gradients().end(), 0.0f);
    fewstep::update_report report;
    trainer.accumulate(first, last, static_cast<double>(all), report);
    CHECK(report.ratio_mean == static_cast<double>(last - first));
    CHECK(report.ratio_deviation == 0);
    return r.gradient();
  };
  const auto later = part({.first_trained = 1}, 0, all - one_step);
  CHECK(fewstep::test::relative_error(later, part({}, one_step, all)) < 1e-5);
  CHECK(fewstep::test::relative_error(later, part({}, 0, all)) > 1e-2);

  for (const int optimizer_steps : {1, 2}) {
    auto trainer = r.trainer({.first_trained = 2, .optimizer_steps = optimizer_steps});
    CHECK(trainer.table().first_trained == 2);
    CHECK(trainer.table().trained == 1);
    const auto report = trainer.update(r.contexts);
    CHECK(report.ratio_mean == 1.0);
    CHECK(report.gradient_norm > 0.0);
  }
  CHECK_THROWS_WITH(r.trainer({.first_trained = 3}),
                    contains("first_trained is 3 but the last step that can be trained is 2"));
  CHECK_THROWS_WITH(r.trainer({.first_trained = -1}), contains("first_trained is -1"));
}

TEMPLATE_TEST_CASE("a learning rate of 0 moves no parameter, and all ratios stay exactly 1", "", mlp_case, unet_case) {
  rig<TestType, false> r(2);
  const auto before = r.parameters();
  const int optimizer_steps = GENERATE(1, 3);
  auto trainer = r.trainer({.inner_epochs = 2, .optimizer_steps = optimizer_steps});
  for (int k = 0; k < 2; ++k) {
    const auto report = trainer.update(r.contexts);
    CAPTURE(k, optimizer_steps);
    CHECK(report.ratio_mean == 1.0);
    CHECK(report.ratio_deviation == 0.0);
    CHECK(report.clip_fraction == 0.0);
    CHECK(report.gradient_norm > 0.0);
    CHECK(same_bits(r.parameters(), before));
  }
}

TEMPLATE_TEST_CASE("learning with one step per rollout keeps all ratios exactly 1", "", mlp_case, unet_case) {
  rig<TestType, true> r(2);
  const auto before = r.parameters();
  auto trainer = r.trainer({}, 0.01f);
  for (int k = 0; k < 3; ++k) {
    const auto report = trainer.update(r.contexts);
    CHECK(report.ratio_mean == 1.0);
    CHECK(report.ratio_deviation == 0.0);
  }
  CHECK_FALSE(same_bits(r.parameters(), before));
}

TEST_CASE("minibatches have the same bits in every micro-batch, on any threads") {
  std::optional<std::vector<float>> expected;
  for (const int threads : {1, 2})
    for (const index_t blocks : {1, 3, 7}) {
      rig<mlp_case, false> sizes(threads), r(threads);
      fewstep::policy_gradient_options o{.inner_epochs = 2, .optimizer_steps = 4};
      o.training.memory_budget = fewstep::test::budget_for(blocks, 32, [&](std::size_t budget) {
        auto with = o;
        with.training.memory_budget = budget;
        return sizes.trainer(with);
      });
      auto trainer = r.trainer(o, 0.05f);
      trainer.update(r.contexts);
      const auto report = trainer.update(r.contexts);
      CAPTURE(threads, blocks, report.ratio_mean, report.ratio_deviation, report.clip_fraction);
      CHECK(report.ratio_deviation > 0);
      CHECK(report.clip_fraction > 0);
      if (!expected) expected = r.parameters();
      CHECK(same_bits(r.parameters(), *expected));
    }
}
