// SPDX-License-Identifier: Apache-2.0
// Training on trajectories whose states are stored in 16 bits.
#include "support/allocation_counts.hpp"
#include "support/arrays.hpp"
#include "support/gaussian_consistency.hpp"
#include "support/nearness.hpp"
#include "support/tiny_text_unet.hpp"
#include "test.hpp"

#include <fewstep/fewstep.hpp>
#include <fewstep/io/checkpoint.hpp>
#include <fewstep/loss/last_step_reward.hpp>

#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

using namespace fewstep;
using fewstep::test::same_bits;

namespace {

/// Of a sample, and of many with its gradient.
struct nearness : fewstep::test::nearness {
  using fewstep::test::nearness::operator();
  template <class Context>
  void value_and_gradient(matrix<const float> x, std::span<const Context>, std::span<float> out,
                          matrix<float> gradient) const {
    for (index_t i = 0; i < x.rows(); ++i) {
      out[static_cast<std::size_t>(i)] = (*this)({x.row(i), {x.cols()}}, 0);
      std::fill_n(gradient.row(i), x.cols(), 0.0f);
      gradient(i, 0) = -2 * (x(i, 0) - 0.5f);
      gradient(i, 1) = -2 * x(i, 1);
    }
  }
  template <class Context>
  void operator()(matrix<const float> x, std::span<const Context>, std::span<float> out) const {
    for (index_t i = 0; i < x.rows(); ++i) out[static_cast<std::size_t>(i)] = (*this)({x.row(i), {x.cols()}}, 0);
  }
};

using perceptron = mlp_generator<cpu_backend>;
perceptron make_perceptron(cpu_backend& backend) {
  return {backend, {.network = {.dimension = 5, .classes = 3, .hidden = {16}}, .seed = 1}};
}

constexpr state_storage storages[] = {state_storage::float32, state_storage::float16, state_storage::bfloat16};

/// Several updates that move nothing: every ratio of theirs is of a first replay.
template <class Generator, class Sampler>
void check_ratios(cpu_backend& backend, Generator& model, const std::vector<typename Generator::context_type>& contexts,
                  Sampler sampler) {
  for (const state_storage as : storages)
    for (const int optimizer_steps : {1, 3}) {
      auto trainer = grpo(backend, model,
                          policy_gradient_parts{.reward = per_sample(nearness{}),
                                                .optimizer = sgd{.learning_rate = 0},
                                                .advantage = batch_advantage{},
                                                .sampler = sampler},
                          {.horizon = 4,
                           .optimizer_steps = optimizer_steps,
                           .store_states_as = as,
                           .batch = {.prompts = 5, .samples_per_prompt = 3}});
      const std::int64_t before = trainer.table().trained;
      for (int k = 0; k < 2; ++k) {
        const update_report report = trainer.update(contexts);
        CAPTURE(name_of(as), optimizer_steps, k);
        CHECK(report.ratio_mean == 1.0);
        CHECK(report.ratio_deviation == 0.0);
        CHECK(report.approximate_kl == 0.0);
        CHECK(report.gradient_norm > 0.0);
      }
      CHECK(trainer.table().trained == before);
    }
}

/// Reward after training the model of README's first example; the optimizer's steps are several, which permutes rows.
double trained_reward(state_storage as, int optimizer_steps) {
  cpu_backend backend({.threads = 1});
  perceptron model(backend, {.network = {.hidden = {32}},
                             .preconditioner = {.sigma_data = 0.7f, .sigma_min = 0.01f, .sigma_max = 5.0f}});
  auto clusters = [](std::int64_t step, matrix<float> x, std::span<std::int32_t>) {
    const random_stream random{7, stream::data};
    for (index_t i = 0; i < x.rows(); ++i) {
      const auto sample = static_cast<std::uint64_t>(step * x.rows() + i);
      const float angle = 2.0943951f * static_cast<float>(random.below(3, sample));
      x(i, 0) = std::cos(angle) + 0.1f * random.normal(sample, 1, 0);
      x(i, 1) = std::sin(angle) + 0.1f * random.normal(sample, 1, 1);
    }
  };
  consistency_training training(backend, model, adam{.learning_rate = 2e-3f},
                                {.steps = 300, .batch = 128, .log_time_mean = -0.5f});
  while (!training.finished()) training.step(clusters);
  auto trainer =
      rlcm(backend, model, per_sample([](vec<const float> x, std::int32_t) { return -std::hypot(x[0] - 1.0f, x[1]); }),
           adam{.learning_rate = 2e-3f},
           {.horizon = 4,
            .optimizer_steps = optimizer_steps,
            .store_states_as = as,
            .batch = {.prompts = 4, .samples_per_prompt = 32}});
  double reward = 0;
  for (const update_report& report : trainer.run(std::vector<std::int32_t>{0}, 60))
    if (report.index >= 50) reward += report.reward_mean / 10;
  return reward;
}

}  // namespace

