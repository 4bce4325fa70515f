// SPDX-License-Identifier: Apache-2.0
// The reward's gradient through the last call, alone and beside a policy gradient, against closed forms.
#include "support/arrays.hpp"
#include "support/differentiable_gaussian.hpp"
#include "test.hpp"

#include <fewstep/algorithm/policy_gradient.hpp>
#include <fewstep/loss/last_step_reward.hpp>
#include <fewstep/mdp/rollout.hpp>
#include <fewstep/objective/reinforce.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/sampler/consistency.hpp>

#include <cmath>
#include <limits>
#include <vector>

using namespace fewstep;
using namespace fewstep::test;

namespace {

using toy = gaussian_consistency;
constexpr float target = 1.5f;
const std::vector<float> times = {4, 1};

/// A rollout of the toy.
struct toy_path {
  cpu_backend& backend;
  trajectory<cpu_backend, std::int32_t> path;
  toy::workspace_type workspace{};
  cpu_tensor<float, 2> o;

  toy_path(cpu_backend& b, const step_table& table, index_t samples)
      : backend(b), path(b, table, samples, toy::dimension), o(b, {samples, toy::dimension}) {
    for (index_t r = 0; r < samples; ++r) path.set_context(r, static_cast<std::int32_t>(r % 3));
  }
  void roll(toy& model, rollout_noise noise) {
    rollout(backend, model, workspace, path, o.view(), noise, reduction::mean, 0, path.samples());
  }
};

template <class Loss>
double add(Loss& loss, toy& model, toy_path& p) {
  return loss.add_gradient(p.backend, model, p.workspace, p.path, {});
}

step_table masked(const toy& model) { return consistency_sampler{.times = times}.table(model.preconditioner(), 2); }

/// y = 2 x + 1, whose gradient has a factor of 2; wider than the sample by a column of zeros.
struct doubled {
  index_t decoded_size(index_t n) const { return n + 1; }
  void operator()(cpu_backend&, matrix<const float> x, matrix<float> y) const {
    for (index_t r = 0; r < x.rows(); ++r) {
      for (index_t d = 0; d < x.cols(); ++d) y(r, d) = 2 * x(r, d) + 1;
      y(r, x.cols()) = 0;
    }
  }
  void backward(cpu_backend&, matrix<const float> x, matrix<const float> gy, matrix<float> gx) const {
    for (index_t r = 0; r < x.rows(); ++r)
      for (index_t d = 0; d < x.cols(); ++d) gx(r, d) = 2 * gy(r, d);
  }
};
static_assert(differentiable_decoder<doubled, cpu_backend, std::int32_t>);

}  // namespace

TEST_CASE("the last step's gradient is the closed form, added to what is there, in any parts") {
  cpu_backend backend({.threads = 1});
  toy model;
  toy_path p(backend, masked(model), 10);
  p.roll(model, {3, 0});
  for (const float margin : {std::numeric_limits<float>::infinity(), -4.0f})
    for (const index_t rows : {4, 32}) {
      last_step_reward loss(backend, differentiable_quadratic{target}, {.weight = 0.5f, .margin = margin});
      loss.prepare(backend, model, p.path.table(), 10, rows);
      model.gradient = 7;
      const double value = add(loss, model, p);
      double expected = 0, expected_value = 0;
      for (index_t r = 0; r < 10; ++r) {
        double reward = 0, slope = 0;
        for (index_t d = 0; d < toy::dimension; ++d) {
          const double off = static_cast<double>(p.path.result()(r, d)) - static_cast<double>(target);
          reward -= off * off;
          slope += 2 * off * (1 - toy::shrinking(1));
        }
        CHECK(static_cast<double>(loss.rewards()[static_cast<std::size_t>(r)]) == Approx(reward).epsilon(1e-6));
        if (reward < static_cast<double>(margin)) {
          expected += 0.5 * slope / 10;
          expected_value += 0.5 * (std::isinf(margin) ? -reward : static_cast<double>(margin) - reward) / 10;
        }
      }
      CHECK(static_cast<double>(model.gradient) == Approx(7 + expected).epsilon(1e-5));
      CHECK(value == Approx(expected_value).epsilon(1e-5));
    }
}

