// SPDX-License-Identifier: Apache-2.0
// Losses that are means over samples: where some are left out, the mean over those and the mean over the others, each
// times its number, add up to the mean over all. The direct reward gradient with half of them is another's of twice the
// reward, to the bit.
#include "support/arrays.hpp"
#include "test.hpp"

#include <fewstep/algorithm/direct_reward_gradient.hpp>
#include <fewstep/algorithm/rlcm_hybrid.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/loss/consistency_regularizer.hpp>
#include <fewstep/loss/last_step_reward.hpp>
#include <fewstep/mdp/rollout.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/sampler/consistency.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <set>
#include <vector>

using namespace fewstep;
using namespace fewstep::test;

namespace {

using perceptron = mlp_generator<cpu_backend>;
constexpr index_t samples = 16, size = 3;
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr reward_check leave_out{.when_not_finite = non_finite::leave_out, .at_most = 0.5f};
const std::set<index_t> half{0, 1, 2, 5, 6, 8, 11, 15};

perceptron make_model(cpu_backend& backend) {
  return {backend, {.network = {.dimension = size, .classes = 4}, .seed = 3}};
}

/// factor (x0 + x1^2) of every sample, but for some: not a number, or 0 with a gradient of 0.
struct judge {
  std::set<index_t> bad{};
  float factor = 1;
  bool silent = false;

  void operator()(matrix<const float> x, std::span<const std::int32_t> contexts, std::span<float> out) const {
    std::vector<float> unused(static_cast<std::size_t>(x.size()));
    value_and_gradient(x, contexts, out, {unused.data(), x.extents});
  }
  void value_and_gradient(matrix<const float> x, std::span<const std::int32_t>, std::span<float> out,
                          matrix<float> gradient) const {
    for (index_t i = 0; i < x.rows(); ++i) {
      const bool spoilt = bad.contains(i);
      const float instead = silent ? 0.0f : not_a_number;
      out[static_cast<std::size_t>(i)] = spoilt ? instead : factor * (x(i, 0) + x(i, 1) * x(i, 1));
      gradient(i, 0) = spoilt ? instead : factor;
      gradient(i, 1) = spoilt ? instead : factor * 2 * x(i, 1);
      gradient(i, 2) = spoilt ? instead : 0.0f;
    }
  }
};

struct added {
  double loss;
  std::vector<float> gradient;
};

/// What a loss adds to a rollout without some of its samples, whose results are not finite.
template <class Loss>
added add(Loss loss, const std::set<index_t>& gone) {
  cpu_backend backend({.threads = 1});
  perceptron model = make_model(backend);
  trajectory<cpu_backend, std::int32_t> path(
      backend, consistency_sampler{.last = last_step::mask}.table(model.preconditioner(), 3), samples, size);
  for (index_t r = 0; r < samples; ++r) path.set_context(r, static_cast<std::int32_t>(r % 4));
  auto workspace = model.make_workspace(backend, 32);
  cpu_tensor<float, 2> o(backend, {samples, size});
  rollout(backend, model, workspace, path, o.view(), rollout_noise{7, 0}, reduction::mean, 0, samples);
  std::vector<std::uint8_t> flags(samples);
  for (const index_t r : gone) {
    flags[static_cast<std::size_t>(r)] = 1;
    path.result()(r, 0) = path.state(1)(r, 1) = path.state(2)(r, 2) = not_a_number;
  }
  path.leave_out(backend, flags);
  loss.prepare(backend, model, path.table(), samples, 32);
  std::fill(model.gradients().begin(), model.gradients().end(), 0.0f);
  const double value = loss.add_gradient(backend, model, workspace, path, {3, 1, 0});
  return {value, {model.gradients().begin(), model.gradients().end()}};
}

template <class Loss>
void adds_up(const Loss& loss) {
  const std::set<index_t> some{0, 3, 4, 9, 14};
  std::set<index_t> others;
  for (index_t r = 0; r < samples; ++r)
    if (!some.contains(r)) others.insert(r);
  const added all = add(loss, {}), without_some = add(loss, some), without_others = add(loss, others);
  CHECK(11 * without_some.loss + 5 * without_others.loss == Approx(16 * all.loss));
  double largest = 0, off = 0;
  for (std::size_t i = 0; i < all.gradient.size(); ++i) {
    const double whole = 16 * static_cast<double>(all.gradient[i]);
    largest = std::max(largest, std::abs(whole));
    off = std::max(off, std::abs(11 * static_cast<double>(without_some.gradient[i]) +
                                 5 * static_cast<double>(without_others.gradient[i]) - whole));
  }
  CHECK(largest > 0);
  CHECK(off < 1e-5 * largest);
}

struct updated {
  std::vector<float> gradient;
  update_report report;
};

updated ascend(const judge& reward, direct_reward_gradient_options o) {
  cpu_backend backend({.threads = 1});
  perceptron model = make_model(backend);
  o.horizon = 3;
  o.batch.prompts = samples;
  o.training.seed = 4;
  direct_reward_gradient trainer(
      backend, model,
      direct_reward_gradient_parts{
          .reward = reward, .optimizer = sgd{.learning_rate = 0}, .sampler = consistency_sampler{}},
      o);
  const update_report report = trainer.update({0, 1, 2, 3});
  return {{model.gradients().begin(), model.gradients().end()}, report};
}

}  // namespace

