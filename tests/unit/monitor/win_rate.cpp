// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/core/random.hpp>
#include <fewstep/monitor/win_rate.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

using namespace fewstep;
using Catch::Matchers::WithinAbs;

namespace {

// Found by statsmodels 0.15: OLS on a constant, cov_type "cluster", use_t.
const std::vector<double> outcomes{1, 1, 0.5, 0, 1, 1, 1, 0, 0, 1, 0.5, 1};
const std::vector<std::int32_t> unequal{3, 3, 3, 7, 7, 1, 1, 1, 1, 9, 12, 12};
constexpr double mean_found = 0.6666666666666666, low_found = 0.415274894337242, high_found = 0.9180584389960917;

}  // namespace

TEST_CASE("a mean over clusters has the interval that another program finds") {
  const mean_interval found = clustered_mean(outcomes, unequal);
  CHECK_THAT(found.mean, WithinAbs(mean_found, 1e-15));
  CHECK_THAT(found.low, WithinAbs(low_found, 1e-12));
  CHECK_THAT(found.high, WithinAbs(high_found, 1e-12));
}

TEST_CASE("a mean over clusters of one size is that of their means, and of single values that of these") {
  const std::vector<double> values{1, 4, 2, 0, 7, 5};
  const std::vector<std::int32_t> in_pairs{5, 5, -2, -2, 8, 8}, alone{0, 1, 2, 3, 4, 5};
  const std::vector<double> means{2.5, 1, 6};
  const auto expect_alike = [](const mean_interval& a, const mean_interval& b) {
    CHECK_THAT(a.mean, WithinAbs(b.mean, 1e-14));
    CHECK_THAT(a.low, WithinAbs(b.low, 1e-13));
    CHECK_THAT(a.high, WithinAbs(b.high, 1e-13));
  };
  expect_alike(clustered_mean(values, in_pairs), student_mean(means));
  expect_alike(clustered_mean(values, alone, 0.8), student_mean(values, 0.8));
  CHECK(clustered_mean(means, std::vector<std::int32_t>{1, 1, 1}).high == std::numeric_limits<double>::infinity());
}

TEST_CASE("a win rate counts ties as half, and has the interval of the outcomes over clusters") {
  const std::vector<float> theirs(outcomes.size(), 3.0f);
  std::vector<float> ours;
  for (const double outcome : outcomes) ours.push_back(static_cast<float>(2.5 + outcome));
  const win_rate found = win_rate_of(ours, theirs, unequal);
  CHECK_THAT(found.rate, WithinAbs(mean_found, 1e-15));
  CHECK_THAT(found.low, WithinAbs(low_found, 1e-12));
  CHECK_THAT(found.high, WithinAbs(std::min(1.0, high_found), 1e-12));
  CHECK_THAT(found.ties, WithinAbs(2.0 / 12, 1e-15));
  CHECK(found.clusters == 5);
  CHECK(found.comparisons == 12);
  CHECK(found.is_won() == (low_found > 0.5));

  const win_rate wide = win_rate_of(ours, theirs, unequal, 0.5f);  // all within the tie
  CHECK(wide.rate == 0.5);
  CHECK(wide.ties == 1);
  CHECK_FALSE(wide.is_won());
}

TEST_CASE("a win rate of all or none has the end of Clopper and Pearson") {
  const std::vector<float> more(20, 1.0f), less(20, 0.0f);
  std::vector<std::int32_t> cluster;
  for (std::int32_t i = 0; i < 20; ++i) cluster.push_back(i / 2);
  const win_rate all = win_rate_of(more, less, cluster), none = win_rate_of(less, more, cluster);
  CHECK_THAT(std::pow(all.low, 10), WithinAbs(0.025, 1e-12));  // ten clusters are all won with this probability
  CHECK(all.high == 1);
  CHECK(all.is_won());
  CHECK(none.low == 0);
  CHECK_THAT(std::pow(1 - none.high, 10), WithinAbs(0.025, 1e-12));
  CHECK_FALSE(none.is_won());
}

TEST_CASE("the interval of a win rate holds the expectation where samples of a prompt are alike") {
  // 40 prompts of 8 samples, each prompt with a win rate of its own, uniform in (0, 1): the expectation is 1/2. The
  // share of 1500 intervals with it has the error 0.0056; four of these, and the skewness, are allowed. Intervals that
  // take the samples to be independent have sqrt((1 + 7 / 3)) = 1.83 times too small an error: 71 %.
  const random_stream random{4, stream::evaluation};
  std::vector<std::int32_t> prompt, alone;
  for (std::int32_t i = 0; i < 320; ++i) prompt.push_back(i / 8), alone.push_back(i);
  const std::vector<float> zero(320, 0.0f);
  int held = 0, held_alone = 0;
  constexpr int runs = 1500;
  for (std::uint64_t run = 0; run < runs; ++run) {
    std::vector<float> score;
    for (std::uint32_t i = 0; i < 320; ++i)
      score.push_back(random.uniform(run, i) < random.uniform(run, i / 8, 1) ? 1.0f : -1.0f);
    const win_rate found = win_rate_of(score, zero, prompt), independent = win_rate_of(score, zero, alone);
    held += found.low <= 0.5 && 0.5 <= found.high ? 1 : 0;
    held_alone += independent.low <= 0.5 && 0.5 <= independent.high ? 1 : 0;
  }
  CHECK_THAT(static_cast<double>(held) / runs, WithinAbs(0.95, 0.025));
  CHECK_THAT(static_cast<double>(held_alone) / runs, WithinAbs(0.715, 0.05));
}

TEST_CASE("a win rate refuses other numbers of scores and clusters, and scores that are not finite") {
  const std::vector<float> two{1, 2}, bad{1, std::numeric_limits<float>::quiet_NaN()};
  const std::vector<std::int32_t> clusters{0, 1}, one{0};
  CHECK_THROWS_WITH(win_rate_of(two, std::vector<float>{1}, clusters), contains("2 scores are compared with 1"));
  CHECK_THROWS_WITH(win_rate_of(two, two, one), contains("of 1 clusters"));
  CHECK_THROWS_WITH(win_rate_of({}, {}, {}), contains("at least one"));
  CHECK_THROWS_WITH(win_rate_of(two, bad, clusters), contains("comparison 1 are 2 and nan"));
  CHECK_THROWS_WITH(clustered_mean(std::vector<double>{1}, clusters), contains("1 values of 2 clusters"));
}