TEST_CASE("the policy gradient and the last step's are the gradient of the expected reward together") {
  // y = m (1 - P) + P x_0 + noise, P the product of all s_k: d E[r] / dm = -2 D (m (1 - P) - c) (1 - P), of which the
  // last call accounts for 1 - s_last and the actions, over whose steps a policy gradient is a mean, for the rest.
  cpu_backend backend({.threads = 1});
  toy model;
  const std::vector<float> grid = GENERATE(std::vector<float>{4, 1}, std::vector<float>{4, 1.5f, 0.7f});
  const int horizon = static_cast<int>(grid.size()), actions = horizon - 1;
  const float weight = 1 / static_cast<float>(actions);
  constexpr std::uint64_t seed = 11;
  constexpr int samples = 8192, updates = 18;
  const policy_gradient_options options{.horizon = horizon,
                                        .reduction = reduction::sum,
                                        .batch = {.prompts = 1, .samples_per_prompt = samples},
                                        .training = {.seed = seed}};
  const auto make = [&](auto auxiliary) {
    policy_gradient_parts parts{.reward = differentiable_quadratic{target},
                                .optimizer = sgd{.learning_rate = 0},
                                .objective = reinforce{},
                                .advantage = raw_advantage{},
                                .sampler = consistency_sampler{.times = grid},
                                .auxiliary = std::move(auxiliary)};
    return policy_gradient<cpu_backend, toy, decltype(parts)>(backend, model, std::move(parts), options);
  };
  auto alone = make(no_auxiliary_loss{});
  auto hybrid = make(last_step_reward(backend, differentiable_quadratic{target}, {.weight = weight}));
  std::vector<double> policy, call, sum;
  for (int k = 0; k < updates; ++k) {
    alone.update(std::vector<std::int32_t>{0});
    policy.push_back(-static_cast<double>(model.gradient));
    hybrid.update(std::vector<std::int32_t>{0});
    sum.push_back(-static_cast<double>(model.gradient));
    call.push_back(sum.back() - policy.back());
  }
  double product = 1;
  for (const float time : grid) product *= toy::shrinking(static_cast<double>(time));
  const double last = toy::shrinking(static_cast<double>(grid.back()));
  const double slope =
      -2 * toy::dimension * (static_cast<double>(model.mean) * (1 - product) - static_cast<double>(target)) / actions;
  const auto near = [&](const std::vector<double>& estimates, double expected) {
    double mean = 0, error = 0;
    const auto n = static_cast<double>(estimates.size());
    for (const double e : estimates) mean += e / n;
    for (const double e : estimates) error += (e - mean) * (e - mean) / (n - 1) / n;
    error = std::sqrt(error);
    INFO("seed " << seed << ", mean " << mean << " +- " << error << ", expected " << expected);
    CHECK(error < 0.1 * expected);
    CHECK(std::abs(mean - expected) < 8 * error);  // Student's t of 17 degrees of freedom: false alarm 4e-7
  };
  near(policy, slope * (last - product));
  near(call, slope * (1 - last));
  near(sum, slope * (1 - product));
}

TEST_CASE("the last step's gradient passes the decoder") {
  cpu_backend backend({.threads = 1});
  toy model;
  toy_path p(backend, masked(model), 5);
  p.roll(model, {3, 0});
  last_step_reward loss(backend, differentiable_quadratic{target}, {}, doubled{});
  loss.prepare(backend, model, p.path.table(), 5, 2);
  add(loss, model, p);
  double expected = 0;
  for (index_t i = 0; i < p.path.result().size(); ++i)
    expected += 2 * (2 * static_cast<double>(p.path.result().data[i]) + 1 - static_cast<double>(target)) * 2 *
                (1 - toy::shrinking(1)) / 5;
  CHECK(static_cast<double>(model.gradient) == Approx(expected).epsilon(1e-5));
}

TEST_CASE("a last step that is noisy or trained is refused, as is a reward that is not finite") {
  cpu_backend backend({.threads = 1});
  toy model;
  last_step_reward loss(backend, differentiable_quadratic{});
  for (const last_step last : {last_step::reference, last_step::stochastic}) {
    const auto table = consistency_sampler{.times = times, .last = last}.table(model.preconditioner(), 2);
    CHECK_THROWS_WITH(loss.prepare(backend, model, table, 4, 4), contains("use last_step::mask"));
  }
  CHECK_THROWS_WITH(last_step_reward(backend, differentiable_quadratic{}, {.weight = NAN}),
                    contains("last_step_reward: weight is nan"));
  last_step_reward ill(backend, differentiable_quadratic{NAN});
  toy_path p(backend, masked(model), 5);
  p.roll(model, {3, 0});
  ill.prepare(backend, model, p.path.table(), 5, 2);
  CHECK_THROWS_WITH(add(ill, model, p), contains("the reward of sample 0 of 5 is nan"));
}

TEST_CASE("several losses add up, and none costs nothing") {
  cpu_backend backend({.threads = 1});
  toy model;
  toy_path p(backend, masked(model), 6);
  p.roll(model, {3, 0});
  const auto gradient_of = [&](auto loss) {
    loss.prepare(backend, model, p.path.table(), 6, 32);
    model.gradient = 0;
    const double value = add(loss, model, p);
    return std::pair(value, static_cast<double>(model.gradient));
  };
  const auto one = [&](float weight) {
    return last_step_reward(backend, differentiable_quadratic{target}, {.weight = weight});
  };
  const auto first = gradient_of(one(1)), both = gradient_of(auxiliary_losses(one(1), no_auxiliary_loss{}, one(2)));
  CHECK(both.first == Approx(3 * first.first));
  CHECK(both.second == Approx(3 * first.second));
  CHECK(gradient_of(no_auxiliary_loss{}) == std::pair(0.0, 0.0));
  static_assert(detail::adds_nothing<no_auxiliary_loss> && detail::adds_nothing<auxiliary_losses<no_auxiliary_loss>>);
  static_assert(!detail::adds_nothing<auxiliary_losses<no_auxiliary_loss, decltype(one(1))>>);
  const auto bytes = [&](const auto& loss) { return loss.workspace_bytes(backend, model, 6, 32); };
  CHECK(bytes(auxiliary_losses(one(1), one(2))) == 2 * bytes(one(1)));
  CHECK(bytes(one(1)) > 0);
  CHECK(bytes(no_auxiliary_loss{}) == 0);
}
