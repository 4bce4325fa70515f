// SPDX-License-Identifier: Apache-2.0
#include "support/arrays.hpp"
#include "support/temporary_directory.hpp"
#include "test.hpp"

#include <fewstep/advantage/batch.hpp>
#include <fewstep/advantage/gae_advantage.hpp>
#include <fewstep/advantage/value_function.hpp>
#include <fewstep/algorithm/policy_gradient.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/io/checkpoint.hpp>
#include <fewstep/objective/reinforce.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/reward/step_reward.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

using fewstep::batch;
using fewstep::cpu_backend;
using fewstep::earned_steps;
using fewstep::gae_advantage;
using fewstep::index_t;
using fewstep::matrix;
using fewstep::per_step;
using fewstep::policy_gradient;
using fewstep::policy_gradient_parts;
using fewstep::vec;

namespace {

constexpr int steps = 3;
constexpr double sigma = 0.2, spread = 2;  // of an action's noise, and of the states that a walk starts from

/// A walk on the line, of three steps with a reward each: being away from home costs, and so does moving. The action is
/// where the walk goes next, drawn around the mean gains[k] x_k.
struct walker {
  struct plain {
    fewstep::coefficients operator()(float) const { return {1, 0, 1}; }
    fewstep::noise_level level(float t) const { return {1, t}; }
    float noise_floor() const { return 0; }
    float min_time() const { return 0; }
    float max_time() const { return 3; }
  };
  using context_type = std::int32_t;
  struct workspace_type {};
  std::array<float, steps> gains{0.9f, 0.2f, 0.6f}, gradient{};

  [[nodiscard]] index_t sample_size() const { return 1; }
  [[nodiscard]] plain preconditioner() const { return {}; }
  [[nodiscard]] workspace_type make_workspace(cpu_backend&, index_t) const { return {}; }
  [[nodiscard]] std::size_t workspace_bytes(const cpu_backend&, index_t) const { return 0; }
  static std::size_t step_at(float time) { return static_cast<std::size_t>(3.5f - time); }
  void predict(cpu_backend&, const batch<std::int32_t>& rows, matrix<float> o, workspace_type&) const {
    for (index_t r = 0; r < rows.rows(); ++r) o(r, 0) = gains[step_at(rows.times[r])] * rows.x(r, 0);
  }
  void forward(cpu_backend& backend, const batch<std::int32_t>& rows, matrix<float> o, workspace_type& w) const {
    predict(backend, rows, o, w);
  }
  void backward(cpu_backend&, const batch<std::int32_t>& rows, matrix<const float> o_gradient, workspace_type&) {
    for (index_t r = 0; r < rows.rows(); ++r) gradient[step_at(rows.times[r])] += o_gradient(r, 0) * rows.x(r, 0);
  }
  vec<float> parameters() { return {gains.data(), {steps}}; }
  vec<float> gradients() { return {gradient.data(), {steps}}; }
};

struct walk_steps {
  template <class P>
  fewstep::step_table table(const P&, int) const {
    fewstep::step_table t{.rows = {}, .trained = steps, .initial_sigma = static_cast<float>(spread)};
    for (const float time : {3.0f, 2.0f, 1.0f})
      t.rows.push_back({time, time - 1, 0, 1, static_cast<float>(sigma), 1, 0, 1});
    return t;
  }
};

constexpr auto cost = [](int, vec<const float> x, vec<const float> next, std::int32_t) {
  const float moved = next[0] - x[0];
  return -next[0] * next[0] - moved * moved;
};

/// What a walk earns on average and how that follows the gains: E x_k^2 and its derivatives, step by step.
struct closed_form {
  double earned = 0;
  std::array<double, steps> gradient{};
  explicit closed_form(const std::array<float, steps>& gains) {
    double square = spread * spread;
    std::array<double, steps> of_square{};
    for (std::size_t k = 0; k < steps; ++k) {
      const auto g = static_cast<double>(gains[k]);
      // E next^2 = g^2 s + sigma^2, E moved^2 = (g - 1)^2 s + sigma^2
      const double by_square = -(g * g) - (g - 1) * (g - 1);
      earned += by_square * square - 2 * sigma * sigma;
      for (std::size_t j = 0; j < k; ++j) gradient[j] += by_square * of_square[j];
      gradient[k] += (-2 * g - 2 * (g - 1)) * square;
      for (std::size_t j = 0; j < k; ++j) of_square[j] *= g * g;
      of_square[k] = 2 * g * square;
      square = g * g * square + sigma * sigma;
    }
  }
};

/// V of the steps under the gains, exactly: -(p_k x^2 + c_k).
struct exact_values {
  const walker* model;
  void values(cpu_backend&, const batch<std::int32_t>& rows, std::span<float> out) const {
    double p = 0, c = 0;
    std::array<double, steps> ps{}, cs{};
    for (int k = steps - 1; k >= 0; --k) {
      const auto g = static_cast<double>(model->gains[static_cast<std::size_t>(k)]);
      c += (2 + p) * sigma * sigma;
      p = g * g * (1 + p) + (g - 1) * (g - 1);
      ps[static_cast<std::size_t>(k)] = p;
      cs[static_cast<std::size_t>(k)] = c;
    }
    for (std::size_t i = 0; i < out.size(); ++i) {
      const auto r = static_cast<index_t>(i);
      const std::size_t k = walker::step_at(rows.times[r]);
      const auto x = static_cast<double>(rows.x(r, 0));
      out[i] = static_cast<float>(-(ps[k] * x * x + cs[k]));
    }
  }
  double fit(cpu_backend&, const batch<std::int32_t>&, std::span<const float>, std::span<const float>) { return 0; }
};
struct no_values {
  void values(cpu_backend&, const batch<std::int32_t>&, std::span<float> out) const {
    std::fill(out.begin(), out.end(), 0.0f);
  }
  double fit(cpu_backend&, const batch<std::int32_t>&, std::span<const float>, std::span<const float>) { return 0; }
};

constexpr fewstep::policy_gradient_options options{
    .horizon = steps, .batch = {.prompts = 512}, .training = {.max_gradient_norm = 0, .seed = 3}};

template <class Advantage, class Optimizer>
auto trainer_of(cpu_backend& backend, walker& model, Advantage advantage, Optimizer optimizer) {
  return policy_gradient(backend, model,
                         policy_gradient_parts{.reward = per_step{cost},
                                               .optimizer = optimizer,
                                               .objective = fewstep::reinforce{},
                                               .advantage = advantage,
                                               .sampler = walk_steps{}},
                         options);
}

}  // namespace

