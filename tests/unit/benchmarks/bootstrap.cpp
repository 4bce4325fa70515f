// SPDX-License-Identifier: Apache-2.0
#include "../../../benchmarks/compare/bootstrap.hpp"

#include "test.hpp"

#include <cmath>
#include <cstdint>
#include <vector>

TEST_CASE("The median is the middle value, or the mean of the middle two") {
  CHECK(median({3.0}) == 3.0);
  CHECK(median({5.0, 1.0, 4.0}) == 4.0);
  CHECK(median({7.0, 1.0, 2.0, 100.0}) == 4.5);
  CHECK_THROWS_WITH(median({}), contains("no values"));
}

TEST_CASE("The bootstrap of two pairs has the three outcomes that can be listed") {
  // Each pair twice with probability 1/4, both with 1/2, so a 40 % interval is the middle outcome alone.
  const std::vector<double> a{2.0, 9.0}, b{1.0, 3.0};
  const ratio_interval wide = bootstrap_ratio(a, b), narrow = bootstrap_ratio(a, b, {.confidence = 0.4});
  CHECK(wide.ratio == 5.5 / 2.0);
  CHECK(wide.low == 2.0);
  CHECK(wide.high == 3.0);
  CHECK(narrow.low == 5.5 / 2.0);
  CHECK(narrow.high == 5.5 / 2.0);
}

namespace {

/// Smallest k for which the bootstrapped median of n (odd) different values is, with at least this probability, at most
/// the k-th smallest: at least (n + 1) / 2 of n draws must be among the k smallest, which is a binomial tail.
int order_statistic(int n, double probability) {
  for (int k = 1;; ++k) {
    const double p = static_cast<double>(k) / n;
    double tail = 0;
    for (int successes = (n + 1) / 2; successes <= n; ++successes)
      tail += std::exp(std::lgamma(n + 1.0) - std::lgamma(successes + 1.0) - std::lgamma(n - successes + 1.0)) *
              std::pow(p, successes) * std::pow(1 - p, n - successes);
    if (tail >= probability) return k;
  }
}

}  // namespace

TEST_CASE("The interval of one median ends at the order statistics that the binomial distribution gives") {
  for (const int n : {5, 11, 15}) {
    CAPTURE(n);
    std::vector<double> values, ones(static_cast<std::size_t>(n), 1.0);
    for (int i = 0; i < n; ++i) values.push_back(1.0 + (i * 7) % n);  // 1 .. n, shuffled
    const ratio_interval found = bootstrap_ratio(values, ones, {.resamples = 100000});
    CHECK(found.low == order_statistic(n, 0.025));
    CHECK(found.high == order_statistic(n, 0.975));
  }
}

TEST_CASE("What slows down both measurements of a pair does not widen the interval") {
  const std::vector<double> load{1, 5, 2, 9, 3, 7, 4, 8, 6, 2.5};
  std::vector<double> slower;
  for (const double x : load) slower.push_back(1.25 * x);
  const ratio_interval found = bootstrap_ratio(slower, load);
  CHECK(found.low == Approx(1.25).epsilon(1e-12));
  CHECK(found.high == Approx(1.25).epsilon(1e-12));
  CHECK(found.excludes_one());
}

TEST_CASE("The interval holds the true ratio about as often as it says") {
  // 400 experiments of 21 pairs with a true ratio of 1.1. The percentile bootstrap of a median promises 95 % only
  // roughly; an exact 93 % would be found below 87 % (348 of 400) with a probability of 1e-5 and above 99.5 % with
  // less.
  const std::uint64_t seed = 5;
  CAPTURE(seed);
  const fewstep::random_stream random{seed, fewstep::stream::user};
  int held = 0;
  constexpr int experiments = 400, pairs = 21;
  for (std::uint32_t e = 0; e < experiments; ++e) {
    std::vector<double> a, b;
    for (std::uint64_t i = 0; i < pairs; ++i) {
      a.push_back(1.1 * std::exp(0.1 * static_cast<double>(random.normal(i, e, 0))));
      b.push_back(std::exp(0.1 * static_cast<double>(random.normal(i, e, 1))));
    }
    const ratio_interval found = bootstrap_ratio(a, b, {.resamples = 1000, .seed = e});
    held += found.low <= 1.1 && 1.1 <= found.high ? 1 : 0;
  }
  CAPTURE(held);
  CHECK(held >= 340);
  CHECK(held < 399);
}

TEST_CASE("Bootstrapping refuses measurements that are not in pairs") {
  const std::vector<double> two{1, 2}, one{1}, none;
  CHECK_THROWS_WITH(bootstrap_ratio(two, one), contains("2 and 1 measurements"));
  CHECK_THROWS_WITH(bootstrap_ratio(none, none), contains("at least one"));
}
