// SPDX-License-Identifier: Apache-2.0
#include "support/arrays.hpp"
#include "support/gaussian_consistency.hpp"
#include "support/temporary_directory.hpp"
#include "test.hpp"

#include <fewstep/advantage/group.hpp>
#include <fewstep/advantage/prompt_buffer.hpp>
#include <fewstep/algorithm/policy_gradient.hpp>
#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/io/checkpoint.hpp>
#include <fewstep/objective/reinforce.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/reward/async.hpp>
#include <fewstep/reward/per_sample.hpp>
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/sampler/ddim.hpp>
#include <fewstep/sampler/scored_part.hpp>

#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::test::gaussian_consistency;
using fewstep::test::same_bits;

namespace {

using mlp = fewstep::mlp_generator<cpu_backend>;

/// Rates a batch by its first values; can be told to misbehave.
struct first_values {
  float bad = 0;  ///< instead of a reward, unless it is 0
  index_t bad_sample = 11;
  bool leaves_unwritten = false;
  std::optional<std::string> error{};

  template <class Context>
  void operator()(fewstep::matrix<const float> samples, std::span<const Context>, std::span<float> out) const {
    for (index_t i = 0; i < samples.rows(); ++i) {
      if (leaves_unwritten && i == bad_sample) continue;
      out[static_cast<std::size_t>(i)] = bad != 0 && i == bad_sample ? bad : samples(i, 0);
    }
    if (error) throw std::runtime_error(*error);
  }
};

mlp make_mlp(cpu_backend& backend) { return {backend, {.network = {.dimension = 3, .classes = 4}, .seed = 3}}; }

const std::vector<std::int32_t> contexts = {0, 1, 2, 3};

/// Parameters, average, optimizer, advantage and index, as a checkpoint has them.
template <class Trainer>
std::string state_of(Trainer& trainer) {
  const temporary_directory folder;
  fewstep::save_checkpoint(folder / "state", trainer);
  return text_of(folder / "state");
}

template <class Generator>
std::vector<float> parameters_of(Generator& model) {
  return {model.parameters().begin(), model.parameters().end()};
}

template <class Reward, class Objective, class Generator, class Optimizer = fewstep::adam>
auto make_trainer(cpu_backend& backend, Generator& model, Reward reward, Objective objective,
                  fewstep::policy_gradient_options o, Optimizer optimizer = {.learning_rate = 1e-2f},
                  std::vector<float> times = {}) {
  return fewstep::policy_gradient(
      backend, model,
      fewstep::policy_gradient_parts{.reward = std::move(reward),
                                     .optimizer = optimizer,
                                     .objective = objective,
                                     .advantage = fewstep::prompt_buffer_advantage{.min_count = 4},
                                     .sampler = fewstep::consistency_sampler{.times = std::move(times)}},
      o);
}

constexpr fewstep::policy_gradient_options small{
    .horizon = 3, .batch = {.prompts = 7, .samples_per_prompt = 5}, .training = {.ema_decay = 0.9f, .seed = 9}};

}  // namespace

TEST_CASE("with one optimizer step per rollout REINFORCE and the clipped surrogate make the same bits") {
  cpu_backend backend({.threads = 1});
  auto one = make_mlp(backend), two = make_mlp(backend);
  const auto before = parameters_of(one);
  auto plain = make_trainer(backend, one, first_values{}, fewstep::reinforce{}, small);
  auto clipped = make_trainer(backend, two, first_values{}, fewstep::clipped_surrogate{1e-4f}, small);
  for (int k = 0; k < 4; ++k) {
    plain.update(contexts);
    clipped.update(contexts);
    CHECK(same_bits(parameters_of(one), parameters_of(two)));
  }
  CHECK_FALSE(same_bits(parameters_of(one), before));
}

