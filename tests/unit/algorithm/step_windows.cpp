// SPDX-License-Identifier: Apache-2.0
// Training on a window of steps, the others following the ODE.
#include "support/affine_toy.hpp"
#include "support/arrays.hpp"
#include "support/gaussian_consistency.hpp"
#include "support/temporary_directory.hpp"
#include "test.hpp"

#include <fewstep/algorithm/grpo.hpp>
#include <fewstep/algorithm/policy_gradient.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/generator/rescaled.hpp>
#include <fewstep/io/checkpoint.hpp>
#include <fewstep/objective/reinforce.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/reward/async.hpp>
#include <fewstep/reward/per_sample.hpp>
#include <fewstep/sampler/cps.hpp>
#include <fewstep/sampler/flow_sde.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::test::affine_toy;
using fewstep::test::estimate;
using fewstep::test::quadratic_reward;
using fewstep::test::same_bits;
using process = affine_toy::process;

namespace {

using judge = fewstep::per_sample<quadratic_reward>;

/// The closed form of the gradient in a window, measured in runs of its own.
template <class Sampler, class Selection>
void compare_gradients(const Sampler& sampler, process of, int horizon, const Selection& selection,
                       int updates_per_place, std::uint64_t seed) {
  constexpr double theta = 0.3, target = 1;
  constexpr int samples = 512;
  cpu_backend backend({.threads = 1});
  affine_toy model(of, static_cast<float>(theta));
  fewstep::policy_gradient trainer(
      backend, model,
      fewstep::policy_gradient_parts{.reward = judge(quadratic_reward{}),
                                     .optimizer = fewstep::sgd{.learning_rate = 0},
                                     .objective = fewstep::reinforce{},
                                     .advantage = fewstep::test::raw_advantage{},
                                     .sampler = sampler,
                                     .selection = selection},
      {.horizon = horizon, .batch = {.prompts = 1, .samples_per_prompt = samples}, .training = {.seed = seed}});
  const auto places = sampler.table(model.preconditioner(), horizon).trained - trainer.table().trained + 1;
  std::vector<std::vector<double>> gradients(static_cast<std::size_t>(places));
  std::vector<double> expected(gradients.size());
  for (int k = 0; k < places * updates_per_place; ++k) {
    const auto report = trainer.update(std::vector<std::int32_t>{0});
    REQUIRE(report.ratio_mean == 1.0);
    REQUIRE(report.ratio_deviation == 0.0);
    const auto place = static_cast<std::size_t>(trainer.table().first_trained);
    const auto steps = fewstep::test::step_gradients(trainer.table(), theta, target);
    expected[place] = std::accumulate(steps.begin(), steps.end(), 0.0) / static_cast<double>(steps.size());
    gradients[place].push_back(-static_cast<double>(model.gradient));
  }
  for (std::size_t place = 0; place < gradients.size(); ++place) {
    REQUIRE(gradients[place].size() > 100);
    const estimate measured(gradients[place]);
    CAPTURE(seed, place, measured.mean, measured.error, expected[place]);
    CHECK(measured.error < 0.03 * std::abs(expected[place]));
    // 6 standard errors of more than 100 rollouts: by chance fewer than once in 10^7.
    CHECK(std::abs(measured.mean - expected[place]) < 6 * measured.error);
  }
}

using flow_mlp = fewstep::mlp_generator<cpu_backend, fewstep::rectified_flow<fewstep::edm_denoiser>>;

flow_mlp make_mlp(cpu_backend& backend, std::uint64_t seed) {
  return {backend, {.network = {.dimension = 3, .classes = 4}, .seed = seed}};
}

const std::vector<std::int32_t> contexts{0, 1, 2, 3};

/// Remembers the states that a rollout asks it about.
struct watched : affine_toy {
  mutable std::vector<std::vector<float>> seen;

  using affine_toy::affine_toy;
  void predict(cpu_backend& backend, fewstep::batch<std::int32_t> rows, fewstep::matrix<float> o,
               workspace_type& workspace) const {
    seen.emplace_back(rows.x.begin(), rows.x.end());
    affine_toy::predict(backend, rows, o, workspace);
  }
};

/// Whether all samples of every group of `n` are in the same state; `differ` counts those that are not in the first's.
struct grouping {
  bool same = true;
  int differ = 0;
};
grouping compare_groups(const std::vector<float>& states, index_t n) {
  constexpr index_t d = affine_toy::dimension;
  grouping result;
  for (index_t r = 0; r < static_cast<index_t>(states.size()) / d; ++r) {
    const bool same = same_bits(states.data() + r * d, states.data() + r / n * n * d, d);
    result.same = result.same && same;
    result.differ += same ? 0 : 1;
  }
  return result;
}

}  // namespace

TEST_CASE("a sliding window trains the window and nothing else") {
  const std::vector<float> flow{1, 0.8f, 0.6f, 0.3f}, edm{4, 2, 1, 0.5f};
  const fewstep::sliding_window window{.length = 2, .advance = 1, .every = 150};
  compare_gradients(fewstep::cps_sampler{.times = flow}, process::flow, 4, window, 150, 1);
  compare_gradients(fewstep::cps_sampler{.noise = 1, .times = edm}, process::edm, 4, window, 150, 2);
  compare_gradients(fewstep::flow_sde_sampler{.times = flow}, process::flow, 4, window, 150, 3);
}

