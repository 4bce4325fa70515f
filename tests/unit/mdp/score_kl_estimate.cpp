// SPDX-License-Identifier: Apache-2.0
// KL estimates of the action that was taken, in the score pass: against the loss in double precision and its central
// differences, and their mean gradient over draws against the closed form.
#include "support/affine_toy.hpp"
#include "support/arrays.hpp"
#include "test.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/mdp/score.hpp>
#include <fewstep/objective/guarded_surrogate.hpp>
#include <fewstep/objective/reinforce.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <vector>

namespace kl_estimate = fewstep::kl_estimate;
using fewstep::index_t;
using fewstep::reduction;
using fewstep::score;
using fewstep::scored_range;
using fewstep::test::normals;

namespace {

constexpr fewstep::step_row row{
    .time = 1, .next_time = 0.5f, .a = 0.7f, .b = -0.4f, .sigma = 0.3f, .in = 1, .skip = 0, .out = 1, .duration = 0.5f};

/// The estimates as functions of log pi_ref - log pi and log pi - log pi_old.
double value_of(kl_estimate::k1, double log_ratio, double) { return -log_ratio; }
double value_of(kl_estimate::k2, double log_ratio, double) { return log_ratio * log_ratio / 2; }
double value_of(kl_estimate::k3, double log_ratio, double) { return std::exp(log_ratio) - 1 - log_ratio; }
template <class Estimate>
double value_of(kl_estimate::importance_weighted<Estimate> e, double log_ratio, double log_importance) {
  return std::exp(log_importance) * value_of(e.of, log_ratio, log_importance);
}

/// One transition whose action was drawn from the output `old`.
struct drawn_transition {
  index_t dimension;
  scored_range scored;
  std::vector<float> x, o, old, reference, next;

  drawn_transition(index_t d, scored_range range)
      : dimension(d),
        scored(range),
        x(normals<float>(d, 1)),
        o(normals<float>(d, 2)),
        old(normals<float>(d, 3, 0.02)),
        reference(normals<float>(d, 4, 0.1)),
        next(normals<float>(d, 5, 0.3)) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      old[i] += o[i];
      reference[i] += o[i];
      next[i] += row.a * x[i] + row.b * old[i];
    }
  }
  /// log-density of all scored values under an output, up to a constant.
  [[nodiscard]] double log_density(const std::vector<float>& output, index_t moved = -1, double by = 0) const {
    double sum = 0;
    for (index_t d = 0; d < dimension; ++d) {
      if (!scored.has(d)) continue;
      const auto i = static_cast<std::size_t>(d);
      const double off =
          double(next[i]) - double(row.a) * double(x[i]) - double(row.b) * (double(output[i]) + (d == moved ? by : 0));
      sum -= off * off / (2 * double(row.sigma) * double(row.sigma));
    }
    return sum;
  }
};

template <class Objective, class Estimate>
struct scored_once {
  std::vector<float> gradient;
  score result;

  scored_once(const drawn_transition& t, reduction over, const fewstep::loss_settings<Objective, Estimate>& settings,
              double old_log_probability, float advantage, bool referenced = true)
      : gradient(t.o) {
    fewstep::cpu_backend backend({.threads = 1});
    const std::int32_t step = 0;
    const fewstep::array_extents<2> shape{1, t.dimension};
    fewstep::score_rows(backend, fewstep::scored_rows<Objective, Estimate>{
                                     .x = {t.x.data(), shape},
                                     .next = {t.next.data(), shape},
                                     .o = {gradient.data(), shape},
                                     .reference = {referenced ? t.reference.data() : nullptr, shape},
                                     .old_output = {t.old.data(), shape},
                                     .step = &step,
                                     .old_log_probability = &old_log_probability,
                                     .advantage = &advantage,
                                     .table = &row,
                                     .settings = &settings,
                                     .scores = &result,
                                     .reduction = over,
                                     .scored = t.scored});
  }
};