TEST_CASE("a state is whole but between sampling and the end of training") {
  cpu_backend backend({.threads = 1});
  auto model = make_mlp(backend);
  auto trainer = make_trainer(backend, model, first_values{}, fewstep::reinforce{}, small);
  CHECK(trainer.is_whole());
  trainer.sample(contexts);
  CHECK_FALSE(trainer.is_whole());
  REQUIRE(trainer.prompts().size() == 35);
  for (std::size_t i = 0; i < 35; ++i) CHECK(trainer.prompts()[i] == trainer.prompts()[i / 5 * 5]);
  trainer.train();
  CHECK(trainer.is_whole());
  trainer.parts().reward.error = "ill";
  CHECK_THROWS_WITH(trainer.update(contexts), "ill");
  CHECK(trainer.is_whole());
}

namespace {

/// An advantage with a memory of one number: what a reward is better than the mean of all that came before.
struct running_mean {
  double sum = 0;
  int count = 0;

  void operator()(std::span<const float> rewards, std::span<const std::int32_t>, std::span<float> out) {
    for (std::size_t i = 0; i < rewards.size(); ++i) {
      out[i] = rewards[i] - static_cast<float>(count > 0 ? sum / count : 0.0);
      sum += static_cast<double>(rewards[i]);
      ++count;
    }
  }
  template <class Archive>
  void serialize(Archive& archive) {
    archive("sum", sum);
    archive("count", count);
  }
};

/// Bits of two updates, each of them sampled so many times before it is trained on, and probed in between or not.
template <class Advantage>
std::pair<std::vector<float>, std::string> sampled_again(int times, bool probes, const Advantage& advantage) {
  cpu_backend backend({.threads = 1});
  mlp model = make_mlp(backend);
  fewstep::policy_gradient trainer(
      backend, model,
      fewstep::policy_gradient_parts{.reward = first_values{}, .optimizer = fewstep::adam{}, .advantage = advantage},
      {.horizon = 3, .batch = {.prompts = 6, .samples_per_prompt = 2}, .training = {.seed = 4}});
  std::vector<float> bits;
  for (int update = 0; update < 3; ++update) {
    if (probes) trainer.probe(contexts, update);
    for (int k = 0; k < times; ++k) trainer.sample(contexts);
    const auto report = trainer.train();
    bits.push_back(static_cast<float>(report.gradient_norm));
    bits.insert(bits.end(), model.gradients().begin(), model.gradients().end());
    bits.insert(bits.end(), model.parameters().begin(), model.parameters().end());
  }
  return {bits, state_of(trainer)};
}

template <class Advantage>
void check_sampled_again(const Advantage& advantage) {
  const auto once = sampled_again(1, false, advantage);
  for (const bool probes : {false, true}) {
    const auto twice = sampled_again(3, probes, advantage);
    CHECK(same_bits(once.first, twice.first));
    CHECK(once.second == twice.second);
  }
}

}  // namespace

TEST_CASE("a rollout that is sampled again is the same again, for every advantage that remembers") {
  check_sampled_again(fewstep::prompt_buffer_advantage{.min_count = 2});
  check_sampled_again(fewstep::group_advantage{});
  check_sampled_again(running_mean{});
}

TEST_CASE("an update that fails after its rollout is remembered by no advantage") {
  cpu_backend backend({.threads = 1});
  mlp model = make_mlp(backend);
  fewstep::policy_gradient trainer(
      backend, model,
      fewstep::policy_gradient_parts{
          .reward = first_values{}, .optimizer = fewstep::adam{}, .advantage = running_mean{}},
      {.horizon = 3, .batch = {.prompts = 6, .samples_per_prompt = 2}});
  trainer.update(contexts);
  CHECK(trainer.parts().advantage.count == 12);
  trainer.sample(contexts);
  const float kept = std::exchange(model.parameters()[0], std::numeric_limits<float>::quiet_NaN());
  CHECK_THROWS(trainer.train());
  CHECK(trainer.parts().advantage.count == 12);
  model.parameters()[0] = kept;
  trainer.update(contexts);
  CHECK(trainer.parts().advantage.count == 24);
}

