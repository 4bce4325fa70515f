// SPDX-License-Identifier: Apache-2.0
// DDPO on data whose denoiser is known exactly: its policy gradient against closed forms, and its published settings.
#include "support/arrays.hpp"
#include "support/gaussian_consistency.hpp"
#include "test.hpp"

#include <fewstep/advantage/batch.hpp>
#include <fewstep/algorithm/ddpo.hpp>
#include <fewstep/generator/guided.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/generator/rescaled.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/reward/per_sample.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

using fewstep::batch;
using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::matrix;
using fewstep::vec;

namespace {

constexpr index_t dimension = 3;
constexpr double variance = 0.49, start = 0.3, target = 1, coldest = 0.1;
constexpr std::array<double, 4> network_times = {4, 2, 1, 0.4};

/// The exact denoiser of data N(mean, v I), f(x, t) = (v x + t^2 mean) / (v + t^2), its one parameter being the mean.
/// The network's output is f itself.
struct gaussian_denoiser {
  struct plain {
    fewstep::coefficients operator()(float) const { return {1, 0, 1}; }
    fewstep::noise_level level(float t) const { return {1, t}; }
    float noise_floor() const { return 0; }
    float min_time() const { return static_cast<float>(coldest); }
    float max_time() const { return 4; }
  };
  using context_type = std::int32_t;
  struct workspace_type {};

  float mean = static_cast<float>(start), gradient = 0;

