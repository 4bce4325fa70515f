// SPDX-License-Identifier: Apache-2.0
// What the KL estimates and their gradients are in expectation: over discrete policies by sums over all actions, over
// Gaussians by draws against closed forms.
#include "support/affine_toy.hpp"
#include "support/arrays.hpp"
#include "test.hpp"

#include <fewstep/regularizer/kl_estimate.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <vector>

namespace kl_estimate = fewstep::kl_estimate;
using fewstep::kl_term;
using fewstep::taken_action;

namespace {

constexpr std::size_t actions = 5;
using probabilities = std::array<double, actions>;

probabilities softmax(const probabilities& logits) {
  probabilities p{};
  double sum = 0;
  for (std::size_t i = 0; i < actions; ++i) sum += p[i] = std::exp(logits[i]);
  for (double& each : p) each /= sum;
  return p;
}
double kl(const probabilities& p, const probabilities& q) {
  double sum = 0;
  for (std::size_t i = 0; i < actions; ++i) sum += p[i] * std::log(p[i] / q[i]);
  return sum;
}

constexpr probabilities logits{0.3, -0.5, 0.1, 0.8, -0.2}, reference_logits{-0.4, 0.2, 0.6, 0.1, -0.7},
    old_logits{0.1, -0.1, -0.3, 0.9, 0.2};

/// d f / d logit by central differences.
template <class F>
probabilities slopes(const F& f) {
  probabilities result{};
  for (std::size_t j = 0; j < actions; ++j) {
    probabilities above = logits, below = logits;
    above[j] += 1e-5;
    below[j] -= 1e-5;
    result[j] = (f(softmax(above)) - f(softmax(below))) / 2e-5;
  }
  return result;
}

/// Expectation of an estimate over actions of another policy, and of its gradient with the action fixed.
struct expected {
  double value = 0;
  probabilities gradient{};

  template <class Estimate>
  expected(const Estimate& estimate, const probabilities& sampled_by) {
    const probabilities p = softmax(logits), q = softmax(reference_logits);
    for (std::size_t i = 0; i < actions; ++i) {
      const kl_term term = estimate(taken_action{std::log(q[i] / p[i]), std::log(p[i] / sampled_by[i])});
      value += sampled_by[i] * term.value;
      for (std::size_t j = 0; j < actions; ++j)
        gradient[j] += sampled_by[i] * term.slope * ((i == j ? 1.0 : 0.0) - p[j]);  // d log p_i / d logit_j
    }
  }
};

void check_same(const probabilities& actual, const probabilities& wanted) {
  for (std::size_t j = 0; j < actions; ++j) {
    CAPTURE(j);
    CHECK(actual[j] == Approx(wanted[j]).epsilon(1e-7).margin(1e-9));
  }
}

}  // namespace

TEST_CASE("the slope of a KL estimate is its derivative by the log-probability of the action") {
  const double log_p = -1.3, log_q = GENERATE(-2.6, -1.3, -0.4), log_old = GENERATE(-1.3, -1.5);
  const auto check = [&](const auto& estimate) {
    const auto at = [&](double by) { return estimate(taken_action{log_q - log_p - by, log_p + by - log_old}); };
    CAPTURE(estimate.name, log_q, log_old);
    CHECK(at(0).slope == Approx((at(1e-5).value - at(-1e-5).value) / 2e-5).epsilon(1e-7).margin(1e-9));
  };
  check(kl_estimate::k1{});
  check(kl_estimate::k2{});
  check(kl_estimate::k3{});
  check(kl_estimate::importance_weighted<kl_estimate::k1>{});
  check(kl_estimate::importance_weighted<kl_estimate::k2>{});
  check(kl_estimate::importance_weighted<kl_estimate::k3>{});
  CHECK(kl_estimate::exact{}({0.3}).value == 0.3);
  CHECK(kl_estimate::exact{}({0.3}).slope == 1);
}

TEST_CASE("over all actions of a discrete policy, k1 and k3 are the KL, and gradients are what the table says") {
  const probabilities p = softmax(logits), q = softmax(reference_logits);
  const auto reverse = slopes([&](const probabilities& moved) { return kl(moved, q); });
  const auto forward = slopes([&](const probabilities& moved) { return kl(q, moved); });
  REQUIRE(std::abs(reverse[0] - forward[0]) > 0.01);

  const expected k1(kl_estimate::k1{}, p), k2(kl_estimate::k2{}, p), k3(kl_estimate::k3{}, p);
  CHECK(k1.value == Approx(kl(p, q)));
  CHECK(k3.value == Approx(kl(p, q)));
  CHECK(k2.value == Approx(kl(p, q)).epsilon(0.2));
  check_same(k1.gradient, probabilities{});
  check_same(k2.gradient, reverse);
  check_same(k3.gradient, forward);
}