TEST_CASE("however states are stored, the ratios of the first replay are exactly 1: perceptron, any sampler") {
  cpu_backend backend({.threads = 2});
  auto model = make_perceptron(backend);
  const std::vector<std::int32_t> contexts{0, 1, 2};
  check_ratios(backend, model, contexts, consistency_sampler{.last = last_step::reference});
  check_ratios(backend, model, contexts, consistency_sampler{});
  check_ratios(backend, model, contexts, cps_sampler{});
  check_ratios(backend, model, contexts, ddim_sampler{});
  mlp_generator<cpu_backend, rectified_flow<edm_denoiser>> flow(backend,
                                                                {.network = {.dimension = 5, .classes = 3}, .seed = 2});
  check_ratios(backend, flow, contexts, flow_sde_sampler{});
  check_ratios(backend, flow, contexts, dance_sde_sampler{});
}

TEST_CASE("however states are stored, the ratios of the first replay are exactly 1: U-Net, guided or not") {
  cpu_backend backend({.threads = 2});
  auto model = fewstep::test::make_tiny_text_unet(backend);
  const std::vector<token_list> contexts{{{1, 2}}, {{3}}, {}};
  check_ratios(backend, model, contexts, consistency_sampler{.last = last_step::stochastic});
  guided with_guidance(backend, model, {.scale = 3});
  check_ratios(backend, with_guidance, contexts, ddim_sampler{});
}

TEST_CASE("however states are stored, the gradient of a known policy is the same but for their rounding") {
  std::vector<double> gradients;
  for (const state_storage as : storages) {
    cpu_backend backend({.threads = 1});
    fewstep::test::gaussian_consistency model;
    auto trainer = rlcm(backend, model,
                        policy_gradient_parts{.reward = per_sample(nearness{}),
                                              .optimizer = sgd{.learning_rate = 0},
                                              .objective = reinforce{},
                                              .advantage = fewstep::test::raw_advantage{},
                                              .sampler = consistency_sampler{.times = {4, 1}}},
                        {.horizon = 2, .store_states_as = as, .batch = {.prompts = 1, .samples_per_prompt = 4096}});
    const update_report report = trainer.update({0});
    CHECK(report.ratio_mean == 1.0);
    gradients.push_back(static_cast<double>(model.gradient));
  }
  CHECK(gradients[1] != gradients[0]);
  CHECK(gradients[1] == Approx(gradients[0]).epsilon(1e-2));
  CHECK(gradients[2] == Approx(gradients[0]).epsilon(5e-2));
}

TEST_CASE("training learns what it learns otherwise, whatever states are stored as") {
  for (const int optimizer_steps : {1, 4}) {
    const double expected = trained_reward(state_storage::float32, optimizer_steps);
    CAPTURE(optimizer_steps, expected);
    CHECK(expected > -0.45);  // from about -1.1
    CHECK(trained_reward(state_storage::float16, optimizer_steps) == Approx(expected).margin(0.05));
    CHECK(trained_reward(state_storage::bfloat16, optimizer_steps) == Approx(expected).margin(0.08));
  }
}

TEST_CASE("threads, micro-batches and a reward in the background change no bit of states in 16 bits") {
  const auto run = [](int threads, std::size_t budget, auto reward) {
    cpu_backend backend({.threads = threads});
    auto model = make_perceptron(backend);
    auto trainer = grpo(backend, model, std::move(reward), adam{.learning_rate = 1e-2f},
                        {.horizon = 4,
                         .store_states_as = state_storage::bfloat16,
                         .batch = {.prompts = 8, .samples_per_prompt = 5},
                         .training = {.memory_budget = budget}});
    const std::vector<std::int32_t> contexts{0, 1, 2};
    for (int k = 0; k < 3; ++k) trainer.update(contexts);
    CHECK(trainer.memory().rows == (budget > 1 << 20 ? 128 : 32));
    return std::vector<float>(model.parameters().begin(), model.parameters().end());
  };
  const auto expected = run(1, std::size_t{1} << 30, per_sample(nearness{}));
  CHECK(same_bits(run(2, std::size_t{1} << 30, per_sample(nearness{})), expected));
  CHECK(same_bits(run(2, 90000, per_sample(nearness{})), expected));
  CHECK(same_bits(run(2, std::size_t{1} << 30, async(per_sample(nearness{}))), expected));
}