  [[nodiscard]] static float kept(float t) {
    return static_cast<float>(variance / (variance + static_cast<double>(t) * static_cast<double>(t)));
  }
  [[nodiscard]] index_t sample_size() const { return dimension; }
  [[nodiscard]] plain preconditioner() const { return {}; }
  [[nodiscard]] workspace_type make_workspace(cpu_backend&, index_t) const { return {}; }
  [[nodiscard]] std::size_t workspace_bytes(const cpu_backend&, index_t) const { return 0; }
  void predict(cpu_backend&, batch<std::int32_t> rows, matrix<float> o, workspace_type&) const {
    for (index_t r = 0; r < rows.rows(); ++r)
      for (index_t d = 0; d < dimension; ++d) o(r, d) = mean + kept(rows.times[r]) * (rows.x(r, d) - mean);
  }
  void forward(cpu_backend& backend, batch<std::int32_t> rows, matrix<float> o, workspace_type& workspace) const {
    predict(backend, rows, o, workspace);
  }
  void backward(cpu_backend&, batch<std::int32_t> rows, matrix<const float> o_gradient, workspace_type&) {
    for (index_t r = 0; r < rows.rows(); ++r)
      for (index_t d = 0; d < dimension; ++d) gradient += o_gradient(r, d) * (1 - kept(rows.times[r]));
  }
  vec<float> parameters() { return {&mean, {1}}; }
  vec<float> gradients() { return {&gradient, {1}}; }
};

static_assert(fewstep::generator<gaussian_denoiser, cpu_backend>);

/// -|x - target|^2, shifted by a constant so that its gradient estimate has less variance.
const auto nearness = fewstep::per_sample([](vec<const float> x, std::int32_t) {
  float sum = 0;
  for (const float value : x) sum += (value - static_cast<float>(target)) * (value - static_cast<float>(target));
  return 3.0f - sum;
});

const std::vector<std::int32_t> contexts{0};

fewstep::policy_gradient_options four_calls(int samples) {
  return {.horizon = static_cast<int>(network_times.size()),
          .optimizer_steps = 1,
          .batch = {.prompts = 1, .samples_per_prompt = samples}};
}
fewstep::ddim_sampler at_network_times() {
  fewstep::ddim_sampler sampler;
  for (const double t : network_times) sampler.times.push_back(static_cast<float>(t));
  return sampler;
}

/// Mean and standard error.
struct estimate {
  double mean = 0, error = 0;
  explicit estimate(const std::vector<double>& values) {
    const auto n = static_cast<double>(values.size());
    for (const double v : values) mean += v / n;
    for (const double v : values) error += (v - mean) * (v - mean) / (n - 1) / n;
    error = std::sqrt(error);
  }
};

/// d E[reward] / d mean by the actions of each step, and by all. DDIM with all its noise is x' = r x + (1 - r) f + s z,
/// r = (t' / t)^2, so with f = k x + (1 - k) mean it is x' = pull x + push mean + s z. The result has the mean
/// `reach` mean, to which step k adds push_k pull_{k+1} ... pull_{H-1}; the deviation does not depend on the parameter.
/// The mean over dimensions in the log-probability divides the sum over them away.
std::vector<double> analytic_gradients() {
  std::vector<double> reached;
  for (std::size_t k = 0; k < network_times.size(); ++k) {
    const double t = network_times[k], next = k + 1 < network_times.size() ? network_times[k + 1] : coldest;
    const double r = next * next / (t * t), shrinking = variance / (variance + t * t);
    for (double& earlier : reached) earlier *= r + (1 - r) * shrinking;
    reached.push_back((1 - r) * (1 - shrinking));
  }
  double reach = 0;
  for (const double part : reached) reach += part;
  std::vector<double> gradients;
  for (const double part : reached) gradients.push_back(-2 * (reach * start - target) * part);
  gradients.push_back(-2 * (reach * start - target) * reach);
  return gradients;
}

template <class Trainer>
void check_gradients(Trainer trainer, gaussian_denoiser& model, std::uint64_t seed) {
  constexpr int updates = 300;
  const auto samples = static_cast<index_t>(trainer.options().batch.samples_per_prompt);
  const std::size_t steps = network_times.size();
  std::vector<std::vector<double>> measured(steps + 1);
  for (int k = 0; k < updates; ++k) {
    const auto report = trainer.update(contexts);
    REQUIRE(report.ratio_mean == 1.0);
    REQUIRE(report.ratio_deviation == 0.0);
    REQUIRE(model.mean == static_cast<float>(start));
    // The loss is a mean over steps, the gradient of the expected reward a sum.
    measured[steps].push_back(-static_cast<double>(model.gradient) * static_cast<double>(steps));
    for (std::size_t step = 0; step < steps; ++step) {
      model.gradient = 0;
      fewstep::update_report scratch;
      const auto first = static_cast<index_t>(step) * samples;
      trainer.accumulate(first, first + samples, static_cast<double>(samples), scratch);
      measured[step].push_back(-static_cast<double>(model.gradient));
    }
  }
  // 6 standard errors of the mean over 300 rollouts: a false alarm is below 1e-7 for the ten estimates together.
  const auto expected = analytic_gradients();
  for (std::size_t i = 0; i < measured.size(); ++i) {
    const estimate of(measured[i]);
    CAPTURE(seed, i, of.mean, of.error, expected[i]);
    CHECK(of.error < 0.03 * expected.back());
    CHECK(std::abs(of.mean - expected[i]) < 6 * of.error);
  }
}

}  // namespace

TEST_CASE("the policy gradient of ddpo, step by step, is the closed form") {
  cpu_backend backend({.threads = 1});
  gaussian_denoiser model;
  auto o = four_calls(512);
  const fewstep::policy_gradient_parts parts{.reward = nearness,
                                             .optimizer = fewstep::sgd{.learning_rate = 0},
                                             .advantage = fewstep::test::raw_advantage{},
                                             .sampler = at_network_times()};
  SECTION("with importance sampling") {
    o.training.seed = 1;
    check_gradients(fewstep::ddpo(backend, model, parts, o), model, 1);
  }
  SECTION("with the score function") {
    o.training.seed = 2;
    check_gradients(fewstep::ddpo_sf(backend, model, parts, o), model, 2);
  }
}

