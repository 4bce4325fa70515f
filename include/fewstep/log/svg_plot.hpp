// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/utf8.hpp>
#include <fewstep/io/atomic_file.hpp>
#include <fewstep/log/axis_ticks.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fewstep {

/// One curve: points (x[i], y[i]) and, if given, a band from low[i] to high[i] around them.
/// Values that are not finite leave a gap.
struct plot_series {
  std::string name = {};
  std::vector<double> x = {};
  std::vector<double> y = {};
  std::vector<double> low = {};   ///< empty: no band
  std::vector<double> high = {};  ///< as long as low
};

struct plot_settings {
  std::string title = {};
  std::string x_label = {};
  std::string y_label = {};
  int width = 760;   ///< pixels
  int height = 440;  ///< pixels

  static constexpr std::string_view name = "svg_plot";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("width", width, between(1, 1 << 16));
    visit("height", height, between(1, 1 << 16));
  }
};

namespace detail {

/// What XML has no place for becomes a space: control characters, and U+FFFE and U+FFFF (ef bf be and ef bf bf).
[[nodiscard]] inline std::string xml_escaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else if (static_cast<unsigned char>(c) < 0x20 && c != '\t')
      out += ' ';
    else if (const auto three = text.substr(i, 3); three == "\xef\xbf\xbe" || three == "\xef\xbf\xbf")
      out += ' ', i += 2;
    else
      out += c;
  }
  return out;
}

/// About how many pixels wide a text of 12 pixels is.
[[nodiscard]] inline double text_width(std::string_view text) {
  return 7.0 * static_cast<double>(std::count_if(text.begin(), text.end(), [](char c) {
           return (static_cast<unsigned char>(c) & 0xc0u) != 0x80u;  // every first byte of a UTF-8 sequence
         }));
}

/// The drawing area and the map from values to pixels.
struct plot_frame {
  double left, top, right, bottom;
  axis_ticks x;
  axis_ticks y;

  [[nodiscard]] std::string point(double px, double py) const {
    return decimal(left + share(x, px) * (right - left), 1) + "," + decimal(bottom - share(y, py) * (bottom - top), 1);
  }

  [[nodiscard]] static double share(const axis_ticks& axis, double value) {
    return (std::clamp(value, axis.low, axis.high) - axis.low) / (axis.high - axis.low);
  }
};

struct svg_text_style {
  int size = 12;
  std::string_view colour = "#6b7280";
  std::string_view anchor = "start";
  std::string_view more = {};
};

[[nodiscard]] inline std::string svg_text(double x, double y, std::string_view text, const svg_text_style& style) {
  if (text.empty()) return {};
  return message("<text x=\"", decimal(x, 1), "\" y=\"", decimal(y, 1), "\" font-size=\"", style.size, "\" fill=\"",
                 style.colour, "\" text-anchor=\"", style.anchor, "\"", style.more, ">", xml_escaped(text),
                 "</text>\n");
}

/// Calls draw(first, last) for every unbroken run of points.
template <class Usable, class Draw>
void for_each_run(std::size_t count, const Usable& usable, const Draw& draw) {
  for (std::size_t first = 0; first < count;) {
    std::size_t last = first;
    while (last < count && usable(last)) ++last;
    if (last > first) draw(first, last);
    first = last + 1;
  }
}

[[nodiscard]] inline std::string svg_band(const plot_series& series, const plot_frame& frame, std::string_view colour) {
  std::string out;
  const auto banded = [&](std::size_t i) {
    return std::isfinite(series.x[i]) && std::isfinite(series.low[i]) && std::isfinite(series.high[i]);
  };
  for_each_run(series.low.size(), banded, [&](std::size_t first, std::size_t last) {
    std::string outline;
    for (auto i = first; i < last; ++i) outline += frame.point(series.x[i], series.high[i]) + " ";
    for (auto i = last; i-- > first;) outline += frame.point(series.x[i], series.low[i]) + " ";
    outline.pop_back();
    out += message("<polygon fill=\"", colour, "\" fill-opacity=\"0.16\" points=\"", outline, "\"/>\n");
  });
  return out;
}