TEST_CASE("over all actions of another policy, k1 and k3 with importance weights are the KL and its gradient") {
  const probabilities p = softmax(logits), q = softmax(reference_logits);
  const auto reverse = slopes([&](const probabilities& moved) { return kl(moved, q); });
  for (const probabilities& sampled_by : {p, softmax(old_logits)}) {
    const expected k1(kl_estimate::importance_weighted<kl_estimate::k1>{}, sampled_by),
        k3(kl_estimate::importance_weighted<kl_estimate::k3>{}, sampled_by);
    CHECK(k1.value == Approx(kl(p, q)));
    CHECK(k3.value == Approx(kl(p, q)));
    check_same(k1.gradient, reverse);
    check_same(k3.gradient, reverse);
  }
}

namespace {

struct gaussian {
  double mean, deviation;

  [[nodiscard]] double log_density(double x) const {
    const double z = (x - mean) / deviation;
    return -z * z / 2 - std::log(deviation);
  }
};
double kl(const gaussian& p, const gaussian& q) {
  const double apart = p.mean - q.mean;
  return std::log(q.deviation / p.deviation) +
         (p.deviation * p.deviation + apart * apart) / (2 * q.deviation * q.deviation) - 0.5;
}

constexpr gaussian policy{0.4, 1}, reference{0.1, 0.8}, old{0.5, 1.2};
constexpr std::uint64_t seed = 7;

struct measured {
  fewstep::test::estimate value, by_mean, by_log_deviation;
};

/// Over draws of `sampled_by`: an estimate and its gradient by the mean and the logarithm of the policy's deviation.
template <class Estimate>
measured measure(const Estimate& how, const gaussian& sampled_by) {
  std::vector<double> value, by_mean, by_log_deviation;
  for (const double z : fewstep::test::normals<double>(100'000, seed)) {
    const double x = sampled_by.mean + sampled_by.deviation * z, own = policy.log_density(x);
    const kl_term term = how(taken_action{reference.log_density(x) - own, own - sampled_by.log_density(x)});
    const double off = (x - policy.mean) / policy.deviation;
    value.push_back(term.value);
    by_mean.push_back(term.slope * off / policy.deviation);
    by_log_deviation.push_back(term.slope * (off * off - 1));
  }
  using fewstep::test::estimate;
  return {estimate(value), estimate(by_mean), estimate(by_log_deviation)};
}

/// 6 standard errors: by chance fewer than once in 10^8.
void check_near(const fewstep::test::estimate& found, double wanted) {
  CAPTURE(seed, found.mean, found.error, wanted);
  CHECK(found.error < 0.02);
  CHECK(std::abs(found.mean - wanted) < 6 * found.error);
}

}  // namespace

TEST_CASE("over draws from a Gaussian, KL estimates and their gradients have the expectations of the table") {
  const double apart = policy.mean - reference.mean, s = policy.deviation, r = reference.deviation;
  const double reverse_by_mean = apart / (r * r), reverse_by_log_deviation = s * s / (r * r) - 1;
  const double forward_by_mean = apart / (s * s), forward_by_log_deviation = 1 - (r * r + apart * apart) / (s * s);

  const measured k1 = measure(kl_estimate::k1{}, policy);
  check_near(k1.value, kl(policy, reference));
  check_near(k1.by_mean, 0);
  check_near(k1.by_log_deviation, 0);
  const measured k2 = measure(kl_estimate::k2{}, policy);
  check_near(k2.by_mean, reverse_by_mean);
  check_near(k2.by_log_deviation, reverse_by_log_deviation);
  const measured k3 = measure(kl_estimate::k3{}, policy);
  check_near(k3.value, kl(policy, reference));
  check_near(k3.by_mean, forward_by_mean);
  check_near(k3.by_log_deviation, forward_by_log_deviation);
  // The three kinds of gradient are told apart.
  CHECK(reverse_by_mean - forward_by_mean > 10 * (k2.by_mean.error + k3.by_mean.error));
  CHECK(forward_by_mean > 10 * (k1.by_mean.error + k3.by_mean.error));

  for (const gaussian& sampled_by : {policy, old})
    for (const measured& weighted : {measure(kl_estimate::importance_weighted<kl_estimate::k1>{}, sampled_by),
                                     measure(kl_estimate::importance_weighted<kl_estimate::k3>{}, sampled_by)}) {
      check_near(weighted.value, kl(policy, reference));
      check_near(weighted.by_mean, reverse_by_mean);
      check_near(weighted.by_log_deviation, reverse_by_log_deviation);
    }
}
