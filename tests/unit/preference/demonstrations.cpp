// SPDX-License-Identifier: Apache-2.0
// Demonstrations: which samples of an update count as good ones.
#include "support/arrays.hpp"
#include "test.hpp"

#include <fewstep/preference/feature_set.hpp>
#include <fewstep/preference/greedy_swap.hpp>
#include <fewstep/preference/judged_samples.hpp>
#include <fewstep/preference/mean_of.hpp>
#include <fewstep/preference/set_judge.hpp>
#include <fewstep/preference/threshold_judge.hpp>
#include <fewstep/reward/per_sample.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

using namespace fewstep;
using fewstep::test::normals;

namespace {

constexpr index_t n = 20, p = 3;
const std::vector<float> first = normals<float>(n * p, 1), second = normals<float>(n * p, 2);
const matrix<const float> of_first{first.data(), {n, p}}, of_second{second.data(), {n, p}};

const mean_of middle([](vec<const float> f) { return f[1]; });

/// A set reward of one's own: how far the mean of the first feature is from 1/2.
const auto half = [](matrix<const float> f) {
  double mean = 0;
  for (index_t i = 0; i < f.rows(); ++i) mean += static_cast<double>(f(i, 0)) / static_cast<double>(f.rows());
  return -std::abs(mean - 0.5);
};

}  // namespace

TEST_CASE("for the mean of an instance reward a greedy swap takes the better member of each pair") {
  const demonstrations d = greedy_swap(middle, of_first, of_second);
  double better = 0, worse = 0;
  for (index_t i = 0; i < n; ++i) {
    const float a = of_first(i, 1), b = of_second(i, 1);
    CHECK(d.labels[static_cast<std::size_t>(i)] == (a > b ? 1.0f : -1.0f));
    better += static_cast<double>(std::max(a, b)) / n;
    worse += static_cast<double>(std::min(a, b)) / n;
  }
  CHECK(d.positive == Approx(better).epsilon(1e-12));
  CHECK(d.negative == Approx(worse).epsilon(1e-12));
  CHECK(greedy_swap(middle, of_first, of_second, {.gain = swap_gain::difference}).labels == d.labels);
}

TEST_CASE("a set reward is any function of features, and a greedy swap never lowers it") {
  const demonstrations d = greedy_swap(half, of_first, of_second);
  CHECK(d.positive >= std::max(d.first, d.second));
  CHECK(d.positive > std::max(d.first, d.second));
  std::vector<float> positive, negative;
  for (index_t i = 0; i < n; ++i) {
    const bool is_first = d.labels[static_cast<std::size_t>(i)] > 0;
    const float *good = (is_first ? of_first : of_second).row(i), *bad = (is_first ? of_second : of_first).row(i);
    positive.insert(positive.end(), good, good + p);
    negative.insert(negative.end(), bad, bad + p);
  }
  CHECK(half({positive.data(), {n, p}}) == d.positive);
  CHECK(half({negative.data(), {n, p}}) == d.negative);

  const demonstrations longer = greedy_swap(half, of_first, of_second, {.passes = 9});
  CHECK(longer.positive >= d.positive);
  const demonstrations apart = greedy_swap(half, of_first, of_second, {.gain = swap_gain::difference});
  CHECK(apart.positive - apart.negative >= std::abs(d.first - d.second));
  CHECK(apart.positive - apart.negative >= d.positive - d.negative);
}

TEST_CASE("sets that cannot be shared out are refused") {
  const matrix<const float> none{first.data(), {0, p}};
  CHECK_THROWS_WITH(greedy_swap(middle, none, none), contains("greedy_swap: there are 0 first members of 3 features") &&
                                                         contains("the demonstrations would be empty"));
  CHECK_THROWS_WITH(greedy_swap(middle, of_first, none), contains("20 first members of 3 features and 0 second ones"));
  auto broken = second;
  broken[3 * 4 + 2] = INFINITY;
  CHECK_THROWS_WITH(greedy_swap(middle, of_first, {broken.data(), {n, p}}), contains("feature 2 of row 4 is inf"));
  const auto infinite_at = [](float at_1, float at_2) {
    return [=](matrix<const float> f) { return f(1, 0) == at_1 && f(2, 0) == at_2 ? INFINITY : 0.0f; };
  };
  CHECK_THROWS_WITH(greedy_swap(infinite_at(second[3], second[6]), of_first, of_second),
                    contains("greedy_swap: the reward of the second members is inf; it must be finite"));
  CHECK_THROWS_WITH(greedy_swap(infinite_at(first[3], second[6]), of_first, of_second),
                    contains("the reward of the set with the other member of pair 2 is inf"));
  CHECK_THROWS_WITH(greedy_swap(middle, of_first, of_second, {.passes = 0}), contains("passes is 0"));
}

