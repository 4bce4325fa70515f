// SPDX-License-Identifier: Apache-2.0
#include "comparison.hpp"

#include <algorithm>
#include <limits>

namespace paper {

using fewstep::run_curve;

bool labelled_runs::in(const std::string& figure) const {
  return std::find(figures.begin(), figures.end(), figure) != figures.end();
}

std::vector<run_curve> labelled_runs::over(const std::string& x, const std::string& y) const {
  std::vector<run_curve> curves;
  for (const auto& run : runs) curves.push_back(run.over(x, y));
  return curves;
}

std::vector<double> labelled_runs::first(const std::string& column) const {
  std::vector<double> values;
  for (const auto& run : runs) values.push_back(run.held_out[column].front());
  return values;
}

std::vector<double> labelled_runs::last(const std::string& column) const {
  std::vector<double> values;
  for (const auto& run : runs) values.push_back(run.held_out[column].back());
  return values;
}

std::vector<double> labelled_runs::summary(const std::string& figure) const {
  std::vector<double> values;
  for (const auto& run : runs) values.push_back(run.summary.value(figure, std::numeric_limits<double>::quiet_NaN()));
  return values;
}

std::vector<double> labelled_runs::at(const std::string& x_name, double x, const std::string& column) const {
  std::vector<double> values;
  for (const auto& run : runs) values.push_back(fewstep::value_at(run.over(x_name, column), x));
  return values;
}

namespace {

/// Runs on a common grid, so that the mean curve of a resample is cheap.
class sampled_runs {
 public:
  explicit sampled_runs(const std::vector<run_curve>& runs) {
    x_ = fewstep::mean_over_seeds(runs, points).x;
    for (const auto& run : runs) {
      auto& row = values_.emplace_back();
      for (const double x : x_) row.push_back(fewstep::value_at(run, x));
    }
  }

  [[nodiscard]] run_curve mean(const std::vector<std::size_t>& draw) const {
    run_curve curve{x_, std::vector<double>(x_.size(), 0.0)};
    for (const std::size_t run : draw)
      for (std::size_t i = 0; i < x_.size(); ++i) curve.y[i] += values_[run][i] / static_cast<double>(draw.size());
    return curve;
  }
  [[nodiscard]] std::vector<std::size_t> all() const {
    std::vector<std::size_t> indices(values_.size());
    for (std::size_t i = 0; i < indices.size(); ++i) indices[i] = i;
    return indices;
  }

 private:
  static constexpr int points = 401;
  std::vector<double> x_;
  std::vector<std::vector<double>> values_;
};

double first_time_at(const run_curve& curve, double value) {
  std::size_t i = 0;
  while (i + 1 < curve.y.size() && curve.y[i] < value) ++i;
  if (i == 0 || curve.y[i] <= curve.y[i - 1]) return curve.x[i];
  return curve.x[i - 1] + (curve.x[i] - curve.x[i - 1]) * ((value - curve.y[i - 1]) / (curve.y[i] - curve.y[i - 1]));
}

struct times {
  double level, slow;
  std::optional<double> fast;

  [[nodiscard]] double ratio() const {
    if (!fast) return 0;
    return *fast > 0 ? slow / *fast : std::numeric_limits<double>::infinity();
  }
};

times times_of(const run_curve& fast, const run_curve& slow) {
  const double level = slow.y.back();
  return {level, first_time_at(slow, level), fewstep::reached_for_good(fast, level)};
}

}  // namespace

time_comparison compare_times(const std::vector<run_curve>& fast, const std::vector<run_curve>& slow) {
  time_comparison found;
  found.points = std::numeric_limits<std::size_t>::max();
  for (const auto& run : slow) found.points = std::min(found.points, fewstep::end_of(run).x.size());
  if (found.points < 3 || slow.size() < 2) return found;
  std::vector<double> slopes;
  for (const auto& run : slow) slopes.push_back(fewstep::slope_at_end(run));
  found.slope = fewstep::bootstrap_mean(slopes);
  found.student = fewstep::student_mean(slopes);
  found.converged = found.slope.low <= 0 && 0 <= found.slope.high;
  if (!found.converged) return found;

  const sampled_runs fast_runs(fast), slow_runs(slow);
  const times whole = times_of(fast_runs.mean(fast_runs.all()), slow_runs.mean(slow_runs.all()));
  found.level = whole.level;
  found.slow_time = whole.slow;
  found.fast_time = whole.fast;

  const auto fast_draws = fewstep::bootstrap_draws(fast.size()), slow_draws = fewstep::bootstrap_draws(slow.size());
  std::vector<double> ratios;
  const auto add = [&](std::size_t i, std::size_t j) {
    ratios.push_back(times_of(fast_runs.mean(fast_draws[i]), slow_runs.mean(slow_draws[j])).ratio());
  };
  if (fast_draws.size() * slow_draws.size() <= 10000) {
    for (std::size_t i = 0; i < fast_draws.size(); ++i)
      for (std::size_t j = 0; j < slow_draws.size(); ++j) add(i, j);
  } else {
    const fewstep::random_stream source{1, fewstep::stream::evaluation};
    for (std::uint64_t k = 0; k < 10000; ++k)
      add(source.below(static_cast<std::uint32_t>(fast_draws.size()), k, 0, 0),
          source.below(static_cast<std::uint32_t>(slow_draws.size()), k, 0, 1));
  }
  found.ratio = fewstep::percentile_interval(std::move(ratios));
  return found;
}

}  // namespace paper
