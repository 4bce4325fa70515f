// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/monitor/bootstrap.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace fewstep {

/// What one run measured: y[i] at x[i], x rising (updates, seconds, queries). Between two points it is a straight line.
struct run_curve {
  std::vector<double> x = {};
  std::vector<double> y = {};
};

namespace detail {

inline void require_curve(const run_curve& curve) {
  expects(!curve.x.empty() && curve.x.size() == curve.y.size(), [&] {
    return message("run_curve: ", curve.x.size(), " x and ", curve.y.size(), " y; give as many of both, at least one");
  });
  for (std::size_t i = 0; i < curve.x.size(); ++i)
    expects(std::isfinite(curve.x[i]) && std::isfinite(curve.y[i]) && (i == 0 || curve.x[i] > curve.x[i - 1]), [&] {
      return message("run_curve: point ", i, " is (", curve.x[i], ", ", curve.y[i],
                     "); points are finite, and each x is above the one before");
    });
}

}  // namespace detail

/// The curve at x, which must lie in its range.
[[nodiscard]] inline double value_at(const run_curve& curve, double x) {
  detail::require_curve(curve);
  expects(curve.x.front() <= x && x <= curve.x.back(), [&] {
    return message("value_at: ", x, " is outside of the curve, which goes from ", curve.x.front(), " to ",
                   curve.x.back());
  });
  const auto after = static_cast<std::size_t>(std::upper_bound(curve.x.begin(), curve.x.end(), x) - curve.x.begin());
  if (after == curve.x.size()) return curve.y.back();
  const std::size_t i = after - 1;
  return curve.y[i] + (curve.y[after] - curve.y[i]) * ((x - curve.x[i]) / (curve.x[after] - curve.x[i]));
}

/// Mean height of the curve: the area under it over the length of its range.
[[nodiscard]] inline double mean_height(const run_curve& curve) {
  detail::require_curve(curve);
  if (curve.x.size() == 1) return curve.y.front();
  double area = 0;
  for (std::size_t i = 1; i < curve.x.size(); ++i)
    area += 0.5 * (curve.y[i] + curve.y[i - 1]) * (curve.x[i] - curve.x[i - 1]);
  return area / (curve.x.back() - curve.x.front());
}

/// Points of the last `share` of the curve's range.
[[nodiscard]] inline run_curve end_of(const run_curve& curve, double share = 0.2) {
  detail::require_curve(curve);
  expects(share > 0 && share <= 1, [&] { return message("end_of: share is ", share, "; use one in (0, 1]"); });
  const double begin = curve.x.back() - share * (curve.x.back() - curve.x.front());
  const auto first = std::lower_bound(curve.x.begin(), curve.x.end(), begin) - curve.x.begin();
  return {{curve.x.begin() + first, curve.x.end()}, {curve.y.begin() + first, curve.y.end()}};
}

/// Slope of the least-squares line through the points of the last `share` of the curve's range.
///
/// Its interval is one over seeds: bootstrap_mean or student_mean of the slopes of several runs. Residuals within a run
/// would tell less, for neighbouring points of a run err together.
/// Throws std::invalid_argument if fewer than 3 points are there.
[[nodiscard]] inline double slope_at_end(const run_curve& curve, double share = 0.2) {
  const run_curve part = end_of(curve, share);
  expects(part.x.size() >= 3, [&] {
    return message("slope_at_end: there are ", part.x.size(), " points in the last ", share,
                   " of the curve; a slope needs 3");
  });
  const double x = detail::mean_of(part.x), y = detail::mean_of(part.y);
  double products = 0, squares = 0;
  for (std::size_t i = 0; i < part.x.size(); ++i) {
    products += (part.x[i] - x) * (part.y[i] - y);
    squares += (part.x[i] - x) * (part.x[i] - x);
  }
  return products / squares;
}

/// The first x from which on the curve is at this value or above it; none if it ends below.
[[nodiscard]] inline std::optional<double> reached_for_good(const run_curve& curve, double value) {
  detail::require_curve(curve);
  if (curve.y.back() < value) return std::nullopt;
  std::size_t first = curve.x.size() - 1;
  while (first > 0 && curve.y[first - 1] >= value) --first;
  if (first == 0) return curve.x.front();
  const double rise = curve.y[first] - curve.y[first - 1];
  return curve.x[first - 1] + (curve.x[first] - curve.x[first - 1]) * ((value - curve.y[first - 1]) / rise);
}

/// Runs over several seeds as one curve: mean[i] at x[i] with its interval from low[i] to high[i].
struct learning_curves {
  std::vector<double> x = {};
  std::vector<double> mean = {};
  std::vector<double> low = {};
  std::vector<double> high = {};
};

/// Mean over runs at `points` places, evenly spaced over the range that all runs cover, with bootstrap_mean's interval
/// over runs at each; see there for what few seeds mean. The runs are the seeds of one setting and differ in nothing
/// else. Throws std::invalid_argument if they have no range in common.
[[nodiscard]] inline learning_curves mean_over_seeds(std::span<const run_curve> runs, int points = 101,
                                                     const bootstrap_settings& settings = {}) {
  expects(!runs.empty() && points >= 2, [&] {
    return message("mean_over_seeds: ", runs.size(), " runs at ", points, " points; give a run and at least 2 points");
  });
  for (const run_curve& run : runs) detail::require_curve(run);
  double begin = runs.front().x.front(), end = runs.front().x.back();
  for (const run_curve& run : runs) {
    begin = std::max(begin, run.x.front());
    end = std::min(end, run.x.back());
  }
  expects(begin < end, [&] {
    return message("mean_over_seeds: the last run begins at ", begin, " and the first one ends at ", end,
                   "; give runs that overlap");
  });
  learning_curves all;
  std::vector<double> values(runs.size());
  for (int i = 0; i < points; ++i) {
    const double x = i + 1 < points ? begin + (end - begin) * i / (points - 1) : end;
    for (std::size_t r = 0; r < runs.size(); ++r) values[r] = value_at(runs[r], x);
    const mean_interval found = bootstrap_mean(values, settings);
    all.x.push_back(x);
    all.mean.push_back(found.mean);
    all.low.push_back(found.low);
    all.high.push_back(found.high);
  }
  return all;
}

}  // namespace fewstep