TEST_CASE("a judge of sets labels pairs by the features of their members") {
  // Samples of two values, of which the product is a feature.
  sample_features encoder(1, [](vec<const float> x, vec<float> f) { f[0] = x[0] * x[1]; });
  set_judge judge(std::ref(encoder), mean_of([](vec<const float> f) { return f[0]; }));
  const std::vector<float> a{1, 1, 2, 2, 0, 5}, b{1, 2, 1, 1, 1, 1};
  const std::vector<std::int32_t> contexts(3);
  std::vector<float> labels(3);
  judge(matrix<const float>{a.data(), {3, 2}}, matrix<const float>{b.data(), {3, 2}},
        std::span<const std::int32_t>(contexts), matrix<float>{labels.data(), {3, 1}});
  CHECK(labels == std::vector<float>{-1, 1, -1});
  CHECK(judge.last().positive == Approx(7.0 / 3));
  CHECK(judge.last().negative == Approx(2.0 / 3));
  CHECK_THROWS_WITH(judge(matrix<const float>{a.data(), {3, 2}}, matrix<const float>{b.data(), {3, 2}},
                          std::span<const std::int32_t>(contexts), matrix<float>{labels.data(), {1, 3}}),
                    contains("set_judge: labels of 3 segments are asked for"));
}

TEST_CASE("samples are good above a threshold, which is their median where none is given") {
  std::vector<float> labels(5);
  const auto label = [&](const std::vector<float>& rewards, threshold_judge_options o = {}) {
    labels.assign(rewards.size(), 7.0f);
    label_by_threshold(rewards, labels, o);
    return labels;
  };
  CHECK(label({3, 1, 2, 5, 4}) == std::vector<float>{0, -1, -1, 1, 1});
  CHECK(label({3, 1, 2, 5}) == std::vector<float>{1, -1, -1, 1});
  CHECK(label({3, 1, 2, 5}, {.at = 4}) == std::vector<float>{-1, -1, -1, 1});
  CHECK_THROWS_WITH(label({3, 1, 2}, {.at = 4}), contains("threshold_judge: D+ is empty, as no reward of 3 samples is "
                                                          "above 4 (they are 1 to 3); lower `at`"));
  CHECK_THROWS_WITH(label({3, 1, 2}, {.at = 0}),
                    contains("D- is empty") && contains("below 0") && contains("raise `at`"));
  CHECK_THROWS_WITH(label({2, 2, 2}), contains("D+ is empty"));
  CHECK_THROWS_WITH(label({}), contains("0 rewards"));
  CHECK_THROWS_WITH(label({1, NAN}), contains("the reward of sample 1 is nan"));
}

TEST_CASE("both members of a pair are samples that are judged one by one") {
  const auto counted = [](std::int64_t update, matrix<float> a, matrix<float> b, std::span<std::int32_t> contexts) {
    for (index_t i = 0; i < a.rows(); ++i) {
      a(i, 0) = static_cast<float>(update * 10 + i);
      b(i, 0) = -a(i, 0);
      contexts[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(i + 1);
    }
  };
  judged_samples source(counted, threshold_judge(per_sample([](vec<const float> x, std::int32_t) { return x[0]; })));
  std::vector<float> x(4), labels(4);
  std::vector<std::int32_t> contexts(4);
  const auto ask = [&](index_t count) {
    source(1, matrix<float>{x.data(), {count, 1}}, std::span(contexts).first(static_cast<std::size_t>(count)),
           matrix<float>{labels.data(), {count, 1}});
  };
  ask(4);
  CHECK(x == std::vector<float>{10, 11, -10, -11});
  CHECK(labels == std::vector<float>{1, 1, -1, -1});
  CHECK(contexts == std::vector<std::int32_t>{1, 2, 1, 2});
  CHECK_THROWS_WITH(ask(3), contains("judged_samples: 3 samples are asked for, which come in pairs"));
}
