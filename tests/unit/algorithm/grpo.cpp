// SPDX-License-Identifier: Apache-2.0
#include "support/affine_toy.hpp"
#include "support/arrays.hpp"
#include "support/micro_batches.hpp"
#include "test.hpp"

#include <fewstep/algorithm/grpo.hpp>
#include <fewstep/algorithm/policy_gradient.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/generator/rescaled.hpp>
#include <fewstep/objective/reinforce.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/regularizer/kl_to_reference.hpp>
#include <fewstep/reward/per_sample.hpp>
#include <fewstep/sampler/ddim.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::policy_gradient_parts;
using fewstep::transition;
using fewstep::test::affine_rollout;
using fewstep::test::affine_toy;
using fewstep::test::quadratic_reward;
using fewstep::test::same_bits;
using process = affine_toy::process;

namespace {

using flow_mlp = fewstep::mlp_generator<cpu_backend, fewstep::rectified_flow<fewstep::edm_denoiser>>;
using judge = fewstep::per_sample<quadratic_reward>;

flow_mlp make_mlp(cpu_backend& backend) {
  return {backend, {.network = {.dimension = 3, .classes = 4, .hidden = {24, 24}}, .seed = 3}};
}

const std::vector<std::int32_t> contexts{0, 1, 2, 3};

std::vector<float> parameters_of(flow_mlp& model) { return {model.parameters().begin(), model.parameters().end()}; }

/// Slopes of an objective by log-ratio and divergence, in double precision.
struct slopes {
  double on_log_ratio, on_divergence = 0;
};
struct double_transition {
  double log_ratio, advantage, divergence, sigma, duration;
};

/// Two passes over one rollout of the affine generator against slopes that are worked out here.
template <class Objective>
void check_second_pass(const Objective& objective, float rate,
                       const std::function<slopes(const double_transition&)>& by_hand, int least_flat) {
  constexpr float start = 0.3f, old_reference = 0.1f, coefficient = 0.2f;
  constexpr index_t samples = 40;
  cpu_backend backend({.threads = 1});
  affine_toy model(process::flow, start), reference(process::flow, old_reference);
  const fewstep::flow_sde_sampler sampler{.times = {1, 0.7f, 0.4f}};
  auto trainer = fewstep::grpo(backend, model,
                               policy_gradient_parts{.reward = judge(quadratic_reward{}),
                                                     .optimizer = fewstep::sgd{.learning_rate = rate},
                                                     .objective = objective,
                                                     .sampler = sampler,
                                                     .regularizer = fewstep::kl_to_reference<affine_toy>(
                                                         reference, {.coefficient = coefficient})},
                               {.horizon = 3,
                                .inner_epochs = 2,
                                .optimizer_steps = 1,
                                .batch = {.prompts = 4, .samples_per_prompt = 10},
                                .training = {.max_gradient_norm = 0, .seed = 6}});
  const auto report = trainer.update(contexts);
  const affine_rollout made(backend, affine_toy(process::flow, start), trainer.table(), samples, 6);
  REQUIRE(same_bits(made.path.result().data, trainer.samples().data, samples * affine_toy::dimension));
  std::vector<float> advantages(samples);
  trainer.parts().advantage(trainer.rewards(), trainer.prompts(), advantages);

  double theta = static_cast<double>(start), kl = 0, approximate_kl = 0;
  const double old = theta, rows = static_cast<double>(samples * made.path.table().trained);
  int flat = 0;
  for (int pass = 0; pass < 2; ++pass) {
    constexpr double h = 1e-4;  // log pi and the divergences are quadratic: central differences are exact
    double gradient = 0;
    for (int k = 0; k < made.path.table().trained; ++k)
      for (index_t r = 0; r < samples; ++r) {
        const fewstep::step_row& row = made.row(k);
        const double log_ratio = made.log_probability(k, r, theta) - made.log_probability(k, r, old);
        const double divergence = made.divergence(k, theta, old);
        const slopes s = by_hand({log_ratio, static_cast<double>(advantages[static_cast<std::size_t>(r)]), divergence,
                                  static_cast<double>(row.sigma), static_cast<double>(row.duration)});
        flat += s.on_log_ratio == 0 ? 1 : 0;
        const auto slope_of = [&](const auto& value) { return (value(theta + h) - value(theta - h)) / (2 * h); };
        gradient += (s.on_log_ratio * slope_of([&](double at) { return made.log_probability(k, r, at); }) +
                     s.on_divergence * slope_of([&](double at) { return made.divergence(k, at, old); }) -
                     static_cast<double>(coefficient) * slope_of([&](double at) {
                       return made.divergence(k, at, static_cast<double>(old_reference));
                     })) /
                    rows;
        kl += divergence / (2 * rows);
        approximate_kl += 0.5 * log_ratio * log_ratio / (2 * rows);
      }
    theta += static_cast<double>(rate) * gradient;
  }
  CAPTURE(theta, kl, flat, report.ratio_deviation);
  CHECK(flat >= least_flat);
  CHECK(flat < static_cast<int>(rows));
  CHECK(static_cast<double>(model.theta) == Approx(theta).epsilon(1e-5));
  CHECK(report.approximate_kl == Approx(approximate_kl).epsilon(1e-4));
  CHECK(report.policy_kl == (fewstep::detail::needs_old_outputs<Objective> ? Approx(kl).epsilon(1e-4) : Approx(0.0)));
}

}  // namespace

