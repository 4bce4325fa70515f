// SPDX-License-Identifier: Apache-2.0
// Where a KL to the reference stops a policy gradient: at the reference tilted exponentially by the reward.
#include "test.hpp"

#include "support/affine_toy.hpp"

#include <fewstep/advantage/group.hpp>
#include <fewstep/algorithm/policy_gradient.hpp>
#include <fewstep/objective/reinforce.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/regularizer/kl_estimate.hpp>
#include <fewstep/regularizer/kl_to_reference.hpp>
#include <fewstep/reward/per_sample.hpp>
#include <fewstep/sampler/consistency.hpp>

#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <vector>

using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::matrix;
using fewstep::test::affine_toy;
using fewstep::test::estimate;

namespace {

constexpr index_t dimension = 3;
constexpr double sigma = 0.6, beta = 0.25;
constexpr std::array<double, dimension> slope = {0.4, -0.25, 0.1}, reference_mean = {0.3, 0.2, -0.5};
constexpr int samples = 512;

/// The mean of a Gaussian, whatever it is asked for.
struct constant {
  using context_type = std::int32_t;
  struct workspace_type {};

  std::array<float, dimension> mean{}, gradient{};

  [[nodiscard]] index_t sample_size() const { return dimension; }
  [[nodiscard]] affine_toy::plain preconditioner() const { return {affine_toy::process::edm}; }
  [[nodiscard]] workspace_type make_workspace(cpu_backend&, index_t) const { return {}; }
  [[nodiscard]] std::size_t workspace_bytes(const cpu_backend&, index_t) const { return 0; }
  void predict(cpu_backend&, fewstep::batch<std::int32_t> rows, matrix<float> o, workspace_type&) const {
    for (index_t r = 0; r < rows.rows(); ++r)
      for (index_t d = 0; d < dimension; ++d) o(r, d) = mean[static_cast<std::size_t>(d)];
  }
  void forward(cpu_backend& backend, fewstep::batch<std::int32_t> rows, matrix<float> o, workspace_type& w) const {
    predict(backend, rows, o, w);
  }
  void backward(cpu_backend&, fewstep::batch<std::int32_t> rows, matrix<const float> o_gradient, workspace_type&) {
    for (index_t r = 0; r < rows.rows(); ++r)
      for (index_t d = 0; d < dimension; ++d) gradient[static_cast<std::size_t>(d)] += o_gradient(r, d);
  }
  fewstep::vec<float> parameters() { return {mean.data(), {dimension}}; }
  fewstep::vec<float> gradients() { return {gradient.data(), {dimension}}; }
};

struct linear_reward {
  float operator()(fewstep::vec<const float> x, std::int32_t) const {
    double sum = 0;
    for (index_t d = 0; d < dimension; ++d) sum += slope[static_cast<std::size_t>(d)] * static_cast<double>(x[d]);
    return static_cast<float>(sum);
  }
};

// Advantages are rewards less the mean of all samples, which takes 1/n of the gradient with it.
constexpr double kept = 1 - 1.0 / samples;

// The maximum of kept E[slope . x] - beta KL(N(m, sigma^2), N(m_ref, sigma^2)) over m: the law proportional to
// N(m_ref, sigma^2) exp(kept slope . x / beta).
double tilted(std::size_t d) { return reference_mean[d] + sigma * sigma * kept * slope[d] / beta; }
/// The gradient at `share` of the way there: it falls from kept slope to 0, and the mean over dimensions divides it.
double gradient_at(double share, std::size_t d) { return (1 - share) * kept * slope[d] / dimension; }

template <class Estimate>
struct rig {
  cpu_backend backend{{.threads = 1}};
  constant model, reference;

  using reward_type = fewstep::per_sample<linear_reward>;
  using parts = fewstep::policy_gradient_parts<reward_type, fewstep::sgd, fewstep::reinforce, fewstep::group_advantage,
                                               fewstep::consistency_sampler, fewstep::identity_decoder,
                                               fewstep::kl_to_reference<constant, Estimate>>;
  fewstep::policy_gradient<cpu_backend, constant, parts> trainer;

  rig(double share, float rate, std::uint64_t seed)
      : model(at(share)),
        reference(at(0)),
        trainer(backend, model,
                parts{.reward = reward_type(linear_reward{}),
                      .optimizer = {.learning_rate = rate},
                      .advantage = {.scale = fewstep::group_scale::none, .clip = 1e6f},
                      .sampler = {.last = fewstep::last_step::stochastic, .final_sigma = static_cast<float>(sigma)},
                      .regularizer = {reference, {.coefficient = static_cast<float>(beta)}, Estimate{}}},
                {.horizon = 1,
                 .batch = {.prompts = 1, .samples_per_prompt = samples},
                 .training = {.max_gradient_norm = 0, .seed = seed}}) {}