TEST_CASE("a random window trains the window and nothing else") {
  const std::vector<float> flow{1, 0.8f, 0.6f, 0.3f};
  compare_gradients(fewstep::flow_sde_sampler{.times = flow}, process::flow, 4, fewstep::random_window{.length = 1},
                    200, 4);
}

TEST_CASE("a run on a window that is resumed in the middle goes on bit for bit") {
  const fewstep::policy_gradient_options o{
      .horizon = 6, .batch = {.prompts = 3, .samples_per_prompt = 5}, .training = {.seed = 7}};
  const auto check = [&](const auto& selection) {
    const auto make = [&](cpu_backend& backend, flow_mlp& model) {
      return fewstep::cps_grpo(backend, model,
                               fewstep::policy_gradient_parts{.reward = judge(quadratic_reward{}),
                                                              .optimizer = fewstep::adam{.learning_rate = 1e-2f},
                                                              .objective = fewstep::clipped_surrogate{1e-3f},
                                                              .selection = selection},
                               o);
    };
    const temporary_directory folder;
    cpu_backend backend({.threads = 1}), other({.threads = 2});
    auto unbroken = make_mlp(backend, 1), resumed = make_mlp(other, 2);
    auto whole = make(backend, unbroken), rest = make(other, resumed);
    for (int k = 0; k < 3; ++k) whole.update(contexts);
    fewstep::save_checkpoint(folder / "after-3", whole);
    rest.update(contexts);
    fewstep::load_checkpoint(folder / "after-3", rest);
    for (int k = 0; k < 4; ++k) {
      const auto expected = whole.update(contexts), report = rest.update(contexts);
      CHECK(rest.table().first_trained == whole.table().first_trained);
      CHECK(report.loss == expected.loss);
      CHECK(report.reward_mean == expected.reward_mean);
      CHECK(same_bits(resumed.parameters().data, unbroken.parameters().data, unbroken.parameters().size()));
    }
    return whole.table().first_trained;
  };
  CHECK(check(fewstep::sliding_window{.length = 2, .advance = 1, .every = 2}) == 3);
  check(fewstep::random_window{.length = 2});
}

TEST_CASE("samples of a prompt that share their initial noise part where the window begins") {
  constexpr int horizon = 6, prompts = 3, n = 4;
  const bool shared = GENERATE(true, false);
  cpu_backend backend({.threads = 1});
  watched model(process::flow);
  auto trainer =
      fewstep::flow_grpo_fast(backend, model, judge(quadratic_reward{}), fewstep::sgd{0},
                              {.horizon = horizon,
                               .optimizer_steps = 1,
                               .batch = {.prompts = prompts, .samples_per_prompt = n, .shared_initial_noise = shared}});
  int least = horizon, most = 0;
  for (int update = 0; update < 12; ++update) {
    model.seen.clear();
    trainer.update(std::vector<std::int32_t>{0});  // one prompt for all groups
    const int first = trainer.table().first_trained;
    least = std::min(least, first);
    most = std::max(most, first);
    REQUIRE(model.seen.size() == horizon);
    for (int k = 0; k < horizon; ++k) {
      const auto& states = model.seen[static_cast<std::size_t>(k)];
      const grouping group = compare_groups(states, n);
      CAPTURE(shared, update, first, k);
      CHECK(group.same == (shared && k <= first));
      if (!shared || k > first) CHECK(group.differ == prompts * (n - 1));
      // Groups have noise of their own.
      constexpr index_t row = affine_toy::dimension * n;
      CHECK_FALSE(same_bits(states.data(), states.data() + row, affine_toy::dimension));
      CHECK_FALSE(same_bits(states.data() + row, states.data() + 2 * row, affine_toy::dimension));
    }
  }
  CHECK(least < most);
}

TEST_CASE("samples that share their initial noise start alike however they are rated, and at every update anew") {
  constexpr int prompts = 5, n = 3;  // an asynchronous reward samples in parts that cut through groups
  cpu_backend backend({.threads = 1});
  watched model(process::flow), aside(process::flow);
  const fewstep::policy_gradient_options o{
      .horizon = 3,
      .optimizer_steps = 1,
      .batch = {.prompts = prompts, .samples_per_prompt = n, .shared_initial_noise = true}};
  auto direct = fewstep::cps_grpo(backend, model, judge(quadratic_reward{}), fewstep::sgd{0}, o);
  auto parted = fewstep::cps_grpo(backend, aside, fewstep::async(judge(quadratic_reward{})), fewstep::sgd{0}, o);
  std::vector<float> before;
  for (int update = 0; update < 3; ++update) {
    model.seen.clear();
    direct.update(contexts);
    parted.update(contexts);
    CHECK(compare_groups(model.seen.front(), n).same);
    CHECK(same_bits(direct.samples().data, parted.samples().data, prompts * n * affine_toy::dimension));
    CHECK_FALSE(same_bits(model.seen.front(), before));
    before = model.seen.front();
  }
}