[[nodiscard]] inline std::string svg_line(const plot_series& series, const plot_frame& frame, std::string_view colour,
                                          std::string_view dashes) {
  std::string out;
  const auto finite = [&](std::size_t i) { return std::isfinite(series.x[i]) && std::isfinite(series.y[i]); };
  for_each_run(series.x.size(), finite, [&](std::size_t first, std::size_t last) {
    if (last - first == 1) {
      const auto centre = frame.point(series.x[first], series.y[first]);
      const auto comma = centre.find(',');
      out += message("<circle cx=\"", centre.substr(0, comma), "\" cy=\"", centre.substr(comma + 1),
                     "\" r=\"2.8\" fill=\"", colour, "\"/>\n");
      return;
    }
    std::string line;
    for (auto i = first; i < last; ++i) line += frame.point(series.x[i], series.y[i]) + " ";
    line.pop_back();
    out += message("<polyline fill=\"none\" stroke=\"", colour,
                   "\" stroke-width=\"2.2\" stroke-linejoin=\"round\" stroke-linecap=\"round\"", dashes, " points=\"",
                   line, "\"/>\n");
  });
  return out;
}

/// Offset from the left and row of each series in the legend; none for a single series.
[[nodiscard]] inline std::vector<std::pair<double, int>> legend_places(std::span<const plot_series> all, double width) {
  std::vector<std::pair<double, int>> places;
  double x = 0;
  int row = 0;
  for (const auto& series : all) {
    const double needed = 48 + text_width(series.name);
    if (x > 0 && x + needed > width) x = 0, ++row;
    places.emplace_back(x, row);
    x += needed;
  }
  if (all.size() < 2) places.clear();
  return places;
}

}  // namespace detail