TEST_CASE("rewards of steps give the gradient of their sum, whatever is expected of the states") {
  cpu_backend backend({.threads = 1});
  walker model;
  const closed_form expected(model.gains);
  const auto check = [&](auto& value, float lambda) {
    auto trainer = trainer_of(
        backend, model, gae_advantage(value, {.estimate = {.lambda = lambda}, .standardizes = false}), fewstep::sgd{});
    constexpr int rollouts = 200;
    std::array<double, steps> sum{}, squares{};
    double earned = 0;
    for (int i = 0; i < rollouts; ++i) {
      trainer.probe(std::vector<std::int32_t>{0}, i);
      for (const float reward : trainer.rewards()) earned += static_cast<double>(reward) / (rollouts * 512);
      for (std::size_t k = 0; k < steps; ++k) {
        // The loss is the mean over the rows of all steps, and descends.
        const double g = -steps * static_cast<double>(model.gradient[k]);
        sum[k] += g / rollouts;
        squares[k] += g * g / rollouts;
      }
    }
    CHECK(earned == Approx(expected.earned).epsilon(0.03));
    double variance = 0;
    for (std::size_t k = 0; k < steps; ++k) {
      const double error = std::sqrt((squares[k] - sum[k] * sum[k]) / rollouts);
      CAPTURE(k, lambda, sum[k], expected.gradient[k], error);
      CHECK(std::abs(sum[k] - expected.gradient[k]) < 6 * error);
      CHECK(error < 0.1 * std::abs(expected.gradient[k]));
      variance += error * error;
    }
    return variance;
  };
  no_values none;
  exact_values exact{&model};
  const double alone = check(none, 1.0f);
  CHECK(check(exact, 1.0f) < alone);
  CHECK(check(exact, 0.5f) < alone);
  CHECK(check(exact, 0.0f) < alone);
}

TEST_CASE("a walk of three steps with a reward each is trained to the best that there is") {
  cpu_backend backend({.threads = 1});
  walker model;
  exact_values value{&model};
  auto trainer =
      trainer_of(backend, model, gae_advantage(value, {.standardizes = false}), fewstep::adam{.learning_rate = 1e-2f});
  for (int i = 0; i < 300; ++i) trainer.update(std::vector<std::int32_t>{0});
  // Backwards: x / (2 + p) with p = 0, then (1 + p) / (2 + p) of the step after.
  CHECK(model.gains[2] == Approx(1 / 2.0).margin(0.02));
  CHECK(model.gains[1] == Approx(1 / 2.5).margin(0.02));
  CHECK(model.gains[0] == Approx(1 / 2.6).margin(0.02));
}

