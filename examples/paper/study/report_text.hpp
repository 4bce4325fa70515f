// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/monitor/bootstrap.hpp>

#include <string>
#include <vector>

/// Numbers, intervals and tables as the page of results shows them, in Markdown.

namespace paper {

[[nodiscard]] std::string fixed(double value, int digits);
/// Digits after the point for numbers of this size.
[[nodiscard]] int digits_for(double size);
/// With digits for its size.
[[nodiscard]] std::string rounded(double value);
[[nodiscard]] double mean(const std::vector<double>& values);
[[nodiscard]] std::string interval_text(const fewstep::mean_interval& m, int digits);
/// Mean and bootstrap interval; of one value the value.
[[nodiscard]] std::string with_interval(const std::vector<double>& values);
/// Half of Student's interval.
[[nodiscard]] std::string student_text(const std::vector<double>& values);
/// Means before and after, times the factor.
[[nodiscard]] std::string change(const std::vector<double>& before, const std::vector<double>& after, double factor,
                                 int digits, const char* unit = "");
/// Of a table.
[[nodiscard]] std::string row(const std::vector<std::string>& cells);
[[nodiscard]] std::string heading(const std::vector<std::string>& cells);
/// One word of a command line.
[[nodiscard]] std::string quoted(const std::string& word);

}  // namespace paper
