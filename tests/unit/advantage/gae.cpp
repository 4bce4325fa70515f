// SPDX-License-Identifier: Apache-2.0
#include "support/arrays.hpp"
#include "test.hpp"

#include <fewstep/advantage/gae.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

using Catch::Matchers::StartsWith;
using fewstep::array_extents;
using fewstep::gae;
using fewstep::index_t;
using fewstep::matrix;
using fewstep::step_end;
using fewstep::tensor_view;
using fewstep::valued_steps;

namespace {

/// Steps with rewards and values of random numbers, [T, B].
struct episodes {
  index_t steps, count;
  std::vector<float> rewards, values, next_values;
  std::vector<step_end> ends;

  episodes(index_t t, index_t b)
      : steps(t),
        count(b),
        rewards(fewstep::test::normals<float>(t * b, 1)),
        values(fewstep::test::normals<float>(t * b, 2)),
        next_values(fewstep::test::normals<float>(t * b, 3)),
        ends(static_cast<std::size_t>(t * b), step_end::none) {
    for (index_t k = 0; k + 1 < t; ++k)
      for (index_t i = 0; i < b; ++i) next_values[at(k, i)] = values[at(k + 1, i)];
  }
  [[nodiscard]] std::size_t at(index_t k, index_t i) const { return static_cast<std::size_t>(k * count + i); }
  [[nodiscard]] valued_steps view() const {
    const array_extents<2> shape{steps, count};
    return {{rewards.data(), shape}, {values.data(), shape}, {next_values.data(), shape}, {ends.data(), shape}};
  }
  /// Ends episode i behind step k; the next begins with a state of its own.
  void end(index_t k, index_t i, step_end how) {
    ends[at(k, i)] = how;
    next_values[at(k, i)] = 17;
  }
};

struct estimate {
  std::vector<float> advantages, returns;
  estimate(const episodes& e, gae rule) : advantages(e.rewards.size()), returns(e.rewards.size()) {
    const array_extents<2> shape{e.steps, e.count};
    rule(e.view(), {advantages.data(), shape}, {returns.data(), shape});
  }
};

/// The sum over l of (discount lambda)^l delta_{k+l}, term by term, up to the end of the episode or of the rows.
double direct_sum(const episodes& e, gae rule, index_t k, index_t i) {
  double sum = 0;
  for (index_t l = 0; k + l < e.steps; ++l) {
    const std::size_t at = e.at(k + l, i);
    const bool over = e.ends[at] == step_end::termination;
    const double delta = static_cast<double>(e.rewards[at]) +
                         static_cast<double>(rule.discount) * (over ? 0.0 : static_cast<double>(e.next_values[at])) -
                         static_cast<double>(e.values[at]);
    sum +=
        std::pow(static_cast<double>(rule.discount) * static_cast<double>(rule.lambda), static_cast<double>(l)) * delta;
    if (e.ends[at] != step_end::none) break;
  }
  return sum;
}

}  // namespace

TEST_CASE("the recursion of GAE is the direct sum") {
  episodes e(12, 4);
  e.end(3, 1, step_end::termination);
  e.end(3, 2, step_end::truncation);
  e.end(7, 2, step_end::termination);
  e.end(11, 3, step_end::termination);
  for (const gae rule : {gae{0.99f, 0.95f}, gae{0.5f, 0.3f}, gae{1.0f, 1.0f}, gae{1.0f, 0.0f}, gae{0.0f, 0.9f}}) {
    const estimate made(e, rule);
    for (index_t k = 0; k < e.steps; ++k)
      for (index_t i = 0; i < e.count; ++i) {
        CAPTURE(k, i, rule.discount, rule.lambda);
        const double expected = direct_sum(e, rule, k, i);
        CHECK(static_cast<double>(made.advantages[e.at(k, i)]) == Approx(expected).margin(1e-5));
        CHECK(static_cast<double>(made.returns[e.at(k, i)]) ==
              Approx(expected + static_cast<double>(e.values[e.at(k, i)])).margin(1e-5));
      }
  }
}

