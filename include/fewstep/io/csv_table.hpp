// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/io/text_lines.hpp>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fewstep {

namespace detail {

/// The fields of a line of comma-separated values; nullopt where a quote is not closed, or something follows it.
[[nodiscard]] inline std::optional<std::vector<std::string>> csv_fields(std::string_view line) {
  std::vector<std::string> fields(1);
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == ',') {
      fields.emplace_back();
    } else if (line[i] == '"' && fields.back().empty()) {
      while (true) {
        const std::size_t end = line.find('"', ++i);
        if (end == line.npos) return {};
        fields.back() += line.substr(i, end - i);
        i = end;
        if (i + 1 == line.size() || line[i + 1] != '"') break;
        fields.back() += '"';  // two stand for one
        ++i;
      }
      if (i + 1 < line.size() && line[i + 1] != ',') return {};
    } else {
      fields.back() += line[i];
    }
  }
  return fields;
}

}  // namespace detail

/// A file of comma-separated values in UTF-8: a line of the columns' names, then a line for each row, of as many
/// fields. A field with a comma or a quote stands in quotes, and a quote in it is doubled (RFC 4180); it ends on its
/// line. Empty lines are passed over.
///
/// Throws std::runtime_error naming the file, the line and what is wrong: no line or no row, a column that stands there
/// twice, a row of other fields, a quote that is not closed.
class csv_table {
 public:
  [[nodiscard]] static csv_table load(const std::filesystem::path& path) { return csv_table(path); }

  [[nodiscard]] std::size_t rows() const { return rows_.size(); }
  [[nodiscard]] std::span<const std::string> columns() const { return columns_; }
  /// The number of the column of that name, if there is one.
  [[nodiscard]] std::optional<std::size_t> find(std::string_view column) const {
    const auto found = std::ranges::find(columns_, column);
    if (found == columns_.end()) return {};
    return static_cast<std::size_t>(found - columns_.begin());
  }
  [[nodiscard]] const std::string& at(std::size_t row, std::size_t column) const { return rows_[row].fields[column]; }
  /// What errors call the file, and one of its rows: FILE:LINE.
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::string place(std::size_t row) const { return message(name_, ":", rows_[row].line); }

 private:
  struct row_of_fields {
    std::size_t line;
    std::vector<std::string> fields;
  };

  explicit csv_table(const std::filesystem::path& path) : name_(path.string()) {
    const std::vector<std::string> lines = text_lines(path, "a file of comma-separated values");
    for (std::size_t i = 0; i < lines.size(); ++i) {
      if (lines[i].empty()) continue;
      const auto fail = [&](const auto&... what) {
        throw std::runtime_error(message(name_, ":", i + 1, ": ", what...));
      };
      auto fields = detail::csv_fields(lines[i]);
      if (!fields) fail("a quote is not closed at the end of its field; write \" in a quoted field as \"\"");
      if (columns_.empty()) {
        columns_ = std::move(*fields);
        for (auto c = columns_.begin(); c != columns_.end(); ++c)
          if (std::find(columns_.begin(), c, *c) != c) fail("column '", *c, "' stands there twice; keep one of them");
        continue;
      }
      if (fields->size() != columns_.size())
        fail("has ", fields->size(), " fields, but there are ", columns_.size(),
             " columns; put a field with a comma in quotes");
      rows_.push_back({i + 1, std::move(*fields)});
    }
    if (columns_.empty()) throw std::runtime_error(message(name_, ": is empty; its first line names the columns"));
    if (rows_.empty())
      throw std::runtime_error(message(name_, ": has a line of columns, but no row; add at least one"));
  }

  std::string name_;
  std::vector<std::string> columns_;
  std::vector<row_of_fields> rows_;
};

}  // namespace fewstep
