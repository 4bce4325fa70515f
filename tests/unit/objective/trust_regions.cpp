// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/mdp/score.hpp>
#include <fewstep/objective/clipped_surrogate.hpp>
#include <fewstep/objective/divergence_mask.hpp>
#include <fewstep/objective/guarded_surrogate.hpp>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

using fewstep::divergence_mask;
using fewstep::guarded_surrogate;
using fewstep::index_t;
using fewstep::reduction;
using fewstep::step_row;

namespace {

template <class Objective>
fewstep::surrogate value_at(const Objective& o, float log_ratio, float advantage, float divergence,
                            float duration = 0.25f) {
  return o({log_ratio, advantage, step_row{1, 0.5f, 1, 1, 0.5f, 1, 0, 1, duration}, 0, divergence});
}

/// A transition and its loss in double precision, computed from the means of the two policies and nothing else.
struct two_policies {
  static constexpr index_t dimension = 37;
  step_row row{0.8f, 0.55f, 0.9f, -0.4f, 0.35f, 1, 0, 1, 0.25f};
  std::vector<float> x, next, o, old, reference;
  float advantage;
  reduction over;

  two_policies(unsigned seed, float of_advantage, reduction of_density) : advantage(of_advantage), over(of_density) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (auto* values : {&x, &next, &o, &old, &reference})
      for (index_t d = 0; d < dimension; ++d) values->push_back(normal(random));
    for (std::size_t d = 0; d < x.size(); ++d) {
      next[d] = row.a * x[d] + row.b * old[d] + row.sigma * next[d];
      o[d] = old[d] + 0.3f * o[d];
    }
  }

  [[nodiscard]] double reduced(double sum) const {
    return over == reduction::mean ? sum / static_cast<double>(dimension) : sum;
  }
  /// log of the normal density at `next` around the mean of `output`, up to its constant.
  [[nodiscard]] double log_density(const std::vector<double>& output) const {
    double sum = 0;
    for (std::size_t d = 0; d < x.size(); ++d) {
      const double off = static_cast<double>(next[d]) - static_cast<double>(row.a) * static_cast<double>(x[d]) -
                         static_cast<double>(row.b) * output[d];
      sum -= off * off / (2 * static_cast<double>(row.sigma) * static_cast<double>(row.sigma));
    }
    return reduced(sum);
  }
  [[nodiscard]] double divergence(const std::vector<double>& output, const std::vector<float>& from) const {
    double sum = 0;
    for (std::size_t d = 0; d < x.size(); ++d) {
      const double off = static_cast<double>(row.b) * (output[d] - static_cast<double>(from[d]));
      sum += off * off / (2 * static_cast<double>(row.sigma) * static_cast<double>(row.sigma));
    }
    return reduced(sum);
  }
  [[nodiscard]] std::vector<double> in_double(const std::vector<float>& values) const {
    return {values.begin(), values.end()};
  }

  /// GRPO-Guard's loss with a KL to the reference.
  [[nodiscard]] double guarded_loss(const std::vector<double>& output, double clip_range, double coefficient) const {
    const double sigma = static_cast<double>(row.sigma), a = static_cast<double>(advantage);
    const double log_ratio = log_density(output) - log_density(in_double(old));
    const double ratio = std::exp((log_ratio + divergence(output, old)) * sigma);
    const double value =
        std::min(a * ratio, a * std::clamp(ratio, 1 - clip_range, 1 + clip_range)) / static_cast<double>(row.duration);
    return -value + coefficient * divergence(output, reference);
  }
};

}  // namespace

