// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/random.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
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

struct bootstrap_settings {
  int resamples = 10000;
  double confidence = 0.95;
  std::uint64_t seed = 0;
};

/// median(numerator) / median(denominator) of measurements made in pairs, with the percentile bootstrap's interval
/// (Efron 1979): pairs are drawn with replacement, so that what slows down both of a pair widens nothing.
/// Throws std::invalid_argument unless there are as many of both, and at least one.
[[nodiscard]] inline ratio_interval bootstrap_ratio(std::span<const double> numerator,
                                                    std::span<const double> denominator,
                                                    const bootstrap_settings& settings = {}) {
  const std::size_t n = numerator.size();
  fewstep::expects(n > 0 && n == denominator.size(), [&] {
    return fewstep::message("bootstrap_ratio: ", n, " and ", denominator.size(),
                            " measurements; give as many of both, and at least one");
  });
  const fewstep::random_stream source{settings.seed, fewstep::stream::evaluation};
  std::vector<double> top(n), bottom(n), ratios(static_cast<std::size_t>(settings.resamples));
  for (std::size_t k = 0; k < ratios.size(); ++k) {
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t drawn = source.below(static_cast<std::uint32_t>(n), k, 0, i);
      top[i] = numerator[drawn];
      bottom[i] = denominator[drawn];
    }
    ratios[k] = median(top) / median(bottom);
  }
  std::sort(ratios.begin(), ratios.end());
  const double tail = 0.5 * (1 - settings.confidence);
  const auto cut = static_cast<std::size_t>(tail * static_cast<double>(ratios.size()));
  return {median({numerator.begin(), numerator.end()}) / median({denominator.begin(), denominator.end()}), ratios[cut],
          ratios[ratios.size() - 1 - cut]};
}