TEST_CASE("coordinates that are not scored get no gradient, and the ratio of the others is exactly 1") {
  // The target of a coordinate is its own output bias only, so that its gradient is that of the bias.
  cpu_backend backend({.threads = 2});
  mlp model(backend, {.network = {.dimension = 3, .classes = 4, .hidden = {}}, .seed = 3});
  fewstep::policy_gradient trainer(
      backend, model,
      fewstep::policy_gradient_parts{.reward = first_values{},
                                     .optimizer = fewstep::sgd{},
                                     .sampler = fewstep::scored_part{fewstep::consistency_sampler{}, {1, 1}}},
      {.horizon = 3, .batch = {.prompts = 6, .samples_per_prompt = 2}});
  const auto report = trainer.update(contexts);
  CHECK(report.ratio_mean == 1);
  CHECK(report.ratio_deviation == 0);
  CHECK(report.gradient_norm > 0);
  const auto& bias = model.layout().slices().back();
  REQUIRE(bias.size() == 3);
  const auto gradient = model.gradients().subview(bias.offset, 3);
  CHECK(gradient[0] == 0);
  CHECK(gradient[1] != 0);
  CHECK(gradient[2] == 0);
  CHECK(trainer.parts().objective.clip_range == fewstep::automatic_clip_range(1, fewstep::reduction::mean));
}

TEST_CASE("learning raises the reward") {
  cpu_backend backend({.threads = 1});
  auto model = make_mlp(backend);
  auto options = small;
  options.batch.samples_per_prompt = 20;
  auto trainer = make_trainer(backend, model, first_values{}, fewstep::clipped_surrogate{1e-4f}, options);
  std::vector<double> means;
  for (const auto& report : trainer.run(std::span(contexts), 40)) means.push_back(report.reward_mean);
  CAPTURE(means.front(), means.back());
  CHECK(trainer.index() == 40);
  CHECK(means.back() > means.front() + 0.5);
}

TEST_CASE("several optimizer steps per rollout take the ratios away from 1, and some are clipped") {
  cpu_backend backend({.threads = 1});
  auto model = make_mlp(backend);
  auto options = small;
  options.optimizer_steps = 4;
  auto trainer = make_trainer(backend, model, first_values{}, fewstep::clipped_surrogate{0.02f}, options);
  const auto report = trainer.update(contexts);
  CAPTURE(report.ratio_mean, report.ratio_deviation, report.clip_fraction, report.approximate_kl);
  CHECK(report.ratio_deviation > 0.02);
  CHECK(report.clip_fraction > 0);
  CHECK(report.clip_fraction < 1);
  CHECK(report.approximate_kl > 0);
}

TEST_CASE("a reward in the background makes the same bits") {
  const int threads = GENERATE(1, 2);
  cpu_backend backend({.threads = threads});
  auto one = make_mlp(backend), two = make_mlp(backend);
  auto direct = make_trainer(backend, one, first_values{}, fewstep::reinforce{}, small);
  auto aside = make_trainer(backend, two, fewstep::async(first_values{}), fewstep::reinforce{}, small);
  for (int k = 0; k < 3; ++k) {
    direct.update(contexts);
    aside.update(contexts);
  }
  CHECK(state_of(direct) == state_of(aside));
}

TEST_CASE("a failure of a reward in the background is told once and leaves nothing behind") {
  cpu_backend backend({.threads = 1});
  auto model = make_mlp(backend);
  auto trainer = make_trainer(backend, model, fewstep::async(first_values{}, {.capacity = GENERATE(1, 4)}),
                              fewstep::reinforce{}, small);
  trainer.update(contexts);
  const auto before = state_of(trainer);
  trainer.parts().reward.inner().error = "the reward is ill";
  CHECK_THROWS_WITH(trainer.update(contexts), contains("the reward is ill"));
  trainer.parts().reward.inner().error.reset();
  CHECK(state_of(trainer) == before);
  CHECK_NOTHROW(trainer.update(contexts));
}