TEST_CASE("a second pass of the clipped surrogate has the gradient that is worked out by hand") {
  constexpr double range = 0.05;
  check_second_pass(
      fewstep::clipped_surrogate{static_cast<float>(range)}, 3,
      [](const double_transition& t) -> slopes {
        const double ratio = std::exp(t.log_ratio);
        const bool out = t.advantage > 0 ? ratio > 1 + range : ratio < 1 - range;
        return {out ? 0 : t.advantage * ratio};
      },
      5);
}

TEST_CASE("a second pass of the divergence mask has the gradient that is worked out by hand") {
  constexpr double threshold = 1e-3;
  check_second_pass(
      fewstep::divergence_mask{static_cast<float>(threshold)}, 3,
      [](const double_transition& t) -> slopes {
        const double ratio = std::exp(t.log_ratio);
        const bool leaves = t.advantage > 0 ? ratio > 1 : ratio < 1;
        return {t.divergence > threshold && leaves ? 0 : t.advantage * ratio};
      },
      5);
}

TEST_CASE("a second pass of GRPO-Guard has the gradient that is worked out by hand") {
  constexpr double range = 0.02;
  check_second_pass(
      fewstep::guarded_surrogate{static_cast<float>(range)}, 1,
      [](const double_transition& t) -> slopes {
        const double ratio = std::exp((t.log_ratio + t.divergence) * t.sigma);
        const bool out = t.advantage > 0 ? ratio > 1 + range : ratio < 1 - range;
        const double slope = out ? 0 : t.advantage * ratio * t.sigma / t.duration;
        return {slope, slope};
      },
      5);
}

TEST_CASE("the named members of the family are the compositions that they say") {
  cpu_backend backend({.threads = 1});
  auto model = make_mlp(backend);
  const auto with = [&](const auto& make) { return make(backend, model, judge(quadratic_reward{}), fewstep::adam{}); };
  const auto check = [](const auto& trainer, int horizon, int trained, int samples_per_prompt, bool shared) {
    CHECK(trainer.options().horizon == horizon);
    CHECK(trainer.table().trained == trained);
    CHECK(trainer.options().batch.samples_per_prompt == samples_per_prompt);
    CHECK(trainer.options().batch.shared_initial_noise == shared);
    CHECK(trainer.options().training.max_gradient_norm == 1);
  };
  auto plain = with(fewstep::grpo);
  check(plain, 10, 9, 24, false);
  CHECK(plain.parts().advantage.scale == fewstep::group_scale::batch_std);
  CHECK(plain.parts().advantage.clip == 5);
  auto flow = with(fewstep::flow_grpo);
  check(flow, 10, 9, 24, false);
  CHECK(flow.parts().sampler.noise == 0.7f);
  auto dance = with(fewstep::dance_grpo);
  check(dance, 16, 15, 12, true);
  CHECK(dance.parts().sampler.eta == 0.3f);
  CHECK(dance.parts().advantage.scale == fewstep::group_scale::group_std);
  auto cps = with(fewstep::cps_grpo);
  check(cps, 4, 3, 24, false);
  CHECK(cps.parts().sampler.noise == 0.8f);
  auto mix = with(fewstep::mix_grpo);
  check(mix, 25, 4, 12, false);
  auto fast = with(fewstep::flow_grpo_fast);
  check(fast, 10, 2, 24, true);
  auto dppo = with(fewstep::flow_dppo);
  check(dppo, 10, 9, 24, false);
  CHECK(dppo.parts().objective.threshold == 1e-5f);
  auto guard = with(fewstep::grpo_guard);
  check(guard, 10, 9, 24, false);
  CHECK(guard.parts().objective.clip_range == 2e-6f);
}

