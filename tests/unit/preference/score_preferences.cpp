// SPDX-License-Identifier: Apache-2.0
#include "support/arrays.hpp"
#include "test.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/edm.hpp>
#include <fewstep/generator/epsilon_prediction.hpp>
#include <fewstep/generator/flow_matching.hpp>
#include <fewstep/mdp/log_probability.hpp>
#include <fewstep/preference/hinge_link.hpp>
#include <fewstep/preference/logistic_link.hpp>
#include <fewstep/preference/score_preferences.hpp>
#include <fewstep/preference/transition_targets.hpp>
#include <fewstep/preference/utility_link.hpp>
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/sampler/cps.hpp>
#include <fewstep/sampler/dance_sde.hpp>
#include <fewstep/sampler/ddim.hpp>
#include <fewstep/sampler/flow_sde.hpp>
#include <fewstep/sampler/lcm.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

using namespace fewstep;
using fewstep::test::normals;
using fewstep::test::same_bits;

namespace {

/// Comparisons of random rows, and their loss in double precision by its definition.
struct comparisons {
  index_t count = 3, dimension = 24;
  int members = 2;
  segment_map segments{};
  reduction over = reduction::mean;
  bool has_reference = true;
  std::vector<float> o, target, reference, scale, labels;

  comparisons(index_t c, index_t d, segment_map map, std::vector<float> of_first, int m = 2)
      : count(c), dimension(d), members(m), segments(map) {
    const index_t rows = c * m;
    o = normals<float>(rows * d, 1);
    target = normals<float>(rows * d, 2);
    reference = normals<float>(rows * d, 3);
    for (index_t r = 0; r < rows; ++r) scale.push_back(0.5f + 0.1f * static_cast<float>(r));
    for (index_t r = 0; r < rows; ++r)
      for (index_t f = 0; f < map.count(); ++f) {
        const float label = of_first[static_cast<std::size_t>((r / m) * map.count() + f) % of_first.size()];
        labels.push_back(r % m == 0 ? label : -label);
      }
  }

  template <class Link>
  std::vector<preference_score> score(const preference_loss<Link>& loss, std::vector<float>& gradient,
                                      int threads = 1) const {
    cpu_backend backend({.threads = threads});
    gradient = o;
    std::vector<preference_score> scores(static_cast<std::size_t>(count));
    const index_t rows = count * members;
    score_preferences(
        backend, scored_preferences<Link>{.o = {gradient.data(), {rows, dimension}},
                                          .target = {target.data(), {rows, dimension}},
                                          .reference = {has_reference ? reference.data() : nullptr, {rows, dimension}},
                                          .scale = scale.data(),
                                          .labels = {labels.data(), {rows, segments.count()}},
                                          .segments = segments,
                                          .members = members,
                                          .reduction = over,
                                          .loss = &loss,
                                          .scores = scores.data()});
    return scores;
  }

  /// Log-ratios of comparison c at outputs `at`, by label.
  [[nodiscard]] member_log_ratios log_ratios(const std::vector<double>& at, index_t c) const {
    double winner = 0, loser = 0, winners = 0, losers = 0;
    for (index_t r = c * members; r < (c + 1) * members; ++r)
      for (index_t d = 0; d < dimension; ++d) {
        const auto i = static_cast<std::size_t>(r * dimension + d);
        const double t = static_cast<double>(target[i]), ref = static_cast<double>(reference[i]);
        const double of_reference = has_reference ? (t - ref) * (t - ref) : 0.0;
        const double value =
            static_cast<double>(scale[static_cast<std::size_t>(r)]) * (of_reference - (t - at[i]) * (t - at[i]));
        const float label = labels[static_cast<std::size_t>(r * segments.count() + segments(d))];
        (label > 0 ? winner : loser) += label == 0 ? 0.0 : value;
        (label > 0 ? winners : losers) += label == 0 ? 0.0 : 1.0;
      }
    const double n = over == reduction::mean ? std::max(1.0, (winners + losers) / members) : 1.0;
    return {winner / n, loser / n, winners > 0, losers > 0, 0};
  }
  template <class Link>
  [[nodiscard]] double loss(const std::vector<double>& at, const Link& link) const {
    double sum = 0;
    for (index_t c = 0; c < count; ++c) sum += link(log_ratios(at, c)).loss / static_cast<double>(count);
    return sum;
  }

