// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/core/settings.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <numbers>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace fewstep {

struct bootstrap_settings {
  int resamples = 10000;     ///< drawn; up to 5 values all n^n are listed instead
  double confidence = 0.95;  ///< in (0, 1)
  std::uint64_t seed = 0;

  static constexpr std::string_view name = "bootstrap";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("resamples", resamples, at_least(1));
    visit("confidence", confidence, above(0).below(1));
    visit("seed", seed);
  }
};

/// The ends of an interval.
struct interval {
  double low, high;

  [[nodiscard]] bool contains(double value) const { return low <= value && value <= high; }
};

/// A mean and its interval.
struct mean_interval {
  double mean, low, high;
};

/// Which of n values the bootstrap's resamples take: a list of resamples, each of n indices below n. Up to 5 values
/// these are all n^n <= 3125 equally likely ones, so that nothing is random; of more values `resamples` are drawn.
[[nodiscard]] inline std::vector<std::vector<std::size_t>> bootstrap_draws(std::size_t n,
                                                                           const bootstrap_settings& settings = {}) {
  check_settings(settings);
  expects(n > 0, "bootstrap_draws: there are no values; give at least one");
  std::vector<std::vector<std::size_t>> draws;
  if (n <= 5) {
    std::vector<std::size_t> draw(n, 0);
    for (std::size_t i = 0; i < n;) {  // counts in base n
      if (i == 0) draws.push_back(draw);
      if (++draw[i] == n)
        draw[i++] = 0;
      else
        i = 0;
    }
    return draws;
  }
  const random_stream source{settings.seed, stream::evaluation};
  draws.assign(static_cast<std::size_t>(settings.resamples), std::vector<std::size_t>(n));
  for (std::size_t k = 0; k < draws.size(); ++k)
    for (std::size_t i = 0; i < n; ++i) draws[k][i] = source.below(static_cast<std::uint32_t>(n), k, 0, i);
  return draws;
}

/// The percentile interval (Efron 1979) of a statistic, given its value in every resample. Infinite values are allowed.
[[nodiscard]] inline interval percentile_interval(std::vector<double> values, double confidence = 0.95) {
  expects(!values.empty() && confidence > 0 && confidence < 1, [&] {
    return message("percentile_interval: ", values.size(), " values and confidence ", confidence,
                   "; give values and a confidence between 0 and 1");
  });
  std::sort(values.begin(), values.end());
  const auto cut = static_cast<std::size_t>(0.5 * (1 - confidence) * static_cast<double>(values.size()));
  return {values[cut], values[values.size() - 1 - cut]};
}

namespace detail {

[[nodiscard]] inline double mean_of(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

/// P(|T| <= sqrt(degrees) tan(angle)) of Student's t: Abramowitz and Stegun (1964), 26.7.3 and 26.7.4.
[[nodiscard]] inline double student_probability(double angle, int degrees) {
  const double c = std::cos(angle), s = std::sin(angle);
  const bool odd = degrees % 2 == 1;
  double term = odd ? c : 1, sum = degrees > 1 ? term : 0;
  for (int k = odd ? 3 : 2; k <= degrees - 2; k += 2) sum += term *= c * c * (k - 1) / k;
  return odd ? (angle + s * sum) * 2 / std::numbers::pi : s * sum;
}

}  // namespace detail

/// Mean of the values and the percentile bootstrap's interval of it.
///
/// Of few values it is narrow. Of n <= 3 it is the range of the values, whose chance to hold the expectation of a
/// symmetric distribution is 1 - 2^(1 - n): 50 % with 2, 75 % with 3. (The two most extreme of the 27 resamples of 3
/// values have 3.7 % each.) Ten values and more come close to the confidence asked for; compare student_mean.
[[nodiscard]] inline mean_interval bootstrap_mean(std::span<const double> values,
                                                  const bootstrap_settings& settings = {}) {
  std::vector<double> means;
  for (const auto& draw : bootstrap_draws(values.size(), settings)) {
    double sum = 0;
    for (const std::size_t i : draw) sum += values[i];
    means.push_back(sum / static_cast<double>(values.size()));
  }
  const interval found = percentile_interval(std::move(means), settings.confidence);
  return {detail::mean_of(values), found.low, found.high};
}

/// Half the width of Student's interval in standard errors: 4.303 for 2 degrees of freedom and 95 %.
[[nodiscard]] inline double student_quantile(int degrees, double confidence = 0.95) {
  expects(degrees >= 1 && confidence > 0 && confidence < 1, [&] {
    return message("student_quantile: ", degrees, " degrees of freedom and confidence ", confidence,
                   "; use at least 1 and a confidence between 0 and 1");
  });
  double low = 0, high = std::numbers::pi / 2;
  for (int i = 0; i < 60; ++i) {
    const double middle = 0.5 * (low + high);
    (detail::student_probability(middle, degrees) < confidence ? low : high) = middle;
  }
  return std::sqrt(static_cast<double>(degrees)) * std::tan(low);
}

/// Mean of the values and Student's interval (1908), exact for normal values however few; infinite for a single one.
[[nodiscard]] inline mean_interval student_mean(std::span<const double> values, double confidence = 0.95) {
  expects(!values.empty(), "student_mean: there are no values; give at least one");
  const double mean = detail::mean_of(values), n = static_cast<double>(values.size());
  if (values.size() == 1)
    return {mean, -std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const double half =
      student_quantile(static_cast<int>(values.size()) - 1, confidence) * std::sqrt(squares / (n - 1) / n);
  return {mean, mean - half, mean + half};
}

/// Mean of values that are alike within a cluster, such as those of one prompt, and Student's interval of it with the
/// clusters as the independent units: the cluster-robust variance (Liang and Zeger 1986) with its factor n / (n - 1) of
/// n clusters. cluster[i] is any number that the values of a cluster share. With as many values in each it is
/// student_mean of the clusters' means; of a single cluster it is infinite.
[[nodiscard]] inline mean_interval clustered_mean(std::span<const double> values, std::span<const std::int32_t> cluster,
                                                  double confidence = 0.95) {
  expects(!values.empty() && values.size() == cluster.size(), [&] {
    return message("clustered_mean: ", values.size(), " values of ", cluster.size(),
                   " clusters; give values, and the cluster of each");
  });
  const double mean = detail::mean_of(values);
  std::map<std::int32_t, double> of_cluster;  // sum of what differs from the mean
  for (std::size_t i = 0; i < values.size(); ++i) of_cluster[cluster[i]] += values[i] - mean;
  const auto n = static_cast<double>(of_cluster.size());
  if (of_cluster.size() == 1)
    return {mean, -std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
  double squares = 0;
  for (const auto& [number, sum] : of_cluster) squares += sum * sum;
  const double half = student_quantile(static_cast<int>(of_cluster.size()) - 1, confidence) *
                      std::sqrt(squares * n / (n - 1)) / static_cast<double>(values.size());
  return {mean, mean - half, mean + half};
}

}  // namespace fewstep