TEST_CASE("a reward that is not finite stops the update before anything has changed") {
  cpu_backend backend({.threads = 1});
  auto model = make_mlp(backend);
  auto trainer = make_trainer(backend, model, first_values{}, fewstep::reinforce{}, small);
  trainer.update(contexts);
  const auto before = state_of(trainer);
  first_values& judge = trainer.parts().reward;
  SECTION("not a number") {
    judge.bad = std::numeric_limits<float>::quiet_NaN();
    CHECK_THROWS_WITH(trainer.update(contexts), contains("the reward of sample 11 of 35 is nan"));
  }
  SECTION("infinite") {
    judge.bad = -std::numeric_limits<float>::infinity();
    CHECK_THROWS_WITH(trainer.update(contexts), contains("the reward of sample 11 of 35 is -inf"));
  }
  SECTION("not written") {
    judge.leaves_unwritten = true;
    CHECK_THROWS_WITH(trainer.update(contexts), contains("the reward of sample 11 of 35 is nan"));
  }
  SECTION("an exception") {
    judge.error = "no reward";
    CHECK_THROWS_WITH(trainer.update(contexts), contains("no reward"));
  }
  CHECK(state_of(trainer) == before);
  CHECK(trainer.index() == 1);
  judge = {};
  CHECK_NOTHROW(trainer.update(contexts));
}

TEST_CASE("a gradient that is not finite moves no parameter") {
  cpu_backend backend({.threads = 1});
  gaussian_consistency model;
  auto trainer = make_trainer(backend, model, first_values{}, fewstep::reinforce{}, small);
  trainer.sample(contexts);
  const_cast<float*>(trainer.samples().data)[0] = 0;  // the rollout itself is finite
  model.mean = std::numeric_limits<float>::infinity();
  CHECK_THROWS_WITH(trainer.train(), contains("1 of 1 parameters are not finite"));
  CHECK(model.mean == std::numeric_limits<float>::infinity());
  CHECK(trainer.index() == 0);
}

TEST_CASE("policy_gradient refuses what cannot be learned from") {
  cpu_backend backend({.threads = 1});
  gaussian_consistency model;
  const auto with = [&](fewstep::policy_gradient_options o) {
    return make_trainer(backend, model, first_values{}, fewstep::reinforce{}, o);
  };
  CHECK_THROWS_WITH(with({.horizon = 0}), contains("policy_gradient: horizon is 0; it must be at least 1"));
  CHECK_THROWS_WITH(with({.horizon = 1}), contains("horizon is 1 but last_step is mask"));
  CHECK_THROWS_WITH(with({.batch = {.prompts = 0}}), contains("batch.prompts is 0"));
  CHECK_THROWS_WITH(with({.batch = {.samples_per_prompt = -1}}), contains("batch.samples_per_prompt is -1"));
  CHECK_THROWS_WITH(with({.inner_epochs = 0}), contains("inner_epochs is 0"));
  CHECK_THROWS_WITH(with({.optimizer_steps = 0}), contains("optimizer_steps is 0"));
  CHECK_THROWS_WITH(with({.training = {.ema_decay = 1}}), contains("ema_decay is 1"));
  CHECK_THROWS_WITH(with({.horizon = 2, .optimizer_steps = 4, .batch = {.prompts = 3}}),
                    contains("4 optimizer steps but only 3 rows"));
  CHECK_THROWS_WITH(with({.training = {.memory_budget = 100}}), contains("memory_budget: 100 bytes are too few"));
  // The path fits, the parameters do not: nothing is said of the states.
  CHECK_THROWS_WITH(with({.training = {.memory_budget = 10200}}), !contains("alone need"));
  CHECK_THROWS_WITH(
      with({.training = {.memory_budget = 10200}}),
      contains("memory_budget: 10200 bytes are too few") && contains("the smallest micro-batch (32 rows) needs"));
  auto trainer = with({});
  CHECK_THROWS_WITH(trainer.update({}), contains("policy_gradient: there are no prompts; give at least one"));

  const fewstep::policy_gradient_parts deterministic{
      .reward = first_values{}, .optimizer = fewstep::sgd{}, .sampler = fewstep::ddim_sampler{.eta = 0}};
  CHECK_THROWS_WITH(fewstep::policy_gradient(backend, model, deterministic, {.horizon = 4}),
                    contains("policy_gradient: none of the 4 steps is stochastic"));

  const fewstep::policy_gradient_parts grouped{
      .reward = first_values{}, .optimizer = fewstep::sgd{}, .advantage = fewstep::group_advantage{}};
  CHECK_THROWS_WITH(fewstep::policy_gradient(backend, model, grouped, {.horizon = 2, .batch = {.prompts = 1}}),
                    contains("samples_per_prompt is 1 but the advantage compares the samples of a prompt"));
}