TEST_CASE("a reward of steps can be judged as a whole, and one of samples step by step") {
  cpu_backend backend({.threads = 1});
  walker model;
  // The sum of the steps, as any advantage of samples sees it.
  auto whole = trainer_of(backend, model, fewstep::batch_advantage{}, fewstep::sgd{});
  whole.sample(std::vector<std::int32_t>{0});
  const std::vector<float> sums(whole.rewards().begin(), whole.rewards().end());

  const auto last = std::minmax_element(sums.begin(), sums.end());
  CHECK(*last.first < *last.second);
  CHECK(*last.second < 0);

  // All that a sample earns comes with its last step: without values and discount every step gets it.
  struct last_state {
    void operator()(matrix<const float> samples, std::span<const std::int32_t>, std::span<float> out) const {
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = samples(static_cast<index_t>(i), 0);
    }
  };
  no_values none;
  struct recorded {
    gae_advantage<no_values> of;
    std::vector<float>* rewards;
    std::vector<float>* advantages;
    void weigh(cpu_backend& b, const earned_steps<std::int32_t>& s, matrix<float> out) {
      of.weigh(b, s, out);
      rewards->assign(s.rewards.begin(), s.rewards.end());
      advantages->assign(out.begin(), out.end());
    }
    void learn(cpu_backend& b, const earned_steps<std::int32_t>& s) { of.learn(b, s); }
  };
  std::vector<float> rewards, advantages;
  policy_gradient trainer(
      backend, model,
      policy_gradient_parts{
          .reward = last_state{},
          .optimizer = fewstep::sgd{},
          .objective = fewstep::reinforce{},
          .advantage =
              recorded{gae_advantage(none, {.estimate = {.lambda = 1}, .standardizes = false}), &rewards, &advantages},
          .sampler = walk_steps{}},
      options);
  trainer.sample(std::vector<std::int32_t>{0});
  for (std::size_t k = 0; k < steps; ++k)
    for (std::size_t i = 0; i < 512; ++i) {
      CHECK(rewards[512 * k + i] == (k + 1 == steps ? trainer.rewards()[i] : 0.0f));
      CHECK(advantages[512 * k + i] == trainer.rewards()[i]);
    }
}

TEST_CASE("a run with rewards of steps and a value function resumes bit for bit") {
  cpu_backend backend({.threads = 1});
  const temporary_directory folder;
  struct run {
    walker model;
    fewstep::value_function<cpu_backend, walker::plain> value;
    explicit run(cpu_backend& b)
        : value(b, walker::plain{}, fewstep::adam{.learning_rate = 1e-2f},
                {.network = {.dimension = 1, .hidden = {8}}, .seed = 1}) {}
  };
  run whole(backend), resumed(backend);
  const auto trainer = [&](run& of) {
    return trainer_of(backend, of.model, gae_advantage(of.value), fewstep::adam{.learning_rate = 1e-2f});
  };
  auto first = trainer(whole);
  for (int i = 0; i < 3; ++i) first.update(std::vector<std::int32_t>{0});
  fewstep::save_checkpoint(folder / "run.safetensors", first);
  auto second = trainer(resumed);
  fewstep::load_checkpoint(folder / "run.safetensors", second);
  for (auto* one : {&first, &second})
    for (int i = 0; i < 2; ++i) one->update(std::vector<std::int32_t>{0});
  CHECK(resumed.model.gains == whole.model.gains);
  CHECK(fewstep::test::same_bits(resumed.value.parameters().data, whole.value.parameters().data,
                                 whole.value.parameters().size()));
}

TEST_CASE("a sample with a step that cannot be judged may be left out, and teaches nothing") {
  cpu_backend backend({.threads = 1});
  walker model;
  no_values none;
  per_step reward{[](int k, auto x, auto next, std::int32_t context) {
    return k == 1 && x[0] > 1 ? std::numeric_limits<float>::quiet_NaN() : cost(k, x, next, context);
  }};
  auto o = options;
  o.batch.rewards.when_not_finite = fewstep::non_finite::leave_out;
  o.batch.rewards.at_most = 1.0f;
  policy_gradient trainer(backend, model,
                          policy_gradient_parts{.reward = reward,
                                                .optimizer = fewstep::sgd{},
                                                .objective = fewstep::reinforce{},
                                                .advantage = gae_advantage(none),
                                                .sampler = walk_steps{}},
                          o);
  const auto report = trainer.update(std::vector<std::int32_t>{0});
  CHECK(report.left_out > 0);
  CHECK(report.left_out < 512);
  for (const float gain : model.gains) CHECK(std::isfinite(gain));
}