TEST_CASE("consistency_regularizer is the mean over the results that are not left out") {
  cpu_backend backend({.threads = 1});
  adds_up(consistency_regularizer(backend, {.weight = 0.7f, .huber = 0.01f}));
}

TEST_CASE("last_step_reward is the mean over the samples that are not left out") {
  cpu_backend backend({.threads = 1});
  adds_up(last_step_reward(backend, judge{}, {.weight = 0.7f}));
}

TEST_CASE("last_step_reward leaves out a reward that is not finite any more, or refuses it") {
  cpu_backend backend({.threads = 1});
  CHECK_THROWS_WITH(add(last_step_reward(backend, judge{{4}}), {}), contains("the reward of sample 4 of 16 is nan"));
  CHECK_THROWS_WITH(add(last_step_reward(backend, judge{{4}}), {}),
                    contains(" out by .rewards = {.when_not_finite = non_finite::leave_out}"));
  const added made = add(last_step_reward(backend, judge{half}, {.rewards = leave_out}), {});
  const added exact = add(last_step_reward(backend, judge{half, 1, true}), {});
  CHECK(same_bits(made.gradient, exact.gradient));
  CHECK(made.loss == Approx(exact.loss));
}

TEST_CASE("a direct reward gradient is the mean over the samples that are not left out") {
  for (const int calls : {1, 3}) {
    const updated made = ascend({half}, {.steps_with_gradient = calls, .batch = {.rewards = leave_out}});
    const updated exact = ascend({half, 2, true}, {.steps_with_gradient = calls});
    CHECK(same_bits(made.gradient, exact.gradient));
    CHECK(made.report.left_out == 8);
    CHECK(made.report.loss == Approx(exact.report.loss));
    CHECK(made.report.reward_mean == Approx(exact.report.reward_mean));
    CHECK(made.report.gradient_norm > 0);
  }
  CHECK_THROWS_WITH(ascend({half}, {}), contains("the reward of sample 0 of 16 is nan; rewards must be finite"));
}

TEST_CASE("a hybrid of both gradients leaves the same samples out of both") {
  cpu_backend backend({.threads = 1});
  perceptron model = make_model(backend);
  judge reward{half};
  auto trainer =
      rlcm_hybrid(backend, model, reward, sgd{},
                  {.horizon = 3, .batch = {.prompts = samples, .rewards = leave_out}, .training = {.seed = 4}});
  for (int k = 0; k < 3; ++k) {
    const update_report report = trainer.update({0, 1, 2, 3});
    CHECK(report.left_out == 8);
    CHECK(std::isfinite(report.loss));
    CHECK(report.gradient_norm > 0);
  }
}
