// SPDX-License-Identifier: Apache-2.0
#include "support/arrays.hpp"
#include "test.hpp"

#include <fewstep/core/random.hpp>
#include <fewstep/generator/preconditioning.hpp>
#include <fewstep/mdp/score.hpp>
#include <fewstep/objective/clipped_surrogate.hpp>
#include <fewstep/objective/reinforce.hpp>
#include <fewstep/sampler/lcm.hpp>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

using fewstep::index_t;
using fewstep::log_probability;
using fewstep::reduction;
using fewstep::scored_transition;
using fewstep::step_row;

namespace {

constexpr step_row row{
    .time = 1, .next_time = 0.5f, .a = 0.7f, .b = -0.4f, .sigma = 0.3f, .in = 1, .skip = 0, .out = 1};

/// x, o, and x' = a x + b o + sigma z of one transition.
struct drawn_transition {
  std::vector<float> x, o, next;

  explicit drawn_transition(index_t dimension, std::uint64_t seed = 1)
      : x(fewstep::test::normals<float>(dimension, seed)),
        o(fewstep::test::normals<float>(dimension, seed + 1)),
        next(fewstep::test::normals<float>(dimension, seed + 2, 0.3)) {
    for (std::size_t i = 0; i < next.size(); ++i) next[i] += row.a * x[i] + row.b * o[i];
  }
  [[nodiscard]] scored_transition view() const { return {x.data(), next.data(), &row}; }
};

/// The density in double precision, term by term.
double exact_log_probability(const drawn_transition& t, const std::vector<double>& o, reduction over) {
  const double a = row.a, b = row.b, sigma = row.sigma;
  double sum = 0;
  for (std::size_t i = 0; i < o.size(); ++i) {
    const double residual = double(t.next[i]) - a * double(t.x[i]) - b * o[i];
    sum += -residual * residual / (2 * sigma * sigma) - std::log(sigma) - 0.5 * std::log(2 * std::acos(-1.0));
  }
  return over == reduction::mean ? sum / static_cast<double>(o.size()) : sum;
}

}  // namespace

TEST_CASE("log_probability agrees with the density in double precision") {
  const index_t dimension = GENERATE(1, 2, 15, 16, 17, 48, 255, 256, 257, 272, 3072, 3073);
  const auto over = GENERATE(reduction::mean, reduction::sum);
  CAPTURE(dimension, over == reduction::mean);
  const drawn_transition t(dimension);
  const double exact = exact_log_probability(t, {t.o.begin(), t.o.end()}, over);
  // A squared residual has an absolute error of some 1e-7 residual / sigma^2.
  const double count = over == reduction::mean ? 1 : static_cast<double>(dimension);
  CHECK(std::abs(log_probability(t.view(), t.o.data(), dimension, over) - exact) < 1e-6 * count);
}

TEST_CASE("log_probability sees every element") {
  const index_t dimension = GENERATE(1, 15, 16, 17, 48, 257, 300);
  const drawn_transition t(dimension);
  const double before = log_probability(t.view(), t.o.data(), dimension, reduction::sum);
  for (index_t i = 0; i < dimension; ++i) {
    auto moved = t.o;
    moved[static_cast<std::size_t>(i)] += 2.0f;
    CAPTURE(dimension, i);
    CHECK(std::abs(log_probability(t.view(), moved.data(), dimension, reduction::sum) - before) > 1e-3);
  }
}

TEST_CASE("the gradient of the log-probability is that of central differences, and z / (D sigma) dm/do") {
  const index_t dimension = GENERATE(1, 2, 15, 16, 17, 48, 3072, 3073);
  const auto over = GENERATE(reduction::mean, reduction::sum);
  const bool with_reference = GENERATE(false, true);
  CAPTURE(dimension, over == reduction::mean, with_reference);
  const drawn_transition t(dimension);
  auto gradient = t.o;
  // Advantage -1 and one row make the loss log pi itself; a reference without coefficient changes nothing.
  const auto reference = fewstep::test::normals<float>(dimension, 9);
  const double log_pi = log_probability(t.view(), t.o.data(), dimension, over);
  const auto s = score_transition(t.view(), gradient.data(), dimension, over, fewstep::reinforce{}, log_pi, -1.0f, 0,
                                  1.0, {with_reference ? reference.data() : nullptr}, 0.0f);
  CHECK(s.log_ratio == 0.0f);
  CHECK(s.ratio == 1.0f);
  CHECK(s.log_probability == log_pi);

  const double count = over == reduction::mean ? static_cast<double>(dimension) : 1.0;
  const index_t stride = dimension > 100 ? 97 : 1;
  for (index_t i = 0; i < dimension; i += stride) {
    const auto at = static_cast<std::size_t>(i);
    std::vector<double> o(t.o.begin(), t.o.end());
    const double step = 1e-4, centre = o[at];
    o[at] = centre + step;
    const double above = exact_log_probability(t, o, over);
    o[at] = centre - step;
    const double below = exact_log_probability(t, o, over);
    const double z =
        (double(t.next[at]) - double(row.a) * double(t.x[at]) - double(row.b) * centre) / double(row.sigma);
    const double closed = z / (count * double(row.sigma)) * double(row.b);
    CAPTURE(i);
    CHECK((above - below) / (2 * step) == Approx(closed).epsilon(1e-5).margin(1e-6 / count));
    CHECK(double(gradient[at]) == Approx(closed).epsilon(1e-5).margin(2e-6 / count));
  }
}