TEST_CASE("with one optimizer step on a rollout both variants of ddpo make the same update, to the bit") {
  cpu_backend backend({.threads = 2});
  gaussian_denoiser model, other;
  const fewstep::policy_gradient_parts parts{
      .reward = nearness, .optimizer = fewstep::adamw{}, .sampler = at_network_times()};
  auto clipped = fewstep::ddpo(backend, model, parts, four_calls(33));
  auto plain = fewstep::ddpo_sf(backend, other, parts, four_calls(33));
  for (int k = 0; k < 20; ++k) {
    const auto report = clipped.update(contexts);
    const auto of_plain = plain.update(contexts);
    CHECK(report.ratio_mean == 1.0);
    CHECK(report.clip_fraction == 0.0);
    CHECK(report.gradient_norm == of_plain.gradient_norm);
    CHECK(fewstep::test::same_bits(&model.mean, &other.mean, 1));
  }
  CHECK(model.mean > static_cast<float>(start));
}

TEST_CASE("ddpo trains all calls but the last where that one stands at the cleanest time") {
  cpu_backend backend({.threads = 2});
  gaussian_denoiser model;
  auto o = four_calls(64);
  o.horizon = 5;
  auto sampler = at_network_times();
  sampler.times.push_back(static_cast<float>(coldest));
  auto trainer =
      fewstep::ddpo(backend, model,
                    fewstep::policy_gradient_parts{
                        .reward = nearness, .optimizer = fewstep::adamw{.learning_rate = 1e-2f}, .sampler = sampler},
                    o);
  CHECK(trainer.table().horizon() == 5);
  CHECK(trainer.table().trained == 4);
  for (const auto& report : trainer.run(contexts, 20)) CHECK(report.ratio_mean == 1.0);
  CHECK(model.mean > static_cast<float>(start) + 0.05f);
}

TEST_CASE("ddpo with several optimizer steps clips, and learns") {
  cpu_backend backend({.threads = 1});
  gaussian_denoiser model;
  auto o = four_calls(64);
  o.optimizer_steps = 4;
  auto trainer =
      fewstep::ddpo(backend, model,
                    fewstep::policy_gradient_parts{.reward = nearness,
                                                   .optimizer = fewstep::adamw{.learning_rate = 1e-2f},
                                                   .objective = fewstep::clipped_surrogate{.clip_range = 1e-3f},
                                                   .advantage = fewstep::batch_advantage{},
                                                   .sampler = at_network_times()},
                    o);
  double clipped = 0, first = 0, last = 0;
  for (const auto& report : trainer.run(contexts, 40)) {
    clipped += report.clip_fraction;
    if (report.index == 0) first = report.reward_mean;
    last = report.reward_mean;
    CHECK(report.ratio_deviation > 1e-3);
  }
  CHECK(clipped > 4);
  CHECK(last > first + 0.5);
  CHECK(model.mean > static_cast<float>(start) + 0.1f);
}

TEST_CASE("ddpo's defaults are the published settings, but for the prompts and the clip range") {
  cpu_backend backend({.threads = 1});
  gaussian_denoiser model;
  const auto trainer = fewstep::ddpo(backend, model, nearness, fewstep::adamw{});
  CHECK(trainer.options().horizon == 50);
  CHECK(trainer.table().trained == 50);
  CHECK(trainer.table().result == fewstep::emitted::state);
  CHECK(trainer.options().batch.prompts == 64);
  CHECK(trainer.options().batch.samples_per_prompt == 1);
  CHECK(trainer.options().reduction == fewstep::reduction::mean);
  CHECK(trainer.options().inner_epochs == 1);
  CHECK(trainer.options().optimizer_steps == 4);
  CHECK(trainer.options().training.max_gradient_norm == 1.0f);
  auto parts = fewstep::ddpo(backend, model, nearness, fewstep::adamw{}).parts();
  CHECK(parts.sampler.eta == 1.0f);
  CHECK(parts.advantage.capacity == 16);
  CHECK(parts.advantage.min_count == 16);
  CHECK(parts.advantage.clip == 5.0f);
  CHECK(parts.objective.clip_range.low == Approx(std::log(1.2) / 3));
  CHECK(parts.optimizer.learning_rate == 3e-4f);
  CHECK(parts.optimizer.weight_decay == 1e-4f);
  CHECK(fewstep::ddpo_sf(backend, model, nearness, fewstep::adamw{}).options().optimizer_steps == 1);
}