template <class Estimate>
void check_against_double(const drawn_transition& t, reduction over) {
  const double values = static_cast<double>(t.scored.size(t.dimension));
  const double reduce = over == reduction::mean ? 1 / values : 1.0;
  const double log_ref = t.log_density(t.reference), log_old = t.log_density(t.old);
  const double constant = values * (std::log(double(row.sigma)) + 0.5 * std::log(2 * std::acos(-1.0)));
  const fewstep::loss_settings<fewstep::reinforce, Estimate> settings{{}, 0.3f, 4.0, {}};
  const scored_once scored(t, over, settings, (log_old - constant) * reduce, 0.7f);
  const auto kl = [&](double log_pi) { return reduce * value_of(Estimate{}, log_ref - log_pi, log_pi - log_old); };
  const auto loss = [&](index_t d, double by) {
    const double log_pi = t.log_density(t.o, d, by);
    return (-double(0.7f) * log_pi * reduce + double(0.3f) * kl(log_pi)) / 4.0;
  };
  CAPTURE(Estimate::name, t.dimension, t.scored.first, over == reduction::mean);
  CHECK(scored.result.reference_kl == Approx(kl(t.log_density(t.o))).epsilon(1e-4).margin(1e-6));
  for (index_t d = 0; d < t.dimension; ++d) {
    CAPTURE(d);
    const double g = scored.gradient[static_cast<std::size_t>(d)];
    if (t.scored.has(d))
      CHECK(g == Approx((loss(d, 1e-4) - loss(d, -1e-4)) / 2e-4).epsilon(1e-4).margin(1e-5));
    else
      CHECK(g == 0);
  }
}

}  // namespace

TEST_CASE("a KL estimate of the action and its gradient are those of the loss in double precision") {
  const auto over = GENERATE(reduction::mean, reduction::sum);
  for (const drawn_transition& t : {drawn_transition(1, {}), drawn_transition(16, {}), drawn_transition(37, {}),
                                    drawn_transition(37, {5, 17}), drawn_transition(70, {3, 40})}) {
    check_against_double<kl_estimate::k1>(t, over);
    check_against_double<kl_estimate::k2>(t, over);
    check_against_double<kl_estimate::k3>(t, over);
    check_against_double<kl_estimate::importance_weighted<kl_estimate::k1>>(t, over);
    check_against_double<kl_estimate::importance_weighted<kl_estimate::k2>>(t, over);
    check_against_double<kl_estimate::importance_weighted<kl_estimate::k3>>(t, over);
  }
}

TEST_CASE("a KL estimate of the action stands beside a trust region, and is nothing without a reference") {
  const drawn_transition t(40, {8, 20});
  using trust_region = fewstep::guarded_surrogate;
  const double old = t.log_density(t.old) / 20 - std::log(double(row.sigma)) - 0.5 * std::log(2 * std::acos(-1.0));
  const auto scored_with = [&](float coefficient, bool referenced) {
    return scored_once(t, reduction::mean,
                       fewstep::loss_settings<trust_region, kl_estimate::k3>{{0.5f}, coefficient, 6.0, {}}, old, 0.7f,
                       referenced);
  };
  const auto both = scored_with(0.4f, true), region = scored_with(0, true), alone = scored_with(0.4f, false);
  const scored_once kl(t, reduction::mean,
                       fewstep::loss_settings<fewstep::reinforce, kl_estimate::k3>{{}, 0.4f, 6.0, {}}, old, 0.0f);
  CHECK(both.result.divergence > 0);
  CHECK(both.result.reference_kl == kl.result.reference_kl);
  CHECK(alone.result.reference_kl == 0);
  CHECK(alone.gradient == region.gradient);
  std::vector<float> sum;
  for (std::size_t i = 0; i < both.gradient.size(); ++i) sum.push_back(region.gradient[i] + kl.gradient[i]);
  CHECK(fewstep::test::relative_error(both.gradient, sum) < 1e-6);
  CHECK(fewstep::test::relative_error(both.gradient, region.gradient) > 1e-2);
}