TEST_CASE("the KL term and its gradient are those of two Gaussians of one variance") {
  const index_t dimension = GENERATE(1, 15, 16, 17, 48, 3073);
  const auto over = GENERATE(reduction::mean, reduction::sum);
  CAPTURE(dimension, over == reduction::mean);
  const drawn_transition t(dimension);
  const auto reference = fewstep::test::normals<float>(dimension, 9);
  auto gradient = t.o;
  constexpr float coefficient = 0.3f;
  constexpr double rows = 5;
  const double old = log_probability(t.view(), t.o.data(), dimension, over);
  const auto s = score_transition(t.view(), gradient.data(), dimension, over, fewstep::reinforce{}, old, 0.0f, 0, rows,
                                  {reference.data()}, coefficient);

  const double count = over == reduction::mean ? static_cast<double>(dimension) : 1.0;
  const double factor = double(row.b) * double(row.b) / (double(row.sigma) * double(row.sigma)) / count;
  double kl = 0;
  std::vector<double> exact;
  for (std::size_t i = 0; i < t.o.size(); ++i) {
    const double difference = double(t.o[i]) - double(reference[i]);
    kl += 0.5 * factor * difference * difference;
    exact.push_back(double(coefficient) * factor * difference / rows);
  }
  CHECK(s.reference_kl == Approx(kl).epsilon(1e-5));
  CHECK(fewstep::test::relative_error(gradient, exact) < 1e-5);
}

TEST_CASE("a ratio of exactly 1 gives the surrogate and REINFORCE the same bits") {
  const index_t dimension = 48;
  const drawn_transition t(dimension);
  auto clipped = t.o, plain = t.o;
  const double old = log_probability(t.view(), t.o.data(), dimension, reduction::mean);
  score_transition(t.view(), clipped.data(), dimension, reduction::mean, fewstep::clipped_surrogate{1e-4f}, old, 0.37f,
                   0, 64.0, {}, 0.0f);
  score_transition(t.view(), plain.data(), dimension, reduction::mean, fewstep::reinforce{}, old, 0.37f, 0, 64.0, {},
                   0.0f);
  CHECK(fewstep::test::same_bits(clipped, plain));
}

TEST_CASE("an output that is not a number shows in the score") {
  const drawn_transition t(17);
  for (std::size_t i = 0; i < t.o.size(); ++i) {
    auto o = t.o;
    o[i] = std::numeric_limits<float>::quiet_NaN();
    CHECK(std::isnan(log_probability(t.view(), o.data(), 17, reduction::mean)));
  }
}

// The mean log-probability of a draw from the policy is -1/2 - ln sigma - ln(2 pi)/2, with variance 1/(2 D).
TEST_CASE("draws of the eight-step LCM policy have the expected log-probabilities") {
  constexpr std::array<double, 8> expected = {-1.410094, -1.392126, -1.351652, -1.274045,
                                              -1.141300, -0.927550, -0.575266, -0.575266};
  const auto table = fewstep::lcm_sampler{.last = fewstep::last_step::reference}.table(fewstep::lcm{}, 8);
  constexpr index_t dimension = 4096;
  constexpr std::uint64_t seed = 3, samples = 16;
  CAPTURE(seed);
  std::vector<float> x(dimension), o(dimension), next(dimension);
  for (std::size_t k = 0; k < expected.size(); ++k) {
    double mean = 0;
    for (std::uint64_t sample = 0; sample < samples; ++sample) {
      const step_row& r = table.rows[k];
      const auto step = static_cast<std::uint32_t>(k);
      fewstep::fill_normal({seed, fewstep::stream::initial_noise}, sample, step, x.data(), dimension);
      fewstep::fill_normal({seed, fewstep::stream::data}, sample, step, o.data(), dimension);
      fewstep::fill_normal({seed, fewstep::stream::noise}, sample, step, next.data(), dimension);
      for (std::size_t i = 0; i < next.size(); ++i) next[i] = r.a * x[i] + r.b * o[i] + r.sigma * next[i];
      mean += log_probability({x.data(), next.data(), &r}, o.data(), dimension, reduction::mean) / double(samples);
    }
    CAPTURE(k, mean);
    // 6 standard errors (false alarm 2e-9) and the 5e-7 of the printed value.
    CHECK(std::abs(mean - expected[k]) < 6 / std::sqrt(2.0 * double(dimension) * double(samples)) + 5e-7);
    CHECK(-0.5 - std::log(double(table.rows[k].sigma)) - 0.5 * std::log(2 * std::acos(-1.0)) ==
          Approx(expected[k]).margin(2e-6));
  }
}
