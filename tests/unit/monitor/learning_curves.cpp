// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/monitor/bootstrap.hpp>
#include <fewstep/monitor/learning_curves.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <vector>

using namespace fewstep;

TEST_CASE("the bootstrap of few values lists all resamples, of many it draws as many as asked for") {
  const auto all = bootstrap_draws(3);
  REQUIRE(all.size() == 27);
  auto sorted = all;
  std::sort(sorted.begin(), sorted.end());
  std::size_t at = 0;
  for (std::size_t a = 0; a < 3; ++a)
    for (std::size_t b = 0; b < 3; ++b)
      for (std::size_t c = 0; c < 3; ++c) CHECK(sorted[at++] == std::vector<std::size_t>{a, b, c});
  CHECK(bootstrap_draws(5).size() == 3125);
  CHECK(bootstrap_draws(1) == std::vector<std::vector<std::size_t>>{{0}});

  const auto drawn = bootstrap_draws(6, {.resamples = 100, .seed = 3});
  CHECK(drawn.size() == 100);
  CHECK(drawn == bootstrap_draws(6, {.resamples = 100, .seed = 3}));
  CHECK(drawn != bootstrap_draws(6, {.resamples = 100, .seed = 4}));
  for (const auto& draw : drawn) CHECK(*std::max_element(draw.begin(), draw.end()) < 6);
}

TEST_CASE("the bootstrap interval of three means is their range, and of four what brute force finds") {
  const std::vector<double> three{2, 7, 3};
  const mean_interval found = bootstrap_mean(three);
  CHECK(found.mean == 4);
  CHECK(found.low == 2);
  CHECK(found.high == 7);

  // 256 means of {0, 1, 10, 100}; 6 on either side are cut off.
  const std::vector<double> four{0, 1, 10, 100};
  std::vector<double> means;
  for (const double a : four)
    for (const double b : four)
      for (const double c : four)
        for (const double d : four) means.push_back((a + b + c + d) / 4);
  std::sort(means.begin(), means.end());
  const mean_interval wide = bootstrap_mean(four);
  CHECK(wide.mean == 27.75);
  CHECK(wide.low == means[6]);
  CHECK(wide.high == means[249]);
}

TEST_CASE("the bootstrap interval of many values is the normal one") {
  // 400 values (i - 200.5) / 400, standard deviation 1 / sqrt(12): the mean has the error 0.01443. A percentile of
  // 100000 resamples near 2.5 % has an error of 0.0005 / density = 0.0085 standard errors; 6 of these are allowed.
  std::vector<double> values;
  for (int i = 1; i <= 400; ++i) values.push_back((i - 200.5) / 400);
  const mean_interval found = bootstrap_mean(values, {.resamples = 100000, .seed = 1});
  const double error = 1 / std::sqrt(12.0) / 20;
  CHECK(found.mean == Approx(0).margin(1e-12));
  CHECK(found.low / error == Approx(-1.95996).margin(0.051));
  CHECK(found.high / error == Approx(1.95996).margin(0.051));
}

TEST_CASE("Student's quantiles are those of the tables and of the closed forms") {
  const double published[][3] = {{1, 0.95, 12.706205}, {2, 0.95, 4.302653},  {3, 0.95, 3.182446},
                                 {4, 0.95, 2.776445},  {9, 0.95, 2.262157},  {9, 0.99, 3.249836},
                                 {30, 0.95, 2.042272}, {120, 0.95, 1.979930}};
  for (const auto& [degrees, confidence, quantile] : published)
    CHECK(student_quantile(static_cast<int>(degrees), confidence) == Approx(quantile).epsilon(1e-6));
  CHECK(student_quantile(1, 0.5) == Approx(1).epsilon(1e-12));
  for (const double p : {0.1, 0.8, 0.999}) {
    CHECK(student_quantile(1, p) == Approx(std::tan(std::numbers::pi / 2 * p)).epsilon(1e-9));
    CHECK(student_quantile(2, p) == Approx(p * std::sqrt(2 / (1 - p * p))).epsilon(1e-9));
  }

  const std::vector<double> values{1, 2, 6}, one{5};
  const mean_interval found = student_mean(values);
  CHECK(found.mean == 3);
  CHECK(found.high - 3 == Approx(4.302653 * std::sqrt(7.0 / 3)).epsilon(1e-6));
  CHECK(3 - found.low == Approx(found.high - 3));
  CHECK(student_mean(one).low == -std::numeric_limits<double>::infinity());
  CHECK(bootstrap_mean(one).low == 5);
}

TEST_CASE("with three seeds the bootstrap interval holds the expectation in 75 %, Student's in 95 %") {
  // 4000 experiments; six standard deviations of these shares are 0.041 and 0.021.
  const std::uint64_t seed = 11;
  CAPTURE(seed);
  const random_stream random{seed, stream::user};
  constexpr int experiments = 4000;
  int range = 0, student = 0;
  for (std::uint32_t e = 0; e < experiments; ++e) {
    std::vector<double> values;
    for (std::uint64_t i = 0; i < 3; ++i) values.push_back(static_cast<double>(random.normal(i, e)));
    const mean_interval b = bootstrap_mean(values), t = student_mean(values);
    range += b.low <= 0 && 0 <= b.high ? 1 : 0;
    student += t.low <= 0 && 0 <= t.high ? 1 : 0;
  }
  CHECK(range / double{experiments} == Approx(0.75).margin(0.041));
  CHECK(student / double{experiments} == Approx(0.95).margin(0.021));
}

