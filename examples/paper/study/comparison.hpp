// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "finished_run.hpp"
#include "plan.hpp"

#include <fewstep/monitor/learning_curves.hpp>

#include <optional>
#include <string>
#include <vector>

namespace paper {

/// The runs of one setting over its seeds.
struct labelled_runs {
  std::string label, name;  ///< of files, and for readers
  std::vector<std::string> figures;
  std::vector<planned_run> plans;  ///< one a run
  std::vector<finished_run> runs;

  [[nodiscard]] bool in(const std::string& figure) const;
  /// Of every run, a column of the held-out evaluations over another one.
  [[nodiscard]] std::vector<fewstep::run_curve> over(const std::string& x, const std::string& y) const;
  /// Of every run, the first and the last value of a column of the held-out evaluations.
  [[nodiscard]] std::vector<double> first(const std::string& column) const;
  [[nodiscard]] std::vector<double> last(const std::string& column) const;
  /// Of every run, a number of its summary; not a number where it has none.
  [[nodiscard]] std::vector<double> summary(const std::string& figure) const;
  /// Of every run, its curve's value there.
  [[nodiscard]] std::vector<double> at(const std::string& x_name, double x, const std::string& column) const;
};

/// How long two methods take to the reward at which the slower one ends.
///
/// Whether that one has converged is asked of its slope over the last fifth of its training time: the interval over
/// seeds has to include 0. It is the bootstrap's, which of few seeds is the narrower one and the harder to include 0.
struct time_comparison {
  std::size_t points = 0;  ///< evaluations in the last fifth of the slower method's runs, fewest over seeds
  fewstep::mean_interval slope{0, 0, 0}, student{0, 0, 0};  ///< reward a second; both intervals
  bool converged = false;

  // Below: only of what has converged.
  double level = 0;                 ///< last value of the slower one's mean curve
  double slow_time = 0;             ///< when its mean curve comes to the level first, in seconds
  std::optional<double> fast_time;  ///< when the mean curve of the faster one comes to the level and stays above
  /// Interval of slow_time / fast_time over seeds of both, each resampled by itself; 0 where it is not reached,
  /// infinite where it is there from the beginning.
  fewstep::interval ratio{0, 0};
};

[[nodiscard]] time_comparison compare_times(const std::vector<fewstep::run_curve>& fast,
                                            const std::vector<fewstep::run_curve>& slow);

}  // namespace paper
