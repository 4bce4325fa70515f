// SPDX-License-Identifier: Apache-2.0
// The gradient of every sampler and objective of the family on a generator that is affine, against closed forms.
#include "support/affine_toy.hpp"
#include "support/gaussian_consistency.hpp"
#include "test.hpp"

#include <fewstep/algorithm/policy_gradient.hpp>
#include <fewstep/objective/clipped_surrogate.hpp>
#include <fewstep/objective/divergence_mask.hpp>
#include <fewstep/objective/guarded_surrogate.hpp>
#include <fewstep/objective/reinforce.hpp>
#include <fewstep/objective/reward_regression.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/reward/per_sample.hpp>
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/sampler/cps.hpp>
#include <fewstep/sampler/dance_sde.hpp>
#include <fewstep/sampler/ddim.hpp>
#include <fewstep/sampler/flow_sde.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

using fewstep::cpu_backend;
using fewstep::step_row;
using fewstep::step_table;
using fewstep::test::affine_toy;
using fewstep::test::estimate;
using fewstep::test::quadratic_reward;
using process = fewstep::test::affine_toy::process;

namespace {

constexpr double theta = 0.3, target = 1;
constexpr int samples = 512, updates = 200;
// The estimates are means over 200 independent rollouts: beyond 6 standard errors by chance fewer than once in 10^7.
constexpr double errors = 6;

/// Any sampler, by the table that it makes: one type of trainer for all of them.
struct tabulated {
  step_table of;
  template <class P>
  step_table table(const P&, int) const {
    return of;
  }
};

struct member {
  std::string name;
  process of;
  step_table table;
};

template <class Sampler>
member make(std::string name, process of, const Sampler& sampler, int horizon) {
  return {std::move(name), of, sampler.table(affine_toy(of).preconditioner(), horizon)};
}

std::vector<member> members() {
  const std::vector<float> edm{4, 2, 1}, flow{1, 0.7f, 0.4f};
  return {
      make("consistency", process::edm, fewstep::consistency_sampler{.times = edm}, 3),
      make("consistency, last step stochastic", process::edm,
           fewstep::consistency_sampler{.times = edm, .last = fewstep::last_step::stochastic, .final_sigma = 0.5f}, 3),
      make("cps, noise 0.8", process::flow, fewstep::cps_sampler{.times = flow}, 3),
      make("cps, noise 0.8, edm", process::edm, fewstep::cps_sampler{.times = edm}, 3),
      make("cps, noise 1", process::edm, fewstep::cps_sampler{.noise = 1, .times = edm}, 3),
      make("flow_sde", process::flow, fewstep::flow_sde_sampler{.times = flow}, 3),
      make("flow_sde, last step stochastic", process::flow,
           fewstep::flow_sde_sampler{.times = flow, .last = fewstep::last_step::stochastic}, 3),
      make("dance_sde", process::flow, fewstep::dance_sde_sampler{.eta = 0.5f, .times = flow}, 3),
      make("ddim, eta 1", process::edm, fewstep::ddim_sampler{.times = edm}, 3)};
}

/// The gradients d value / d theta of many rollouts. The parameter does not move.
template <class Objective>
estimate measure(const member& m, Objective objective, int samples_per_prompt, std::uint64_t seed) {
  cpu_backend backend({.threads = 1});
  affine_toy model(m.of, static_cast<float>(theta));
  using reward_type = fewstep::per_sample<quadratic_reward>;
  fewstep::policy_gradient trainer(
      backend, model,
      fewstep::policy_gradient_parts{.reward = reward_type(quadratic_reward{static_cast<float>(target)}),
                                     .optimizer = fewstep::sgd{.learning_rate = 0},
                                     .objective = objective,
                                     .advantage = fewstep::test::raw_advantage{},
                                     .sampler = tabulated{m.table}},
      {.horizon = m.table.horizon(),
       .batch = {.prompts = samples / samples_per_prompt, .samples_per_prompt = samples_per_prompt},
       .training = {.seed = seed}});
  std::vector<double> gradients;
  for (int k = 0; k < updates; ++k) {
    const auto report = trainer.update(std::vector<std::int32_t>{0});
    REQUIRE(report.ratio_mean == 1.0);
    REQUIRE(report.ratio_deviation == 0.0);
    REQUIRE(report.policy_kl == 0.0);
    REQUIRE(model.theta == static_cast<float>(theta));
    gradients.push_back(-static_cast<double>(model.gradient));
  }
  return estimate(gradients);
}

/// The mean over trained steps of the closed form, each times its weight.
double expected_mean(const step_table& table, const std::function<double(const step_row&)>& weight) {
  const std::vector<double> gradients = fewstep::test::step_gradients(table, theta, target);
  double sum = 0;
  for (std::size_t k = 0; k < gradients.size(); ++k)
    sum += gradients[k] * weight(table.rows[k + static_cast<std::size_t>(table.first_trained)]);
  return sum / static_cast<double>(gradients.size());
}

void compare(const member& m, const std::string& objective, std::uint64_t seed, const estimate& measured,
             double expected) {
  CAPTURE(m.name, objective, seed, measured.mean, measured.error, expected);
  CHECK(measured.error < 0.03 * std::abs(expected));
  CHECK(std::abs(measured.mean - expected) < errors * measured.error);
}

double alike(const step_row&) { return 1; }

}  // namespace

TEST_CASE("the gradient of every sampler is the closed form") {
  std::uint64_t seed = 11;
  for (const member& m : members()) {
    ++seed;
    compare(m, "reinforce", seed, measure(m, fewstep::reinforce{}, samples, seed), expected_mean(m.table, alike));
  }
}

TEST_CASE("on policy every trust region has the gradient of REINFORCE, the closed form") {
  std::uint64_t seed = 31;
  for (const member& m : members()) {
    ++seed;
    const double expected = expected_mean(m.table, alike);
    compare(m, "clipped_surrogate", seed, measure(m, fewstep::clipped_surrogate{1e-4f}, samples, seed), expected);
    compare(m, "divergence_mask", seed, measure(m, fewstep::divergence_mask{}, samples, seed), expected);
  }
}

TEST_CASE("GRPO-Guard's gradient is the closed form with each step's noise over its duration") {
  std::uint64_t seed = 51;
  for (const member& m : members()) {
    ++seed;
    if (!(m.table.rows.front().duration > 0)) continue;
    compare(m, "guarded_surrogate", seed, measure(m, fewstep::guarded_surrogate{}, samples, seed),
            expected_mean(m.table, [](const step_row& row) {
              return static_cast<double>(row.sigma) / static_cast<double>(row.duration);
            }));
  }
}

TEST_CASE("REBEL's first gradient is 4 / eta of the closed form, summed over the steps") {
  std::uint64_t seed = 71;
  constexpr float eta = 0.5f;
  // slope_i = 4 n / (n - 1) (A_i - mean A) / eta, and the mean takes 1/n of the gradient with it.
  for (const int n : {2, 8})
    for (const member& m : members()) {
      ++seed;
      compare(m, n == 2 ? "pairs" : "groups of 8", seed, measure(m, fewstep::reward_regression{eta}, n, seed),
              expected_mean(m.table, alike) * m.table.trained * 4 / static_cast<double>(eta));
    }
}