TEST_CASE("runs are averaged over the range that all cover") {
  // y = s x + s, sampled at different places; linear, so that interpolation is exact.
  std::vector<run_curve> runs;
  for (const double s : {1.0, 2.0, 6.0}) {
    run_curve run;
    for (double x = 0.25 * s - 0.5; x < 9.5 + s; x += 0.5 + 0.1 * s) run.x.push_back(x), run.y.push_back(s * x + s);
    runs.push_back(run);
  }
  const double begin = 1.0, end = std::min({runs[0].x.back(), runs[1].x.back(), runs[2].x.back()});
  const learning_curves all = mean_over_seeds(runs, 7);
  REQUIRE(all.x.size() == 7);
  CHECK(all.x.front() == begin);
  CHECK(all.x.back() == end);
  for (std::size_t i = 0; i < 7; ++i) {
    CHECK(all.x[i] == Approx(begin + (end - begin) * static_cast<double>(i) / 6));
    CHECK(all.mean[i] == Approx(3 * all.x[i] + 3));
    CHECK(all.low[i] == Approx(all.x[i] + 1));
    CHECK(all.high[i] == Approx(6 * all.x[i] + 6));
  }
  CHECK(mean_over_seeds(std::vector<run_curve>{{{0, 2, 3}, {1, 5, 0}}}, 4).mean == std::vector<double>{1, 3, 5, 0});
}

TEST_CASE("a curve's height, end and slope are those that can be calculated") {
  const run_curve curve{{0, 1, 3}, {2, 4, 1}};
  CHECK(value_at(curve, 0) == 2);
  CHECK(value_at(curve, 0.5) == 3);
  CHECK(value_at(curve, 2) == 2.5);
  CHECK(value_at(curve, 3) == 1);
  CHECK(mean_height(curve) == Approx((3.0 + 5.0) / 3));

  run_curve bent;
  for (int i = 0; i <= 100; ++i) {
    const double x = i;
    bent.x.push_back(x);
    bent.y.push_back(x < 80 ? 5 * x : 400 + 0.5 * (x - 80) + (i % 2 == 0 ? 0.1 : -0.1));
  }
  CHECK(end_of(bent).x.front() == 80);
  CHECK(slope_at_end(bent) == Approx(0.5).epsilon(1e-12));  // alternating errors, symmetric about the middle
  CHECK(slope_at_end(bent, 0.1) == Approx(0.5).epsilon(1e-12));
  CHECK(slope_at_end({{0, 1, 2}, {0, 1, 5}}, 1) == Approx(2.5));
}

TEST_CASE("a value is reached where the curve stays at it or above") {
  const run_curve curve{{0, 1, 2, 3, 5}, {0, 4, 2, 6, 4}};
  CHECK(reached_for_good(curve, 3) == 2.25);
  CHECK(reached_for_good(curve, 4) == 2.5);
  CHECK(reached_for_good(curve, 2) == 0.5);
  CHECK(reached_for_good(curve, 0) == 0.0);
  CHECK(reached_for_good(curve, -1) == 0.0);
  CHECK_FALSE(reached_for_good(curve, 4.5));
  // By brute force on a fine grid.
  for (const double value : {0.3, 1.7, 2.3, 3.9}) {
    double last_below = 0;
    for (int i = 0; i <= 50000; ++i)
      if (value_at(curve, i * 1e-4) < value) last_below = i * 1e-4;
    CHECK(*reached_for_good(curve, value) == Approx(last_below).margin(1.1e-4));
  }
}

TEST_CASE("what is no curve is refused") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH(value_at({}, 0), contains("at least one"));
  CHECK_THROWS_WITH(value_at({{0, 1}, {1}}, 0), contains("2 x and 1 y"));
  CHECK_THROWS_WITH(value_at({{0, 1}, {1, nan}}, 0), contains("point 1 is (1, nan)"));
  CHECK_THROWS_WITH(mean_height({{0, 1, 1}, {1, 2, 3}}), contains("point 2 is (1, 3)"));
  CHECK_THROWS_WITH(value_at({{0, 1}, {1, 2}}, 1.5), contains("1.5 is outside"));
  CHECK_THROWS_WITH(slope_at_end({{0, 1, 2, 3}, {0, 1, 2, 3}}), contains("there are 1 points"));
  CHECK_THROWS_WITH(end_of({{0}, {0}}, 0), contains("share is 0"));
  CHECK_THROWS_WITH(mean_over_seeds(std::vector<run_curve>{{{0, 1}, {0, 1}}, {{2, 3}, {0, 1}}}),
                    contains("the last run begins at 2 and the first one ends at 1"));
  CHECK_THROWS_WITH(mean_over_seeds(std::vector<run_curve>{}), contains("0 runs"));
  CHECK_THROWS_WITH(bootstrap_mean(std::vector<double>{}), contains("there are no values"));
  CHECK_THROWS_WITH(student_mean(std::vector<double>{}), contains("no values"));
  CHECK_THROWS_WITH(student_quantile(0), contains("0 degrees"));
  CHECK_THROWS_WITH(percentile_interval({1.0}, 1.0), contains("confidence 1"));
}
