// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace fewstep {

/// A number of a report: the name that it has in every log, its unit ("" where there is none, "s" for seconds), and how
/// the report gives it.
template <class Report>
struct figure {
  std::string_view name, unit;
  double (*of)(const Report&);
};

namespace detail {

template <class Report, class Number>
Report report_of(Number Report::*);

}  // namespace detail

/// The figure that a member of a report is: figure_of<&update_report::loss>("loss").
template <auto Member>
[[nodiscard]] constexpr auto figure_of(std::string_view name, std::string_view unit = "") {
  using report = decltype(detail::report_of(Member));
  return figure<report>{name, unit, [](const report& r) { return static_cast<double>(r.*Member); }};
}

/// A report that names its figures once, for whoever writes or shows them: figures() is an array of figure<R>.
template <class R>
concept reports_figures = requires {
  R::figures().size();
};

template <reports_figures R>
inline constexpr std::size_t figure_count = R::figures().size();

/// The names of a report's figures, as the columns of a table.
template <reports_figures R>
[[nodiscard]] std::vector<std::string> figure_names() {
  std::vector<std::string> names;
  for (const figure<R>& f : R::figures()) names.emplace_back(f.name);
  return names;
}

/// Their values, in the order of the names.
template <reports_figures R>
[[nodiscard]] std::array<double, figure_count<R>> figure_values(const R& report) {
  constexpr auto figures = R::figures();
  std::array<double, figure_count<R>> values{};
  std::transform(figures.begin(), figures.end(), values.begin(), [&](const figure<R>& f) { return f.of(report); });
  return values;
}

}  // namespace fewstep