  template <class Link>
  void check(const Link& link) const {
    std::vector<float> gradient;
    const auto scores = score(preference_loss<Link>{link, {}, static_cast<double>(count), 0}, gradient);
    std::vector<double> at(o.begin(), o.end());
    for (index_t c = 0; c < count; ++c) {
      const member_log_ratios expected = log_ratios(at, c);
      const preference_score& s = scores[static_cast<std::size_t>(c)];
      CHECK(s.winner == Approx(expected.winner).epsilon(1e-5).margin(1e-6));
      CHECK(s.loser == Approx(expected.loser).epsilon(1e-5).margin(1e-6));
      CHECK(s.loss == Approx(link(expected).loss).epsilon(1e-5));
      CHECK(s.has_winner == expected.has_winner);
      CHECK(s.has_loser == expected.has_loser);
    }
    double largest = 0, off = 0;
    for (std::size_t i = 0; i < at.size(); ++i) {
      const double before = at[i], step = 1e-5;
      at[i] = before + step;
      const double above = loss(at, link);
      at[i] = before - step;
      const double numerical = (above - loss(at, link)) / (2 * step);
      at[i] = before;
      largest = std::max(largest, std::abs(numerical));
      off = std::max(off, std::abs(numerical - static_cast<double>(gradient[i])));
    }
    CHECK(off < 2e-6 * std::max(largest, 1e-3) + 1e-9);
  }
};

const segment_map clip{.inner = 2, .extent = 4, .length = 3};  // of [3, 4, 2]: places 0 to 2, and 3

}  // namespace

TEST_CASE("gradients of comparisons against central differences in double precision") {
  const logistic_link link{.beta = 1.3f};
  SECTION("of pairs") { comparisons(3, 24, {}, {1, -1, 0}).check(link); }
  SECTION("whose values are summed") {
    comparisons pairs(3, 24, {}, {1, -1, 0});
    pairs.over = reduction::sum;
    pairs.check(logistic_link{.beta = 0.05f});
  }
  SECTION("judged by segments, some of them tied") {
    comparisons(4, 24, clip, {1, -1, 0, 1, -1, -1, 0, 0}).check(link);
  }
  SECTION("of single samples") { comparisons(5, 24, {}, {1, -1, 0, 1, -1}, 1).check(utility_link{.beta = 2}); }
  SECTION("without a reference") {
    comparisons pairs(3, 24, {}, {1, -1, 0});
    pairs.has_reference = false;
    pairs.check(link);
  }
  SECTION("of an odd number of values") { comparisons(3, 37, {}, {1, -1, 0}).check(hinge_link{.beta = 0.1f}); }
}

TEST_CASE("where policy and reference are one, margins are exactly 0 and losses exactly log 2") {
  comparisons pairs(7, 53, {}, {1, -1, 0});
  pairs.o = pairs.reference;
  std::vector<float> gradient;
  for (const preference_score& s : pairs.score(preference_loss<logistic_link>{{.beta = 5000}, {}, 7, 0}, gradient)) {
    CHECK(s.winner == 0);
    CHECK(s.loser == 0);
    CHECK(s.divergence == 0);
    CHECK(s.loss == std::log(2.0));
  }
}

