// SPDX-License-Identifier: Apache-2.0
// What a direct reward gradient and auxiliary losses allocate: what the memory plan says when a trainer is made,
// nothing after its first update.
#include "support/allocations.hpp"
#include "support/arrays.hpp"
#include "support/differentiable_gaussian.hpp"
#include "support/micro_batches.hpp"
#include "support/tiny_text_unet.hpp"
#include "test.hpp"

#include <fewstep/algorithm/draft.hpp>
#include <fewstep/algorithm/policy_gradient.hpp>
#include <fewstep/loss/consistency_regularizer.hpp>
#include <fewstep/loss/last_step_reward.hpp>
#include <fewstep/optimizer/adam.hpp>

#include <vector>

#ifdef FEWSTEP_TEST_COUNTS_ALLOCATIONS

using namespace fewstep;
using namespace fewstep::test;

namespace {

const std::vector<token_list> contexts = {{{1, 2}}, {{3}}};

/// Data for the regularizer.
struct grey {
  void operator()(std::int64_t, matrix<float> x, std::span<token_list> texts) const {
    std::fill(x.begin(), x.end(), 0.1f);
    std::fill(texts.begin(), texts.end(), contexts[0]);
  }
};

auto losses(cpu_backend& backend, const tiny_text_unet& model) {
  return auxiliary_losses(last_step_reward(backend, differentiable_quadratic{0}),
                          consistency_regularizer(backend, {.weight = 0.1f}),
                          consistency_regularizer(backend, model, {.weight = 0.1f}, grey{}));
}

struct direct_case {
  static auto make(cpu_backend& backend, tiny_text_unet& model, std::size_t budget) {
    return draft(backend, model,
                 direct_reward_gradient_parts{.reward = differentiable_quadratic{0.5f},
                                              .optimizer = adam{.learning_rate = 1e-3f},
                                              .sampler = consistency_sampler{},
                                              .auxiliary = losses(backend, model)},
                 {.horizon = 2,
                  .steps_with_gradient = 2,
                  .batch = {.prompts = 4, .samples_per_prompt = 5},
                  .training = {.ema_decay = 0.9f, .memory_budget = budget}});
  }
};

struct hybrid_case {
  static auto make(cpu_backend& backend, tiny_text_unet& model, std::size_t budget) {
    policy_gradient_parts parts{.reward = differentiable_quadratic{0.5f},
                                .optimizer = adam{.learning_rate = 1e-3f},
                                .auxiliary = losses(backend, model)};
    return policy_gradient<cpu_backend, tiny_text_unet, decltype(parts)>(
        backend, model, std::move(parts),
        {.horizon = 2,
         .optimizer_steps = 2,
         .batch = {.prompts = 4, .samples_per_prompt = 5},
         .training = {.ema_decay = 0.9f, .memory_budget = budget}});
  }
};

constexpr std::size_t enough = std::size_t{1} << 30;

}  // namespace

TEMPLATE_TEST_CASE("after its first update a trainer with auxiliary losses allocates nothing", "", direct_case,
                   hybrid_case) {
  const int threads = GENERATE(1, 2);
  cpu_backend backend({.threads = threads});
  auto model = make_tiny_text_unet(backend);
  auto trainer = TestType::make(backend, model, enough);
  trainer.update(contexts);
  for (int k = 0; k < 2; ++k) {
    const std::size_t before = allocations;
    trainer.update(contexts);
    const std::size_t made = allocations - before;
    CAPTURE(threads, k, made);
    CHECK(made == 0);
  }
}

TEMPLATE_TEST_CASE("a trainer with auxiliary losses stays within its memory budget, which changes no bit", "",
                   direct_case, hybrid_case) {
  cpu_backend backend({.threads = 1});
  std::vector<float> expected;
  for (const index_t blocks : {1, 2}) {
    auto sizes = make_tiny_text_unet(backend);
    const std::size_t budget =
        budget_for(blocks, sizes.row_block(), [&](std::size_t bytes) { return TestType::make(backend, sizes, bytes); });
    const auto before = live_bytes.load();
    auto model = make_tiny_text_unet(backend);
    peak_bytes = live_bytes.load();
    auto trainer = TestType::make(backend, model, budget);
    trainer.update(contexts);
    const auto peak = static_cast<double>(peak_bytes - before);
    CAPTURE(blocks, budget, peak, trainer.memory().parameters, trainer.memory().trajectory, trainer.memory().workspace);
    CHECK(trainer.memory().rows == blocks * sizes.row_block());
    CHECK(peak <= 1.1 * static_cast<double>(budget));
    CHECK(peak >= 0.8 * static_cast<double>(budget));
    const std::vector<float> parameters(model.parameters().begin(), model.parameters().end());
    if (expected.empty()) expected = parameters;
    CHECK(same_bits(parameters, expected));
  }
}

#endif
