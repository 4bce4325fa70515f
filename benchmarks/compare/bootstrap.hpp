// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/monitor/bootstrap.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

/// Median; of an even number of values the mean of the middle two. There must be one value at least.
[[nodiscard]] inline double median(std::vector<double> values) {
  fewstep::expects(!values.empty(), "median: there are no values; give at least one");
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return 0.5 * (*std::max_element(values.begin(), middle) + *middle);
}

/// A ratio and its percentile interval.
struct ratio_interval {
  double ratio, low, high;

  [[nodiscard]] bool excludes_one() const { return low > 1 || high < 1; }
};

/// median(numerator) / median(denominator) of measurements made in pairs, with the percentile bootstrap's interval
/// (Efron 1979): pairs are drawn with replacement, so that what slows down both of a pair widens nothing.
/// Throws std::invalid_argument unless there are as many of both, and at least one.
[[nodiscard]] inline ratio_interval bootstrap_ratio(std::span<const double> numerator,
                                                    std::span<const double> denominator,
                                                    const fewstep::bootstrap_settings& settings = {}) {
  const std::size_t n = numerator.size();
  fewstep::expects(n > 0 && n == denominator.size(), [&] {
    return fewstep::message("bootstrap_ratio: ", n, " and ", denominator.size(),
                            " measurements; give as many of both, and at least one");
  });
  std::vector<double> top(n), bottom(n), ratios;
  for (const auto& draw : fewstep::bootstrap_draws(n, settings)) {
    for (std::size_t i = 0; i < n; ++i) {
      top[i] = numerator[draw[i]];
      bottom[i] = denominator[draw[i]];
    }
    ratios.push_back(median(top) / median(bottom));
  }
  const fewstep::interval found = fewstep::percentile_interval(std::move(ratios), settings.confidence);
  return {median({numerator.begin(), numerator.end()}) / median({denominator.begin(), denominator.end()}), found.low,
          found.high};
}