// Wu et al. 2025, DenseDPO, arXiv:2506.03517, equation 7: ties are no part of the sum.
TEST_CASE("tied segments have exactly no gradient, and labels that are turned round turn it round at the reference") {
  comparisons pairs(2, 24, clip, {1, 0, -1, 1});
  std::vector<float> gradient, turned;
  pairs.score(preference_loss<logistic_link>{}, gradient);
  bool others_move = true;
  for (index_t r = 0; r < 2; ++r)
    for (index_t d = 0; d < 24; ++d) {
      const float g = gradient[static_cast<std::size_t>(r * 24 + d)];
      if (clip(d) == 1)
        CHECK(g == 0);
      else
        others_move = others_move && g != 0;
    }
  CHECK(others_move);
  pairs.o = pairs.reference;
  pairs.score(preference_loss<logistic_link>{}, gradient);
  for (float& label : pairs.labels) label = -label;
  pairs.score(preference_loss<logistic_link>{}, turned);
  for (std::size_t i = 0; i < gradient.size(); ++i) CHECK(turned[i] == -gradient[i]);
}

TEST_CASE("equal labels of all segments are one label, and all ties are log 2 without a gradient") {
  comparisons whole(3, 24, {}, {1, -1, 1}), cut(3, 24, clip, {1, 1, -1, -1, 1, 1}), tied(3, 24, clip, {0});
  std::vector<float> of_whole, of_cut, of_tied;
  const auto a = whole.score(preference_loss<logistic_link>{}, of_whole);
  const auto b = cut.score(preference_loss<logistic_link>{}, of_cut);
  for (std::size_t c = 0; c < 3; ++c) CHECK(a[c].loss == Approx(b[c].loss).epsilon(1e-6));
  for (std::size_t i = 0; i < of_whole.size(); ++i) CHECK(of_whole[i] == Approx(of_cut[i]).epsilon(1e-4).margin(1e-7));
  for (const preference_score& s : tied.score(preference_loss<logistic_link>{}, of_tied)) {
    CHECK(s.loss == std::log(2.0));
    CHECK(s.is_tie());
  }
  CHECK(std::all_of(of_tied.begin(), of_tied.end(), [](float g) { return g == 0; }));
}

TEST_CASE("members that are the same sample have log 2 and gradients that cancel, whatever the policy") {
  comparisons pairs(1, 24, {}, {1});
  for (std::vector<float>* values : {&pairs.o, &pairs.target, &pairs.reference})
    std::copy(values->begin(), values->begin() + 24, values->begin() + 24);
  pairs.scale = {0.5f, 0.5f};
  std::vector<float> gradient;
  CHECK(pairs.score(preference_loss<logistic_link>{}, gradient)[0].loss == std::log(2.0));
  for (std::size_t d = 0; d < 24; ++d) CHECK(gradient[d] == -gradient[24 + d]);
}

TEST_CASE("threads do not change a bit of scores and gradients") {
  comparisons pairs(37, 24, clip, {1, -1, 0, 1, 1, -1, 0});
  std::vector<float> one, several;
  const auto a = pairs.score(preference_loss<logistic_link>{}, one);
  const auto b = pairs.score(preference_loss<logistic_link>{}, several, 3);
  CHECK(same_bits(one, several));
  for (std::size_t c = 0; c < a.size(); ++c) CHECK(a[c].loss == b[c].loss);
}