TEST_CASE("coefficients-preserving steps with noise 1 make the bits of the consistency sampler") {
  const auto run = [](const auto& sampler) {
    cpu_backend backend({.threads = 1});
    fewstep::mlp_generator<cpu_backend> model(backend, {.network = {.dimension = 3, .classes = 4}, .seed = 3});
    auto trainer = fewstep::grpo(backend, model,
                                 policy_gradient_parts{.reward = judge(quadratic_reward{}),
                                                       .optimizer = fewstep::adam{.learning_rate = 1e-2f},
                                                       .sampler = sampler},
                                 {.horizon = 4, .batch = {.prompts = 3, .samples_per_prompt = 5}});
    for (int k = 0; k < 3; ++k) trainer.update(contexts);
    return std::vector<float>(model.parameters().begin(), model.parameters().end());
  };
  const auto expected = run(fewstep::consistency_sampler{});
  CHECK(same_bits(run(fewstep::cps_sampler{.noise = 1}), expected));
  CHECK_FALSE(same_bits(run(fewstep::cps_sampler{}), expected));
}

TEST_CASE(
    "with one optimizer step per rollout the trust regions make the bits of REINFORCE, with several they do not") {
  const auto run = [](const auto& objective, int optimizer_steps) {
    cpu_backend backend({.threads = 1});
    auto model = make_mlp(backend);
    auto trainer = fewstep::grpo(
        backend, model,
        policy_gradient_parts{.reward = judge(quadratic_reward{}),
                              .optimizer = fewstep::adam{.learning_rate = 1e-2f},
                              .objective = objective,
                              .sampler = fewstep::flow_sde_sampler{}},
        {.horizon = 4, .optimizer_steps = optimizer_steps, .batch = {.prompts = 3, .samples_per_prompt = 5}});
    for (int k = 0; k < 3; ++k) {
      const auto report = trainer.update(contexts);
      CHECK((report.ratio_deviation == 0) == (optimizer_steps == 1));
      CHECK((report.clip_fraction > 0) ==
            (optimizer_steps > 1 && std::same_as<std::decay_t<decltype(objective)>, fewstep::clipped_surrogate>));
    }
    return parameters_of(model);
  };
  for (const int optimizer_steps : {1, 3}) {
    const auto plain = run(fewstep::reinforce{}, optimizer_steps);
    CHECK(same_bits(run(fewstep::clipped_surrogate{1e-4f}, optimizer_steps), plain) == (optimizer_steps == 1));
    CHECK(same_bits(run(fewstep::divergence_mask{}, optimizer_steps), plain) == (optimizer_steps == 1));
  }
}

