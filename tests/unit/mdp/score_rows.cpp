// SPDX-License-Identifier: Apache-2.0
// Transitions of any steps with advantages of their own, and a part of their coordinates, against the density in double
// precision.
#include "support/arrays.hpp"
#include "test.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/mdp/score.hpp>
#include <fewstep/objective/guarded_surrogate.hpp>
#include <fewstep/objective/reinforce.hpp>

#include <cmath>
#include <limits>
#include <vector>

using fewstep::index_t;
using fewstep::matrix;
using fewstep::reduction;
using fewstep::score;
using fewstep::scored_range;
using fewstep::step_row;
using fewstep::test::normals;
using fewstep::test::same_bits;

namespace {

constexpr index_t count = 6;
const std::vector<step_row> table = {{1, 0.5f, 0.7f, -0.4f, 0.3f, 1, 0, 1, 0.5f},
                                     {0.5f, 0, 0.9f, 0.25f, 0.2f, 1, 0, 1, 0.5f}};

struct transitions {
  index_t dimension;
  scored_range scored;
  std::vector<float> x, next, o, reference, old_output, advantage;
  std::vector<std::int32_t> step{1, 0, 0, 1, 1, 0};
  std::vector<double> old;

  transitions(index_t d, scored_range range)
      : dimension(d),
        scored(range),
        x(normals<float>(count * d, 1)),
        next(normals<float>(count * d, 2)),
        o(normals<float>(count * d, 3)),
        reference(normals<float>(count * d, 4)),
        old_output(normals<float>(count * d, 5)),
        advantage(normals<float>(count, 6)),
        old(count) {}

  [[nodiscard]] const step_row& row(index_t i) const {
    return table[static_cast<std::size_t>(step[static_cast<std::size_t>(i)])];
  }
  /// Sum over the scored coordinates of row i, or their mean.
  template <class Term>
  [[nodiscard]] double reduced(reduction over, const Term& term) const {
    double sum = 0;
    for (index_t d = 0; d < dimension; ++d)
      if (scored.has(d)) sum += term(d);
    return over == reduction::mean ? sum / static_cast<double>(scored.size(dimension)) : sum;
  }
  [[nodiscard]] double value(const std::vector<float>& of, index_t i, index_t d) const {
    return static_cast<double>(of[static_cast<std::size_t>(i * dimension + d)]);
  }
  /// log pi of row i with output `moved` moved by `by`.
  [[nodiscard]] double log_pi(index_t i, reduction over, index_t moved = -1, double by = 0) const {
    const double a = row(i).a, b = row(i).b, sigma = row(i).sigma;
    return reduced(over, [&](index_t d) {
      const double r = value(next, i, d) - a * value(x, i, d) - b * (value(o, i, d) + (d == moved ? by : 0));
      return -r * r / (2 * sigma * sigma) - std::log(sigma) - 0.5 * std::log(2 * std::acos(-1.0));
    });
  }
  [[nodiscard]] double kl(index_t i, reduction over, const std::vector<float>& other, index_t moved = -1,
                          double by = 0) const {
    const double b = row(i).b, sigma = row(i).sigma;
    return reduced(over, [&](index_t d) {
      const double off = value(o, i, d) + (d == moved ? by : 0) - value(other, i, d);
      return b * b * off * off / (2 * sigma * sigma);
    });
  }

  template <class Objective>
  std::vector<score> scored_into(std::vector<float>& gradient, const fewstep::loss_settings<Objective>& settings,
                                 reduction over, int threads = 1) {
    fewstep::cpu_backend backend({.threads = threads});
    std::vector<score> scores(count);
    const fewstep::array_extents<2> shape{count, dimension};
    gradient = o;
    fewstep::score_rows(backend, fewstep::scored_rows<Objective>{.x = {x.data(), shape},
                                                                 .next = {next.data(), shape},
                                                                 .o = {gradient.data(), shape},
                                                                 .reference = {reference.data(), shape},
                                                                 .old_output = {old_output.data(), shape},
                                                                 .step = step.data(),
                                                                 .old_log_probability = old.data(),
                                                                 .advantage = advantage.data(),
                                                                 .table = table.data(),
                                                                 .settings = &settings,
                                                                 .scores = scores.data(),
                                                                 .reduction = over,
                                                                 .scored = scored});
    return scores;
  }
};

}  // namespace