TEST_CASE("lambda of 0 looks one step ahead, and lambda of 1 at all rewards") {
  episodes e(6, 3);
  e.end(2, 0, step_end::termination);
  e.end(2, 1, step_end::truncation);
  const double discount = static_cast<double>(0.9f);
  const estimate near(e, {0.9f, 0.0f}), far(e, {0.9f, 1.0f});
  for (index_t i = 0; i < e.count; ++i)
    for (index_t k = 0; k < e.steps; ++k) {
      const auto next_of = [&](index_t j) {
        return e.ends[e.at(j, i)] == step_end::termination ? 0.0 : static_cast<double>(e.next_values[e.at(j, i)]);
      };
      CHECK(static_cast<double>(near.returns[e.at(k, i)]) ==
            Approx(static_cast<double>(e.rewards[e.at(k, i)]) + discount * next_of(k)).margin(1e-5));
      double sum = 0, factor = 1;
      index_t last = k;
      for (;; ++last) {
        sum += factor * static_cast<double>(e.rewards[e.at(last, i)]);
        factor *= discount;
        if (e.ends[e.at(last, i)] != step_end::none || last + 1 == e.steps) break;
      }
      CHECK(static_cast<double>(far.returns[e.at(k, i)]) == Approx(sum + factor * next_of(last)).margin(1e-5));
    }
}

TEST_CASE("a termination and a truncation differ by the value of what followed, and cut alike") {
  episodes e(5, 1), other = e;
  e.end(2, 0, step_end::termination);
  other.end(2, 0, step_end::truncation);
  const gae rule{0.5f, 0.8f};
  const estimate over(e, rule), cut(other, rule);
  CHECK(cut.advantages[2] - over.advantages[2] == Approx(0.5 * 17));
  CHECK(cut.advantages[1] - over.advantages[1] == Approx(0.5 * 0.8 * 0.5 * 17));
  CHECK(cut.advantages[3] == over.advantages[3]);
  // What comes after the cut is another episode's.
  other.rewards[3] += 1;
  CHECK(estimate(other, rule).advantages[2] == cut.advantages[2]);
  CHECK(estimate(other, rule).advantages[3] == Approx(cut.advantages[3] + 1));
}

TEST_CASE("with the true values of a chain the advantages are 0, whatever lambda is") {
  // Rewards 1, 2, 3 and then nothing, discount 1/2: V = 1 + (2 + 3/2) / 2, 2 + 3/2, 3.
  episodes e(3, 1);
  e.rewards = {1, 2, 3};
  e.values = {2.75f, 3.5f, 3};
  e.next_values = {3.5f, 3, 99};
  e.ends[2] = step_end::termination;
  for (const float lambda : {0.0f, 0.4f, 1.0f}) {
    const estimate made(e, {0.5f, lambda});
    CHECK(made.advantages == std::vector<float>{0, 0, 0});
    CHECK(made.returns == e.values);
  }
}

TEST_CASE("advantages may take the place of the rewards") {
  const episodes e(7, 3);
  const estimate made(e, {});
  episodes in_place = e;
  const array_extents<2> shape{7, 3};
  std::vector<float> returns(21);
  gae{}(in_place.view(), {in_place.rewards.data(), shape}, {returns.data(), shape});
  CHECK(in_place.rewards == made.advantages);
  CHECK(returns == made.returns);
}

TEST_CASE("GAE refuses shapes that do not agree and settings outside their range") {
  const episodes e(3, 2);
  std::vector<float> out(6);
  const matrix<float> to{out.data(), {3, 2}};
  CHECK_THROWS_WITH(gae{}(e.view(), {out.data(), {2, 2}}),
                    StartsWith("gae: advantages are [2, 2], but the rewards are [3, 2]; give one for each step and "
                               "episode"));
  auto steps = e.view();
  steps.next_values = {e.values.data(), {2, 2}};
  CHECK_THROWS_WITH(gae{}(steps, to), StartsWith("gae: next_values are [2, 2]"));
  CHECK_THROWS_WITH(gae{.discount = 1.5f}(e.view(), to), contains("discount"));
  CHECK_THROWS_WITH(gae{.lambda = -0.1f}(e.view(), to), contains("lambda"));
}