TEST_CASE("an objective on stored outputs finds no divergence until the policy moves, whatever states are stored as") {
  for (const state_storage as : storages) {
    cpu_backend backend({.threads = 1});
    auto model = make_perceptron(backend);
    auto trainer = grpo(
        backend, model,
        policy_gradient_parts{.reward = per_sample(nearness{}),
                              .optimizer = adam{.learning_rate = 1e-2f},
                              .objective = divergence_mask{}},
        {.horizon = 4, .optimizer_steps = 1, .store_states_as = as, .batch = {.prompts = 4, .samples_per_prompt = 4}});
    const std::vector<std::int32_t> contexts{0, 1, 2};
    trainer.sample(contexts);
    update_report report;
    trainer.accumulate(0, trainer.table().trained * 16, 1, report);
    CHECK(report.policy_kl == 0.0);
    CHECK(report.ratio_deviation == 0.0);
  }
}

TEST_CASE("samples without a reward are left out of states in 16 bits as of others") {
  for (const state_storage as : storages) {
    cpu_backend backend({.threads = 1});
    auto model = make_perceptron(backend);
    const auto some = [](vec<const float> x, std::int32_t context) {
      return context == 1 ? std::numeric_limits<float>::quiet_NaN() : nearness{}(x, context);
    };
    auto trainer =
        rlcm(backend, model, per_sample(some), sgd{.learning_rate = 0},
             {.horizon = 3,
              .store_states_as = as,
              .batch = {.prompts = 9, .rewards = {.when_not_finite = non_finite::leave_out, .at_most = 0.9f}}});
    const update_report report = trainer.update({0, 1, 2});
    CHECK(report.left_out > 0);
    CHECK(report.ratio_mean == Approx(1.0).margin(0));
    CHECK(report.gradient_norm > 0);
  }
}

TEST_CASE("the last step's gradient and rewards of steps see the states that are stored") {
  std::vector<double> losses, norms, rewards;
  for (const state_storage as : storages) {
    cpu_backend backend({.threads = 1});
    auto model = make_perceptron(backend);
    const policy_gradient_options o{
        .horizon = 4, .store_states_as = as, .batch = {.prompts = 16, .samples_per_prompt = 4}};
    auto hybrid = rlcm_hybrid(backend, model, nearness{}, sgd{.learning_rate = 0}, o);
    const update_report report = hybrid.update({0, 1, 2});
    losses.push_back(report.loss);
    norms.push_back(report.gradient_norm);
    const auto effort = per_step([](int, vec<const float> x, vec<const float> next, std::int32_t) {
      return x[0] == next[0] ? 100.0f : -std::abs(next[0] - x[0]);
    });
    auto stepped = rlcm(backend, model, effort, sgd{.learning_rate = 0}, o);
    rewards.push_back(stepped.update({0, 1, 2}).reward_mean);
  }
  for (const std::size_t i : {1u, 2u}) {
    const double within = i == 1 ? 2e-3 : 2e-2;
    CHECK(losses[i] == Approx(losses[0]).epsilon(within));
    CHECK(norms[i] == Approx(norms[0]).epsilon(within));
    CHECK(rewards[i] == Approx(rewards[0]).epsilon(within));
    CHECK(rewards[i] != rewards[0]);
  }
}

TEST_CASE("a state beyond float16 stops an update that has changed nothing, and bfloat16 holds it") {
  cpu_backend backend({.threads = 1});
  perceptron model(
      backend, {.network = {.dimension = 5, .hidden = {16}}, .preconditioner = {.sigma_min = 1, .sigma_max = 60000}});
  const auto trainer_on = [&](state_storage as) {
    return rlcm(backend, model, per_sample(nearness{}), sgd{.learning_rate = 0},
                {.horizon = 2, .store_states_as = as, .batch = {.prompts = 64}});
  };
  auto trainer = trainer_on(state_storage::float16);
  CHECK_THROWS_WITH(trainer.update({0}), contains("policy_gradient: a state of sample ") &&
                                             contains(", but store_states_as is float16, which holds up to 65504; use "
                                                      "bfloat16 or float32"));
  CHECK(trainer.is_whole());
  CHECK(trainer.index() == 0);
  auto wide = trainer_on(state_storage::bfloat16);
  CHECK(wide.update({0}).ratio_mean == 1.0);
}