namespace {

/// Shows the reward the first value and a hundred.
struct first_and_hundred {
  [[nodiscard]] index_t decoded_size(index_t) const { return 2; }
  void operator()(cpu_backend&, fewstep::matrix<const float> x, fewstep::matrix<float> y) const {
    for (index_t r = 0; r < x.rows(); ++r) {
      y(r, 0) = x(r, 0);
      y(r, 1) = 100;
    }
  }
};

}  // namespace

TEST_CASE("the reward sees what the decoder makes of a sample") {
  cpu_backend backend({.threads = 1});
  gaussian_consistency model;
  const auto add = fewstep::per_sample(
      [](fewstep::vec<const float> x, std::int32_t) { return x.size() == 2 ? x[0] + x[1] : -1.0f; });
  auto trainer = fewstep::rlcm(
      backend, model,
      fewstep::policy_gradient_parts{.reward = add, .optimizer = fewstep::sgd{}, .decoder = first_and_hundred{}},
      {.horizon = 2, .batch = {.prompts = 2, .samples_per_prompt = 3}});
  trainer.update(contexts);
  REQUIRE(trainer.samples().cols() == 2);
  for (index_t r = 0; r < 6; ++r)
    CHECK(trainer.rewards()[static_cast<std::size_t>(r)] == trainer.samples()(r, 0) + 100);
}

TEST_CASE("a run that is resumed from a checkpoint goes on bit for bit") {
  const int optimizer_steps = GENERATE(1, 3);
  auto options = small;
  options.optimizer_steps = optimizer_steps;
  options.training.schedule = {.total = 12};
  const temporary_directory folder;
  cpu_backend backend({.threads = 1});
  auto unbroken = make_mlp(backend);
  auto whole = make_trainer(backend, unbroken, first_values{}, fewstep::clipped_surrogate{1e-3f}, options);
  for (int k = 0; k < 3; ++k) whole.update(contexts);
  fewstep::save_checkpoint(folder / "after-3", whole);
  for (int k = 0; k < 3; ++k) whole.update(contexts);

  cpu_backend other({.threads = 2});
  mlp resumed(other, {.network = {.dimension = 3, .classes = 4}, .seed = 77});
  auto rest = make_trainer(other, resumed, first_values{}, fewstep::clipped_surrogate{1e-3f}, options);
  rest.update(contexts);
  fewstep::load_checkpoint(folder / "after-3", rest);
  CHECK(rest.index() == 3);
  for (int k = 0; k < 3; ++k) rest.update(contexts);
  CHECK(same_bits(parameters_of(resumed), parameters_of(unbroken)));
  CHECK(state_of(rest) == state_of(whole));

  auto elsewhere = make_trainer(other, resumed, first_values{}, fewstep::clipped_surrogate{1e-3f}, options,
                                fewstep::adam{.learning_rate = 1e-2f}, {5, 3, 1});
  CHECK_THROWS_WITH(fewstep::load_checkpoint(folder / "after-3", elsewhere),
                    contains("made with sampler.times.size() = 0, but this run has 3"));

  options.batch.samples_per_prompt = options.batch.samples_per_prompt + 1;
  auto wrong = make_trainer(other, resumed, first_values{}, fewstep::clipped_surrogate{1e-3f}, options);
  const auto before = state_of(wrong);
  CHECK_THROWS_WITH(fewstep::load_checkpoint(folder / "after-3", wrong), contains("samples_per_prompt"));
  CHECK(state_of(wrong) == before);
}
