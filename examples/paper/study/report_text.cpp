// SPDX-License-Identifier: Apache-2.0
#include "report_text.hpp"

#include <fewstep/core/error.hpp>

#include <array>
#include <charconv>
#include <cmath>
#include <numeric>

namespace paper {

using fewstep::mean_interval;
using fewstep::message;

std::string fixed(double value, int digits) {
  if (std::isnan(value)) return "-";
  if (std::isinf(value)) return value > 0 ? "∞" : "-∞";
  std::array<char, 400> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed, digits).ptr;
  return {text.data(), end};
}

int digits_for(double size) {
  const double s = std::abs(size);
  return s >= 1000 ? 0 : s >= 10 ? 1 : s >= 1 ? 2 : s >= 0.1 ? 3 : 4;
}

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

std::string rounded(double value) { return fixed(value, digits_for(value)); }

std::string interval_text(const mean_interval& m, int digits) {
  return message(fixed(m.mean, digits), " [", fixed(m.low, digits), ", ", fixed(m.high, digits), "]");
}

std::string with_interval(const std::vector<double>& values) {
  const mean_interval m = fewstep::bootstrap_mean(values);
  const int digits = digits_for(m.mean);
  return values.size() < 2 ? fixed(m.mean, digits) : interval_text(m, digits);
}

std::string student_text(const std::vector<double>& values) {
  if (values.size() < 2) return "-";
  const mean_interval m = fewstep::student_mean(values);
  return "± " + fixed(m.high - m.mean, digits_for(m.mean));
}

std::string change(const std::vector<double>& before, const std::vector<double>& after, double factor, int digits,
                   const char* unit) {
  return message(fixed(factor * mean(before), digits), " → ", fixed(factor * mean(after), digits), unit);
}

std::string row(const std::vector<std::string>& cells) {
  std::string line = "|";
  for (const auto& cell : cells) line += " " + cell + " |";
  return line + "\n";
}

std::string heading(const std::vector<std::string>& cells) {
  std::string optimizer = "|---|";
  for (std::size_t i = 1; i < cells.size(); ++i) optimizer += "---:|";
  return row(cells) + optimizer + "\n";
}

std::string quoted(const std::string& word) {
  const bool plain = !word.empty() && word.find_first_not_of(
                                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                          "0123456789_-+=./,:%@") == word.npos;
  if (plain) return word;
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

}  // namespace paper
