// SPDX-License-Identifier: Apache-2.0
#include <fewstep/log/svg_plot.hpp>

#include "support/temporary_directory.hpp"
#include "test.hpp"

#include <cmath>
#include <cstdlib>
#include <limits>

namespace {

using fewstep::plot_series;

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

/// Every tag that is opened is closed, attributes are quoted, and no bare & or < is in the text.
bool well_formed(const std::string& svg) {
  std::vector<std::string> open;
  for (std::size_t i = 0; i < svg.size(); ++i) {
    if (svg[i] == '&') {
      const auto end = svg.find(';', i);
      if (end == std::string::npos || end - i > 6) return false;
    }
    if (svg[i] == '>') return false;
    if (svg[i] != '<') continue;
    const auto end = svg.find('>', i);
    if (end == std::string::npos) return false;
    const auto tag = svg.substr(i + 1, end - i - 1);
    if (tag.find('<') != std::string::npos || count(tag, "\"") % 2 != 0) return false;
    const auto name = tag.substr(tag.front() == '/' ? 1 : 0, tag.find_first_of(" /", 1) - (tag.front() == '/' ? 1 : 0));
    if (tag.front() == '/') {
      if (open.empty() || open.back() != name) return false;
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(name);
    }
    i = end;
  }
  return open.empty();
}

}  // namespace

TEST_CASE("svg_plot: points lie where the axes say", "[io]") {
  const plot_series line{"s", {0, 5, 10}, {0, 1, 0.5}, {}, {}};
  const auto svg = fewstep::svg_plot({.width = 400, .height = 300}, std::span(&line, 1));
  REQUIRE(well_formed(svg));
  const auto at = svg.find("<polyline");
  REQUIRE(at != std::string::npos);
  const auto points = svg.find("points=\"", at) + 8;
  double x[3], y[3];
  REQUIRE(std::sscanf(svg.c_str() + points, "%lf,%lf %lf,%lf %lf,%lf", &x[0], &y[0], &x[1], &y[1], &x[2], &y[2]) == 6);
  CHECK(x[1] - x[0] == Approx(x[2] - x[1]).margin(0.11));
  CHECK(x[2] == Approx(400 - 28));
  CHECK(y[0] == Approx(300 - 36));
  CHECK(y[0] > y[2]);
  CHECK((y[0] + y[1]) / 2 == Approx(y[2]).margin(0.11));
}

TEST_CASE("svg_plot: bands, gaps, single points, legend", "[io]") {
  const double nan = std::nan("");
  const std::vector<plot_series> all{{"first", {0, 1, 2, 3, 4}, {1, 2, nan, 4, 5}, {0, 1, 2, 3, 4}, {2, 3, 4, 5, 6}},
                                     {"second", {0, 1, 2}, {nan, 2, nan}, {}, {}}};
  const auto svg = fewstep::svg_plot({.title = "T", .x_label = "X", .y_label = "Y"}, all);
  CHECK(well_formed(svg));
  CHECK(count(svg, "<polygon") == 1);
  CHECK(count(svg, "<polyline") == 2);
  CHECK(count(svg, "<circle") == 1);
  CHECK(count(svg, ">first<") == 1);
  CHECK(count(svg, ">second<") == 1);
  CHECK(count(svg, "nan") == 0);
  CHECK(count(fewstep::svg_plot({}, std::span(all).first(1)), ">first<") == 0);
}

TEST_CASE("svg_plot: more series than colours are told apart by dashes", "[io]") {
  std::vector<plot_series> all;
  for (int i = 0; i < 7; ++i) all.push_back({std::to_string(i), {0, 1}, {0.0 + i, 1.0 + i}, {}, {}});
  const auto svg = fewstep::svg_plot({}, all);
  CHECK(well_formed(svg));
  CHECK(count(svg, "stroke-dasharray") == 2);  // the last curve, and its line in the legend
  CHECK(count(fewstep::svg_plot({}, std::span(all).first(6)), "stroke-dasharray") == 0);
}

TEST_CASE("svg_plot: text is escaped", "[io]") {
  const std::vector<plot_series> all{{"<a> & \"b\"", {0, 1}, {0, 1}, {}, {}}, {"c", {0, 1}, {1, 0}, {}, {}}};
  const auto svg = fewstep::svg_plot({.title = "x < y & z", .x_label = "</svg>\x01", .y_label = "\u03bc \"q\""}, all);
  CHECK(well_formed(svg));
  CHECK_THAT(svg, contains("x &lt; y &amp; z") && contains("&lt;/svg&gt; ") &&
                      contains("&lt;a&gt; &amp; &quot;b&quot;") && contains("\u03bc"));
  const auto none = fewstep::svg_plot({.title = "a\ufffe\uffff\ufffdb"}, {});  // the first two are no characters of XML
  CHECK_THAT(none, contains(">a  \ufffdb<"));
}

TEST_CASE("svg_plot: text that is not UTF-8 is refused", "[io]") {
  const plot_series named{"l\xe4nge", {0}, {0}, {}, {}};
  CHECK_THROWS_WITH(fewstep::svg_plot({}, std::span(&named, 1)), contains("l\xe4nge") && contains("not UTF-8"));
  for (const auto& settings : {fewstep::plot_settings{.title = "\xff"}, {.x_label = "\xff"}, {.y_label = "\xff"}})
    CHECK_THROWS_WITH(fewstep::svg_plot(settings, {}), contains("not UTF-8"));
}

TEST_CASE("svg_plot: strange data give a picture, wrong lengths a sentence", "[io]") {
  CHECK(well_formed(fewstep::svg_plot({}, {})));
  const double huge = std::numeric_limits<double>::max();
  for (const auto& y : std::vector<std::vector<double>>{
           {}, {3, 3}, {std::nan("")}, {huge, -huge}, {1e-320, 2e-320}, {1e16, 1e16 + 2}, {HUGE_VAL, 1}}) {
    plot_series series{"s", {}, y, {}, {}};
    for (std::size_t i = 0; i < y.size(); ++i) series.x.push_back(static_cast<double>(i));
    const auto svg = fewstep::svg_plot({}, std::span(&series, 1));
    CHECK(well_formed(svg));
    CHECK(count(svg, "nan") + count(svg, "inf") == 0);
  }
  const plot_series wrong{"s", {0, 1}, {0}, {}, {}};
  CHECK_THROWS_WITH(fewstep::svg_plot({}, std::span(&wrong, 1)), contains("series 's' has 2 x, 1 y"));
}

TEST_CASE("write_svg_plot writes the file", "[io]") {
  const temporary_directory directory;
  fewstep::write_svg_plot(directory / "p.svg", {.title = "t"}, {});
  CHECK(text_of(directory / "p.svg") == fewstep::svg_plot({.title = "t"}, {}));
}