TEST_CASE("GRPO-Guard's gradient through both policies' means is that of its loss") {
  const unsigned seed = GENERATE(1u, 2u, 3u);
  const auto over = GENERATE(reduction::mean, reduction::sum);
  const float advantage = GENERATE(0.7f, -1.3f);
  const bool with_reference = GENERATE(false, true);
  CAPTURE(seed, advantage, with_reference);
  const two_policies p(seed, advantage, over);
  constexpr double wide = 1e6;  // nothing is clipped
  const double coefficient = with_reference ? 0.4 : 0.0;
  std::vector<float> gradient = p.o;
  const auto s = fewstep::score_transition(
      {p.x.data(), p.next.data(), &p.row}, gradient.data(), two_policies::dimension, over,
      guarded_surrogate{static_cast<float>(wide)},
      fewstep::log_probability({p.x.data(), p.next.data(), &p.row}, p.old.data(), two_policies::dimension, over),
      advantage, 0, 1.0, {with_reference ? p.reference.data() : nullptr, p.old.data()},
      static_cast<float>(coefficient));
  CHECK(s.divergence == Approx(p.divergence(p.in_double(p.o), p.old)).epsilon(1e-5));
  for (std::size_t d = 0; d < p.o.size(); d += 6) {
    auto high = p.in_double(p.o), low = high;
    constexpr double h = 1e-5;
    high[d] += h;
    low[d] -= h;
    const double expected =
        (p.guarded_loss(high, wide, coefficient) - p.guarded_loss(low, wide, coefficient)) / (2 * h);
    CHECK(static_cast<double>(gradient[d]) == Approx(expected).epsilon(2e-4).margin(1e-5));
  }
}

TEST_CASE("GRPO-Guard's ratio does not depend on how far the policy moved across the noise of the step") {
  // log rho + KL = z . (mu - mu_old) / sigma: with z = 0 it is 0, though the plain log-ratio is -KL.
  const guarded_surrogate o{};
  CHECK(value_at(o, -0.25f, 1.0f, 0.25f).value == Approx(1.0f / 0.25f));
  CHECK(value_at(fewstep::clipped_surrogate{0.2f}, -0.25f, 1.0f, 0.25f).value == Approx(std::exp(-0.25f)));
}

TEST_CASE("GRPO-Guard clips what would flatter, and steps weigh alike whatever their duration") {
  const guarded_surrogate o{.clip_range = 0.1f};
  CHECK(value_at(o, 1.0f, 2.0f, 0.0f).slope == 0);
  CHECK(value_at(o, 1.0f, 2.0f, 0.0f).divergence_slope == 0);
  CHECK(value_at(o, 1.0f, 2.0f, 0.0f).value == Approx(2.0f * 1.1f / 0.25f));
  CHECK(value_at(o, -1.0f, -2.0f, 0.0f).slope == 0);
  CHECK(value_at(o, -1.0f, 2.0f, 0.0f).slope > 0);
  CHECK(value_at(o, 0, 2.0f, 0, 0.125f).value == 2 * value_at(o, 0, 2.0f, 0, 0.25f).value);
}

TEST_CASE("Flow-DPPO stops a transition that has left the region and would go on, and no other") {
  const divergence_mask o{.threshold = 1e-3f};
  struct row {
    float log_ratio, advantage, divergence;
    bool stopped;
  };
  for (const row& r : {row{0.5f, 1, 2e-3f, true}, row{0.5f, 1, 0.5e-3f, false}, row{-0.5f, 1, 2e-3f, false},
                       row{-0.5f, -1, 2e-3f, true}, row{0.5f, -1, 2e-3f, false}, row{0.0f, 1, 2e-3f, false}}) {
    CAPTURE(r.log_ratio, r.advantage, r.divergence);
    const auto s = value_at(o, r.log_ratio, r.advantage, r.divergence);
    CHECK(s.value == Approx(r.advantage * std::exp(r.log_ratio)));
    CHECK(s.slope == (r.stopped ? 0.0f : s.value));
    CHECK(s.divergence_slope == 0);
  }
}

TEST_CASE("a trust region refuses a trajectory without the rollout's outputs") {
  fewstep::cpu_backend backend({.threads = 1});
  float value = 0;
  fewstep::scored_rows<divergence_mask> rows{};
  rows.o = {&value, {1, 1}};
  CHECK_THROWS_WITH(fewstep::score_rows(backend, rows), contains("the trajectory keeps no network outputs"));
}