TEST_CASE("a trust region has the same bits in every micro-batch, on any threads, and starts with no divergence") {
  for (const int optimizer_steps : {1, 3}) {
    std::optional<std::vector<float>> expected;
    for (const int threads : {1, 2})
      for (const index_t blocks : {1, 2, 3}) {
        cpu_backend backend({.threads = threads});
        auto sizes = make_mlp(backend), model = make_mlp(backend);
        const auto make = [&](flow_mlp& of, std::size_t budget) {
          return fewstep::flow_dppo(backend, of,
                                    policy_gradient_parts{.reward = judge(quadratic_reward{}),
                                                          .optimizer = fewstep::adam{.learning_rate = 1e-2f},
                                                          .selection = fewstep::random_window{}},
                                    {.horizon = 5,
                                     .optimizer_steps = optimizer_steps,
                                     .batch = {.prompts = 9, .samples_per_prompt = 5},
                                     .training = {.memory_budget = budget, .seed = 2}});
        };
        auto trainer = make(model, fewstep::test::budget_for(blocks, row_block_of(model),
                                                             [&](std::size_t budget) { return make(sizes, budget); }));
        std::vector<float> result;
        bool begins_later = false;
        for (int k = 0; k < 4; ++k) {
          const auto report = trainer.update(contexts);
          begins_later = begins_later || trainer.table().first_trained > 0;
          CHECK((report.policy_kl == 0) == (optimizer_steps == 1));
          CHECK((report.ratio_deviation == 0) == (optimizer_steps == 1));
          result.push_back(static_cast<float>(report.policy_kl));
        }
        REQUIRE(begins_later);
        const auto p = parameters_of(model);
        result.insert(result.end(), p.begin(), p.end());
        CAPTURE(optimizer_steps, threads, blocks);
        if (!expected) expected = result;
        CHECK(same_bits(result, *expected));
      }
  }
}

TEST_CASE("every member of the family learns") {
  const auto learns = [](const char* name, const auto& make, const auto& selection) {
    cpu_backend backend({.threads = 1});
    auto model = make_mlp(backend);
    auto trainer =
        make(backend, model,
             policy_gradient_parts{.reward = judge(quadratic_reward{}),
                                   .optimizer = fewstep::adam{.learning_rate = 3e-3f},
                                   .selection = selection},
             fewstep::policy_gradient_options{.horizon = 5, .batch = {.prompts = 4, .samples_per_prompt = 16}});
    std::vector<double> rewards;
    for (const auto& report : trainer.run(std::span(contexts), 40)) rewards.push_back(report.reward_mean);
    CAPTURE(name, rewards.front(), rewards.back());
    CHECK(rewards.back() > rewards.front() + 0.3);
  };
  learns("flow_grpo", fewstep::flow_grpo, fewstep::all_steps{});
  learns("dance_grpo", fewstep::dance_grpo, fewstep::all_steps{});
  learns("cps_grpo", fewstep::cps_grpo, fewstep::all_steps{});
  learns("mix_grpo", fewstep::mix_grpo, fewstep::sliding_window{.length = 2, .every = 10});
  learns("flow_grpo_fast", fewstep::flow_grpo_fast, fewstep::random_window{});
  learns("flow_dppo", fewstep::flow_dppo, fewstep::all_steps{});
  learns("grpo_guard", fewstep::grpo_guard, fewstep::all_steps{});
}

TEST_CASE("an objective that divides by a step's duration is refused where steps have none") {
  cpu_backend backend({.threads = 1});
  affine_toy model(process::edm);
  CHECK_THROWS_WITH(fewstep::grpo_guard(backend, model,
                                        policy_gradient_parts{.reward = judge(quadratic_reward{}),
                                                              .optimizer = fewstep::sgd{},
                                                              .sampler = fewstep::ddim_sampler{}},
                                        {.horizon = 3}),
                    contains("the objective divides by the duration of a step, but step 0 of this sampler has none; "
                             "use flow_sde_sampler or dance_sde_sampler, or another objective"));
}

TEST_CASE("grpo refuses single samples, and windows that do not fit") {
  cpu_backend backend({.threads = 1});
  affine_toy model(process::flow);
  CHECK_THROWS_WITH(fewstep::flow_grpo(backend, model, judge(quadratic_reward{}), fewstep::sgd{},
                                       {.horizon = 3, .batch = {.samples_per_prompt = 1}}),
                    contains("samples_per_prompt is 1 but the advantage compares the samples of a prompt"));
  CHECK_THROWS_WITH(fewstep::mix_grpo(backend, model, judge(quadratic_reward{}), fewstep::sgd{}, {.horizon = 4}),
                    contains("sliding_window: length is 4 but 3 steps can be trained; use from 1 to 3"));
}