  /// So much of the way from the reference to the tilted law.
  static constant at(double share) {
    constant c;
    for (std::size_t d = 0; d < dimension; ++d)
      c.mean[d] = static_cast<float>(reference_mean[d] + share * (tilted(d) - reference_mean[d]));
    return c;
  }
  fewstep::update_report update() { return trainer.update(std::vector<std::int32_t>{0}); }
};

/// Measured gradients of the objective by each parameter; with exact, the reported KL is that of the closed form.
template <class Estimate = fewstep::kl_estimate::exact>
std::vector<estimate> measure(double share, std::uint64_t seed, int updates) {
  rig<Estimate> r(share, 0, seed);
  std::array<std::vector<double>, dimension> gradients;
  for (int k = 0; k < updates; ++k) {
    const auto report = r.update();
    double kl = 0;
    for (std::size_t d = 0; d < dimension; ++d) {
      gradients[d].push_back(-static_cast<double>(r.model.gradient[d]));
      const double apart = static_cast<double>(r.model.mean[d]) - reference_mean[d];
      kl += apart * apart / (2 * sigma * sigma) / dimension;
    }
    REQUIRE(report.reference_kl_estimate == Estimate::name);
    if (std::same_as<Estimate, fewstep::kl_estimate::exact>)
      REQUIRE(report.reference_kl == Approx(kl).epsilon(1e-5).margin(1e-12));
  }
  return {estimate(gradients[0]), estimate(gradients[1]), estimate(gradients[2])};
}

}  // namespace

TEST_CASE("the gradient with a KL to the reference is 0 at the tilted reference, and the closed form on the way") {
  std::uint64_t seed = 1;
  for (const double share : {0.0, 0.5, 1.0, 1.5}) {
    ++seed;
    const auto measured = measure(share, seed, 300);
    for (std::size_t d = 0; d < dimension; ++d) {
      CAPTURE(share, seed, d, measured[d].mean, measured[d].error, gradient_at(share, d));
      CHECK(measured[d].error < 0.03 * std::abs(slope[0]) / dimension);
      // 6 standard errors of 300 rollouts: by chance fewer than once in 10^7.
      CHECK(std::abs(measured[d].mean - gradient_at(share, d)) < 6 * measured[d].error);
    }
  }
}

namespace {

/// 6 standard errors of 300 rollouts, as above, at `share` of the way.
template <class Estimate>
void check_gradient(double share, std::uint64_t seed, bool pulls_back) {
  const auto measured = measure<Estimate>(share, seed, 300);
  for (std::size_t d = 0; d < dimension; ++d) {
    const double expected = gradient_at(pulls_back ? share : 0, d);
    CAPTURE(Estimate::name, seed, d, measured[d].mean, measured[d].error, expected);
    CHECK(measured[d].error < 0.03 * std::abs(slope[0]) / dimension);
    CHECK(std::abs(measured[d].mean - expected) < 6 * measured[d].error);
  }
}

}  // namespace

TEST_CASE("estimates of the KL from samples have the gradient of the closed form on average, but for k1 with none") {
  using namespace fewstep::kl_estimate;
  check_gradient<k1>(0.5, 21, false);
  check_gradient<k2>(0.5, 22, true);
  check_gradient<k3>(0.5, 23, true);
  check_gradient<importance_weighted<k1>>(0.5, 24, true);
  check_gradient<importance_weighted<k3>>(0.5, 25, true);
}

TEST_CASE("descent with a falling rate ends at the tilted reference") {
  // The loss is a parabola of curvature h = beta / (sigma^2 D), and advantages do not depend on the mean; so with the
  // rate 1 / (h (k + 1)) at update k the error is that of the mean of all gradients, over h.
  constexpr int updates = 300;
  constexpr double curvature = beta / (sigma * sigma * dimension);
  constexpr std::uint64_t seed = 9;
  const auto noise = measure(1, seed + 1, updates);
  rig<fewstep::kl_estimate::exact> r(0, 0, seed);
  for (int k = 0; k < updates; ++k) {
    r.trainer.parts().optimizer.learning_rate = static_cast<float>(1 / (curvature * (k + 1)));
    r.update();
  }
  for (std::size_t d = 0; d < dimension; ++d) {
    const double error = noise[d].error / curvature, moved = tilted(d) - reference_mean[d];
    CAPTURE(seed, d, r.model.mean[d], tilted(d), error);
    CHECK(error < 0.03 * std::abs(tilted(0) - reference_mean[0]));
    CHECK(std::abs(moved) > 6 * error);
    // 6 standard errors, as above.
    CHECK(std::abs(static_cast<double>(r.model.mean[d]) - tilted(d)) < 6 * error);
  }
}