TEST_CASE("an estimate of a KL of zero has the value and the gradient of zero, but for the noise of k1") {
  drawn_transition t(37, {});
  t.reference = t.o;
  const auto gradient_of = [&]<class Estimate>(Estimate) {
    const scored_once scored(t, reduction::sum, fewstep::loss_settings<fewstep::reinforce, Estimate>{{}, 1.0f, 1.0, {}},
                             0, 0.0f);
    CHECK(scored.result.reference_kl == 0);
    return scored.gradient;
  };
  const std::vector<float> zeros(37);
  CHECK(gradient_of(kl_estimate::exact{}) == zeros);
  CHECK(gradient_of(kl_estimate::k2{}) == zeros);
  CHECK(gradient_of(kl_estimate::k3{}) == zeros);
  CHECK(gradient_of(kl_estimate::k1{}) != zeros);
}

namespace {

constexpr index_t values = 4;
constexpr std::uint64_t seed = 3;

/// The mean gradient of an estimate's loss by each coordinate of o over draws under `sampled_by`, and of its value
/// last.
template <class Estimate>
std::vector<fewstep::test::estimate> mean_gradient(const std::vector<float>& o, const std::vector<float>& reference,
                                                   const std::vector<float>& sampled_by) {
  constexpr index_t draws = 40'000;
  const auto noise = normals<float>(draws * values, seed, double(row.sigma));
  const std::vector<float> x = {0.3f, -1.0f, 0.5f, 0.1f};
  std::array<std::vector<double>, values + 1> found;
  for (index_t k = 0; k < draws; ++k) {
    std::vector<float> next(values), gradient = o;
    for (std::size_t d = 0; d < values; ++d)
      next[d] = row.a * x[d] + row.b * sampled_by[d] + noise[static_cast<std::size_t>(k * values) + d];
    const fewstep::scored_transition t{x.data(), next.data(), &row};
    const double old = log_probability(t, sampled_by.data(), values, reduction::sum);
    const score s = score_transition(t, gradient.data(), values, reduction::sum, fewstep::reinforce{}, old, 0.0f, 0, 1,
                                     {reference.data()}, 1.0f, Estimate{});
    for (std::size_t d = 0; d < values; ++d) found[d].push_back(gradient[d]);
    found[values].push_back(s.reference_kl);
  }
  return {found.begin(), found.end()};
}

}  // namespace

TEST_CASE("over draws of a step, gradients of KL estimates have the mean of the closed form, that of k1 of zero") {
  const std::vector<float> o = {0.2f, 0.4f, -0.1f, 0.3f}, reference = {0.45f, 0.1f, 0.0f, 0.3f},
                           old = {0.25f, 0.5f, -0.2f, 0.2f};
  const double precision = double(row.b) * double(row.b) / (double(row.sigma) * double(row.sigma));
  double kl = 0;
  std::vector<double> exact;
  for (std::size_t d = 0; d < values; ++d) {
    exact.push_back(precision * (double(o[d]) - double(reference[d])));
    kl += precision * std::pow(double(o[d]) - double(reference[d]), 2) / 2;
  }
  // 6 standard errors of 40 000 draws: by chance fewer than once in 10^8.
  const auto check = [&](const std::vector<fewstep::test::estimate>& found, double share, double value) {
    for (std::size_t d = 0; d < values; ++d) {
      CAPTURE(seed, d, found[d].mean, found[d].error, exact[d]);
      CHECK(found[d].error < 0.05 * exact[1]);
      CHECK(std::abs(found[d].mean - share * exact[d]) < 6 * found[d].error);
    }
    CAPTURE(found[values].mean, found[values].error, value);
    CHECK(std::abs(found[values].mean - value) < 6 * found[values].error);
  };
  check(mean_gradient<kl_estimate::k1>(o, reference, o), 0, kl);
  check(mean_gradient<kl_estimate::k2>(o, reference, o), 1, kl + kl * kl / 2);
  check(mean_gradient<kl_estimate::k3>(o, reference, o), 1, kl);
  for (const auto& sampled_by : {o, old}) {
    check(mean_gradient<kl_estimate::importance_weighted<kl_estimate::k1>>(o, reference, sampled_by), 1, kl);
    check(mean_gradient<kl_estimate::importance_weighted<kl_estimate::k3>>(o, reference, sampled_by), 1, kl);
  }
}