TEST_CASE("a resumed run stores states as it did") {
  const auto path = std::filesystem::temp_directory_path() / message("fewstep-state-storage-", ::getpid());
  cpu_backend backend({.threads = 1});
  auto model = make_perceptron(backend);
  const auto made = [&](state_storage as, const auto& then) {
    auto trainer = rlcm(backend, model, per_sample(nearness{}), adam{},
                        {.horizon = 3, .store_states_as = as, .batch = {.prompts = 4}});
    then(trainer);
  };
  for (const state_storage before : storages) {
    made(before, [&](auto& trainer) {
      trainer.update({0, 1, 2});
      save_checkpoint(path, trainer);
    });
    for (const state_storage now : storages)
      made(now, [&](auto& trainer) {
        if (now == before)
          CHECK_NOTHROW(load_checkpoint(path, trainer));
        else
          CHECK_THROWS_WITH(load_checkpoint(path, trainer), contains("store_states_as"));
      });
  }
  std::filesystem::remove(path);
}

TEST_CASE("an advantage of steps is shown states as float32 and refuses others") {
  cpu_backend backend({.threads = 1});
  auto model = make_perceptron(backend);
  struct reward_to_go {
    void weigh(cpu_backend&, const earned_steps<std::int32_t>& s, matrix<float> out) const {
      for (index_t i = 0; i < out.size(); ++i) out.data[i] = s.rewards.data[i];
    }
    void learn(cpu_backend&, const earned_steps<std::int32_t>&) const {}
  };
  const auto make = [&](state_storage as) {
    return rlcm(
        backend, model,
        policy_gradient_parts{.reward = per_sample(nearness{}), .optimizer = adam{}, .advantage = reward_to_go{}},
        {.store_states_as = as});
  };
  CHECK_NOTHROW(make(state_storage::float32));
  CHECK_THROWS_WITH(make(state_storage::float16), contains("store_states_as is float16, but an advantage of steps"));
}

TEST_CASE("a budget that only states in 16 bits keep to") {
  cpu_backend backend({.threads = 1});
  perceptron model(backend, {.network = {.dimension = 64, .hidden = {16}}});
  const auto total = [&](state_storage as, std::size_t budget) {
    return rlcm(
               backend, model, per_sample(nearness{}), adam{},
               {.horizon = 50, .store_states_as = as, .batch = {.prompts = 500}, .training = {.memory_budget = budget}})
        .memory()
        .total();
  };
  const std::size_t budget = 5500000;
  CHECK(total(state_storage::float16, budget) <= budget);
  CHECK_THROWS_WITH(total(state_storage::float32, budget), contains("memory_budget: 5500000 bytes are too few"));
}

#ifdef FEWSTEP_TEST_COUNTS_ALLOCATIONS

TEST_CASE("states in 16 bits take what the memory plan says, half of what they took, and allocate nothing later") {
  constexpr int horizon = 8, samples = 60, threads = 2;
  constexpr index_t dimension = 8 * 8 * 3;
  cpu_backend backend({.threads = threads});
  auto model = fewstep::test::make_tiny_text_unet(backend);
  const std::vector<token_list> contexts{{{1, 2}}, {{3}}};
  struct held {
    double planned = 0, measured = 0;
    std::size_t trajectory = 0;
  };
  const auto held_by = [&](state_storage as, int optimizer_steps) {
    const auto trained = [&] {
      const std::int64_t before = fewstep::test::live_bytes;
      auto trainer = rlcm(backend, model, per_sample(nearness{}), sgd{},
                          {.horizon = horizon,
                           .optimizer_steps = optimizer_steps,
                           .store_states_as = as,
                           .batch = {.prompts = samples},
                           .training = {.memory_budget = 100000000}});  // of one micro-batch
      trainer.update(contexts);
      const std::size_t allocations = fewstep::test::allocations;
      trainer.update(contexts);
      const std::size_t made = fewstep::test::allocations - allocations;
      CHECK(made == 0);
      return held{static_cast<double>(trainer.memory().total()),
                  static_cast<double>(fewstep::test::live_bytes - before), trainer.memory().trajectory};
    };
    (void)trained();  // what the backend keeps
    return trained();
  };
  for (const int optimizer_steps : {1, 3}) {
    const held whole = held_by(state_storage::float32, optimizer_steps);
    for (const state_storage as : {state_storage::float16, state_storage::bfloat16}) {
      const held half = held_by(as, optimizer_steps);
      CAPTURE(name_of(as), optimizer_steps, whole.planned, whole.measured, half.planned, half.measured);
      CHECK(whole.trajectory - half.trajectory ==
            static_cast<std::size_t>(((horizon + 1) * 2 - 4) * samples * dimension - samples * 4));
      CHECK(whole.measured - half.measured == Approx(whole.planned - half.planned).margin(2000));
    }
  }
}

#endif