TEST_CASE("ddpo_sf refuses to learn from a rollout twice") {
  cpu_backend backend({.threads = 1});
  gaussian_denoiser model;
  CHECK_THROWS_WITH(fewstep::ddpo_sf(backend, model, nearness, fewstep::adamw{}, {.optimizer_steps = 2}),
                    contains("ddpo_sf: optimizer_steps is 2 and inner_epochs 1"));
  CHECK_THROWS_WITH(fewstep::ddpo_sf(backend, model, nearness, fewstep::adamw{}, {.inner_epochs = 3}),
                    contains("ddpo_sf: optimizer_steps is 1 and inner_epochs 3"));
}

namespace {

/// A network with the preconditioning of an EDM denoiser, in the variance-preserving process.
struct edm_network : gaussian_denoiser {
  [[nodiscard]] fewstep::variance_preserving<fewstep::edm_denoiser> preconditioner() const { return {}; }
};

}  // namespace

TEST_CASE("ddpo takes the fifty published steps of an EDM network in the variance-preserving process") {
  cpu_backend backend({.threads = 1});
  edm_network model;
  const auto trainer = fewstep::ddpo(backend, model, nearness, fewstep::adamw{});
  const auto& rows = trainer.table().rows;
  REQUIRE(rows.size() == 50);
  CHECK(trainer.table().trained == 50);
  CHECK(trainer.table().initial_sigma == 1.0f);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const int timestep = 981 - 20 * static_cast<int>(i);
    const double alpha_bar = fewstep::scaled_linear_schedule{}.alpha_bar(timestep);
    CHECK(static_cast<double>(rows[i].time) == Approx(std::sqrt((1 - alpha_bar) / alpha_bar)));
  }
  // Deviations of the published sampler at timesteps 981, 961, 501 and 1.
  CHECK(static_cast<double>(rows[0].sigma) == Approx(0.454463).margin(2e-6));
  CHECK(static_cast<double>(rows[1].sigma) == Approx(0.448282).margin(2e-6));
  CHECK(static_cast<double>(rows[24].sigma) == Approx(0.294785).margin(2e-6));
  CHECK(static_cast<double>(rows[49].sigma) == Approx(0.020648).margin(2e-6));
}

TEST_CASE("ddpo trains a network under guidance") {
  fewstep::cpu_backend backend({.threads = 2});
  const std::vector<std::int32_t> classes{0, 1, 2};
  //! [guided]
  using process = fewstep::variance_preserving<fewstep::edm_denoiser>;
  fewstep::mlp_generator<fewstep::cpu_backend, process> network(backend, {.network = {.dimension = 2, .classes = 3}});
  fewstep::guided model(backend, network, {.scale = 5.0f});
  auto trainer = fewstep::ddpo(backend, model, nearness, fewstep::adamw{.learning_rate = 3e-4f, .weight_decay = 1e-4f},
                               {.horizon = 50, .optimizer_steps = 2, .batch = {.prompts = 16}});
  //! [guided]
  const std::vector<float> before(network.parameters().begin(), network.parameters().end());
  trainer.sample(classes);
  for (const float value : trainer.samples()) REQUIRE(std::isfinite(value));
  const auto report = trainer.train();
  CHECK(report.ratio_deviation > 0);
  CHECK(report.ratio_mean == Approx(1).epsilon(0.1));
  CHECK(std::vector<float>(network.parameters().begin(), network.parameters().end()) != before);
}