TEST_CASE("rows have a step and an advantage each, and the loss of the coordinates that are scored") {
  const auto over = GENERATE(reduction::mean, reduction::sum);
  const auto range = GENERATE(scored_range{}, scored_range{0, 7}, scored_range{5, 17}, scored_range{36, 1});
  transitions t(37, range);
  const fewstep::loss_settings<fewstep::reinforce> settings{{}, 0.3f, 4.0};
  for (index_t i = 0; i < count; ++i) t.old[static_cast<std::size_t>(i)] = t.log_pi(i, over) + 0.01;
  std::vector<float> gradient;
  const auto scores = t.scored_into(gradient, settings, over);
  for (index_t i = 0; i < count; ++i) {
    CAPTURE(i, range.first, range.count);
    const auto at = static_cast<std::size_t>(i);
    CHECK(scores[at].log_probability == Approx(t.log_pi(i, over)).epsilon(1e-5).margin(1e-5));
    CHECK(scores[at].reference_kl == Approx(t.kl(i, over, t.reference)).epsilon(1e-5));
    CHECK(static_cast<double>(scores[at].log_ratio) == Approx(-0.01).margin(2e-4));
    const auto loss = [&](index_t d, double by) {
      const double advantage = static_cast<double>(t.advantage[at]);
      return (-advantage * t.log_pi(i, over, d, by) +
              static_cast<double>(settings.coefficient) * t.kl(i, over, t.reference, d, by)) /
             settings.rows;
    };
    for (index_t d = 0; d < t.dimension; ++d) {
      const float g = gradient[static_cast<std::size_t>(i * t.dimension + d)];
      if (range.has(d))
        CHECK(static_cast<double>(g) == Approx((loss(d, 1e-4) - loss(d, -1e-4)) / 2e-4).epsilon(1e-4).margin(1e-6));
      else
        CHECK(g == 0.0f);
    }
  }
}

TEST_CASE("a trust region sees the coordinates that are scored, and nothing of the others") {
  const auto over = GENERATE(reduction::mean, reduction::sum);
  transitions t(40, {8, 20});
  const fewstep::loss_settings<fewstep::guarded_surrogate> settings{{0.5f}, 0.1f, 6.0};
  for (index_t i = 0; i < count; ++i) t.old[static_cast<std::size_t>(i)] = t.log_pi(i, over);
  std::vector<float> gradient, again;
  const auto scores = t.scored_into(gradient, settings, over);
  for (index_t i = 0; i < count; ++i)
    CHECK(scores[static_cast<std::size_t>(i)].divergence == Approx(t.kl(i, over, t.old_output)).epsilon(1e-5));
  for (index_t i = 0; i < count; ++i)
    for (auto* values : {&t.x, &t.next, &t.o, &t.reference, &t.old_output})
      for (const index_t d : {0, 7, 28, 39})
        (*values)[static_cast<std::size_t>(i * t.dimension + d)] = std::numeric_limits<float>::quiet_NaN();
  t.scored_into(again, settings, over);
  CHECK(again == gradient);
}

TEST_CASE("which rows are scored together changes no bit") {
  transitions t(300, {});  // two of six rows stand together on one thread, and each by itself on several
  const fewstep::loss_settings<fewstep::guarded_surrogate> settings{{0.5f}, 0.1f, 6.0};
  for (index_t i = 0; i < count; ++i) t.old[static_cast<std::size_t>(i)] = t.log_pi(i, reduction::mean);
  std::vector<float> gradient, other;
  const auto scores = t.scored_into(gradient, settings, reduction::mean);
  for (const int threads : {2, 3}) {
    const auto again = t.scored_into(other, settings, reduction::mean, threads);
    CHECK(same_bits(other, gradient));
    for (std::size_t i = 0; i < scores.size(); ++i) {
      CHECK(again[i].log_probability == scores[i].log_probability);
      CHECK(again[i].value == scores[i].value);
      CHECK(again[i].reference_kl == scores[i].reference_kl);
      CHECK(again[i].divergence == scores[i].divergence);
    }
  }
}