// Fu et al. 2025, arXiv:2511.03317: to first order in the outputs, the winner's error falls by mu of what it would fall
// alone, and no lambda that is larger would have it so.
TEST_CASE("the safeguard scales the loser so that the winner's error falls by the share asked for") {
  comparisons pairs(40, 24, {}, {1, -1});
  for (std::size_t i = 0; i < pairs.o.size(); ++i)  // so that members pull one way, as they do with one noise
    if (i / 24 % 2 == 1)
      pairs.target[i] = pairs.o[i] + 1.3f * (pairs.target[i - 24] - pairs.o[i - 24]) + 0.2f * pairs.target[i];
  const auto mu = GENERATE(0.0f, 0.5f, 1.0f);
  std::vector<float> gradient;
  const auto scores =
      pairs.score(preference_loss<logistic_link>{{.beta = 0.3f}, {.is_on = true, .mu = mu}, 1, 0}, gradient);
  int scaled = 0;
  for (index_t c = 0; c < pairs.count; ++c) {
    const bool first_wins = pairs.labels[static_cast<std::size_t>(2 * c)] > 0;
    const index_t w = first_wins ? 2 * c : 2 * c + 1, l = first_wins ? 2 * c + 1 : 2 * c;
    // the winner's error along the step -(g_w + g_l) that both gradients make at one output
    double alone = 0, together = 0;
    for (index_t d = 0; d < 24; ++d) {
      const auto at = static_cast<std::size_t>(w * 24 + d), other = static_cast<std::size_t>(l * 24 + d);
      const double slope = -2 * static_cast<double>(pairs.target[at] - pairs.o[at]);
      alone -= slope * static_cast<double>(gradient[at]);
      together -= slope * static_cast<double>(gradient[at] + gradient[other]);
    }
    const preference_score& s = scores[static_cast<std::size_t>(c)];
    INFO("comparison " << c << " lambda " << s.loser_scale);
    CHECK(alone < 0);
    CHECK(together <= static_cast<double>(mu) * alone + 1e-6 * std::abs(alone));
    if (s.loser_scale < 1) {
      ++scaled;
      CHECK(together == Approx(static_cast<double>(mu) * alone).margin(1e-5 * std::abs(alone)));
    }
  }
  CHECK(scaled >= 20);  // where the loser is the one that pulls harder
}

namespace {

/// log pi(x') - log pi_ref(x') of a row of a table as a difference of two Gaussian densities, and as a difference of
/// two squared errors of the network's output, both in double precision.
void check_identity(const step_table& table) {
  constexpr index_t n = 19;
  const auto x = normals<double>(n, 11), o = normals<double>(n, 12), ref = normals<double>(n, 13),
             z = normals<double>(n, 14);
  for (int k = table.first_trained; k < table.first_trained + table.trained; ++k) {
    const step_row& row = table.rows[static_cast<std::size_t>(k)];
    const double a = static_cast<double>(row.a), b = static_cast<double>(row.b), sigma = static_cast<double>(row.sigma);
    std::vector<double> target(n);
    double densities = 0, size = 0;
    for (std::size_t d = 0; d < n; ++d) {
      const double next = a * x[d] + b * ref[d] + sigma * z[d];
      target[d] = (next - a * x[d]) / b;
      const double mine = (next - a * x[d] - b * o[d]) / sigma, theirs = (next - a * x[d] - b * ref[d]) / sigma;
      densities += 0.5 * (theirs * theirs - mine * mine);
      size += 0.5 * (theirs * theirs + mine * mine);
    }
    const double errors = transition_scale(row) * detail::error_difference(o.data(), ref.data(), target.data(), n);
    INFO("step " << k << " of " << table.horizon());
    CHECK(std::abs(densities - errors) <= 1e-12 * size);
  }
}

}  // namespace

TEST_CASE("log-ratios of transitions are differences of denoising errors, for the steps of every sampler") {
  const edm_consistency edm{};
  const epsilon_prediction epsilon{};
  const flow_matching flow{};
  check_identity(consistency_sampler{}.table(edm, 5));
  check_identity(consistency_sampler{.last = last_step::reference}.table(edm, 8));
  check_identity(ddim_sampler{}.table(edm, 6));
  check_identity(ddim_sampler{}.table(epsilon, 20));
  check_identity(ddim_sampler{.eta = 0.3f}.table(epsilon, 50));
  check_identity(ddim_sampler{}.table(flow, 10));
  check_identity(lcm_sampler{}.table(epsilon, 4));
  check_identity(cps_sampler{}.table(flow, 8));
  check_identity(flow_sde_sampler{}.table(flow, 10));
  check_identity(dance_sde_sampler{}.table(flow, 10));
}