/// Draws the series as a standalone SVG picture: title, axes with round marks, curves with bands, and a legend where
/// there are several series. Without a finite point the axes are drawn alone.
/// Throws std::invalid_argument if the arrays of a series differ in length, or if a text is not UTF-8.
[[nodiscard]] inline std::string svg_plot(const plot_settings& settings, std::span<const plot_series> all) {
  check_settings(settings);
  constexpr double infinity = std::numeric_limits<double>::infinity();
  constexpr std::array<std::string_view, 6> colours{"#2563eb", "#ea580c", "#059669", "#9333ea", "#db2777", "#0891b2"};
  // More series than colours are told apart by dashes.
  const auto colour_of = [&](std::size_t i) { return colours[i % colours.size()]; };
  const auto dashes_of = [&](std::size_t i) {
    constexpr std::array<std::string_view, 3> kinds{"", " stroke-dasharray=\"7 6\"", " stroke-dasharray=\"1 5\""};
    return kinds[i / colours.size() % kinds.size()];
  };
  for (const std::string& text : {settings.title, settings.x_label, settings.y_label})
    require_utf8(text, "svg_plot: the text");
  double x_low = infinity, x_high = -infinity, y_low = infinity, y_high = -infinity;
  const auto widen = [](double& low, double& high, double value) {
    if (!std::isfinite(value)) return;
    value = std::clamp(value, -1e300, 1e300);  // so that the range is finite as well
    low = std::min(low, value);
    high = std::max(high, value);
  };
  for (const auto& series : all) {
    require_utf8(series.name, "svg_plot: the name");
    expects(series.x.size() == series.y.size() && series.low.size() == series.high.size() &&
                (series.low.empty() || series.low.size() == series.x.size()),
            [&] {
              return message("svg_plot: series '", series.name, "' has ", series.x.size(), " x, ", series.y.size(),
                             " y, ", series.low.size(), " low and ", series.high.size(), " high values");
            });
    for (const double value : series.x) widen(x_low, x_high, value);
    for (const auto* values : {&series.y, &series.low, &series.high})
      for (const double value : *values) widen(y_low, y_high, value);
  }

  const double first_legend_row = 28 + (settings.title.empty() ? 0 : 34);
  const auto places = detail::legend_places(all, settings.width - 130.0);
  const double top = places.empty() ? first_legend_row - 6 : first_legend_row + 20 + 22.0 * places.back().second;
  const double bottom = settings.height - (settings.x_label.empty() ? 36 : 58);
  const detail::axis_ticks y(y_low, y_high, std::max(2, static_cast<int>(bottom - top) / 55), true);
  double widest = 0;
  for (const double mark : y.positions()) widest = std::max(widest, detail::text_width(y.label(mark)));
  const double left = 26 + widest + (settings.y_label.empty() ? 0 : 24);
  const double right = settings.width - 28;
  const detail::axis_ticks x(x_low, x_high, std::max(2, static_cast<int>(right - left) / 85), false);
  const detail::plot_frame frame{left, top, right, bottom, x, y};

  std::string out = message("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"", settings.width, "\" height=\"",
                            settings.height, "\" viewBox=\"0 0 ", settings.width, " ", settings.height,
                            "\" font-family=\"Inter, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans', "
                            "sans-serif\">\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#ffffff\"/>\n");
  out += detail::svg_text(left, 36, settings.title, {17, "#111827", "start", " font-weight=\"600\""});

  const auto line = [&](double x1, double y1, double x2, double y2, std::string_view colour) {
    out += message("<line x1=\"", detail::decimal(x1, 1), "\" y1=\"", detail::decimal(y1, 1), "\" x2=\"",
                   detail::decimal(x2, 1), "\" y2=\"", detail::decimal(y2, 1), "\" stroke=\"", colour, "\"/>\n");
  };
  for (const double mark : y.positions()) {
    const double at = bottom - (mark - y.low) / (y.high - y.low) * (bottom - top);
    line(left, at, right, at, "#eceef2");
    out += detail::svg_text(left - 10, at + 4, y.label(mark), {12, "#6b7280", "end"});
  }
  for (const double mark : x.positions()) {
    const double at = left + (mark - x.low) / (x.high - x.low) * (right - left);
    line(at, bottom, at, bottom + 5, "#9ca3af");
    out += detail::svg_text(at, bottom + 20, x.label(mark), {12, "#6b7280", "middle"});
  }
  line(left, bottom, right, bottom, "#9ca3af");

  for (std::size_t i = 0; i < all.size(); ++i) out += detail::svg_band(all[i], frame, colour_of(i));
  for (std::size_t i = 0; i < all.size(); ++i) out += detail::svg_line(all[i], frame, colour_of(i), dashes_of(i));

  for (std::size_t i = 0; i < places.size(); ++i) {
    const double at_x = left + places[i].first;
    const double at_y = first_legend_row + 22.0 * places[i].second;
    out += message("<line x1=\"", detail::decimal(at_x, 1), "\" y1=\"", detail::decimal(at_y, 1), "\" x2=\"",
                   detail::decimal(at_x + 18, 1), "\" y2=\"", detail::decimal(at_y, 1), "\" stroke=\"", colour_of(i),
                   "\" stroke-width=\"3\" stroke-linecap=\"round\"", dashes_of(i), "/>\n");
    out += detail::svg_text(at_x + 26, at_y + 4, all[i].name, {12, "#374151"});
  }
  out += detail::svg_text((left + right) / 2, settings.height - 16.0, settings.x_label, {13, "#374151", "middle"});
  const double middle = (top + bottom) / 2;
  out += detail::svg_text(22, middle, settings.y_label,
                          {13, "#374151", "middle", message(" transform=\"rotate(-90 22 ", middle, ")\"")});
  return out + "</svg>\n";
}

/// Draws into a file, written aside and renamed.
inline void write_svg_plot(const std::filesystem::path& path, const plot_settings& settings,
                           std::span<const plot_series> all) {
  write_atomically(path, svg_plot(settings, all));
}

}  // namespace fewstep
