// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/figure.hpp>
#include <fewstep/core/utf8.hpp>
#include <fewstep/io/atomic_file.hpp>
#include <fewstep/io/file.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace fewstep {

/// Appends the shortest decimal text that reads back as the very same number; NaN is "nan", without its sign.
template <class Number>
requires std::is_arithmetic_v<Number>
void append_number(std::string& text, Number value) {
  std::array<char, 64> digits{};
  const auto result = std::to_chars(digits.data(), digits.data() + digits.size(), detail::printable(value));
  text.append(digits.data(), static_cast<std::size_t>(result.ptr - digits.data()));
}

/// A table of numbers that grows by one row an update; its first column is the update's number.
///
/// Each row is handed to the system at once, so a killed process loses at most the row it was writing; call
/// synchronise() before a checkpoint is saved, so that the system cannot lose rows that the checkpoint has, either.
/// Together with a checkpoint of update u, `resume_at(path, columns, u)` gives a table without gap or duplicate: rows
/// after u, and a last line that was torn, are dropped, and the run appends them again. gap() says what is missing
/// nevertheless.
class metrics_csv {
 public:
  /// Begins a new table and replaces an old one. `columns` names the columns after the first, which is "update".
  metrics_csv(const std::filesystem::path& path, std::vector<std::string> columns)
      : metrics_csv(path, std::move(columns), std::nullopt) {}

  /// Goes on with the table of an interrupted run; without a file it begins a new one.
  /// Throws std::runtime_error if the file has other columns or a damaged row, naming the line; it then stays as it
  /// was.
  [[nodiscard]] static metrics_csv resume_at(const std::filesystem::path& path, std::vector<std::string> columns,
                                             std::int64_t update) {
    return metrics_csv(path, std::move(columns), update);
  }

  /// Appends one row and hands it to the system. Updates must rise; one value for each column.
  /// If the disk is full, what was written of the row is taken back and std::system_error thrown.
  template <class... Numbers>
  requires(std::is_arithmetic_v<Numbers>&&...) void append(std::int64_t update, Numbers... values) {
    begin_row(update, sizeof...(values));
    (add_field(values), ...);
    end_row(update);
  }
  void append(std::int64_t update, std::span<const double> values) { append_span(update, values); }
  void append(std::int64_t update, std::span<const float> values) { append_span(update, values); }

  /// The figures of a report, in a table whose columns are figure_names<Report>().
  template <reports_figures Report>
  void append(std::int64_t update, const Report& report) {
    append_span(update, std::span<const double>(figure_values(report)));
  }

  /// Waits until all rows are on the disk. Throws std::system_error if that fails.
  void synchronise() {
    if (!detail::synchronise(file_.get()))
      detail::throw_io_error(errno, message("cannot write '", path_.string(), "' to disk"));
  }

  /// The first and the last of the first updates without a row, of those from 1 to the one that the table was resumed
  /// at: rows that the system lost, where every update has one.
  [[nodiscard]] std::optional<std::pair<std::int64_t, std::int64_t>> gap() const { return gap_; }

  /// The number of the last row's update, if there is a row.
  [[nodiscard]] std::optional<std::int64_t> last_update() const { return last_; }

 private:
  metrics_csv(const std::filesystem::path& path, std::vector<std::string> columns, std::optional<std::int64_t> keep_to)
      : path_(path), columns_(columns.size()) {
    std::string text = "update";
    for (const auto& column : columns) {
      expects(!column.empty() && column.find_first_of(",\"\r\n") == std::string::npos, [&] {
        return message("metrics_csv: '", column, "' is no name for a column; leave out commas, quotes and line ends");
      });
      require_utf8(column, "metrics_csv: the name of a column,");
      text += "," + column;
    }
    text += "\n";
    if (keep_to && std::filesystem::exists(path_)) keep_rows(text, *keep_to);
    if (keep_to) expect_next(*keep_to + 1);
    write_atomically(path_, text);
    length_ = static_cast<off_t>(text.size());
    file_ = detail::file_descriptor(::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
    if (!file_) detail::throw_io_error(errno, message("cannot append to '", path_.string(), "'"));
  }

  /// Adds to the header line the rows of the file up to this update.
  void keep_rows(std::string& text, std::int64_t keep_to) {
    const auto bytes = read_file(path_);
    std::string_view rest(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const auto fields = std::count(text.begin(), text.end(), ',');
    for (std::size_t line = 1; !rest.empty(); ++line) {
      const auto end = rest.find('\n');
      if (end == rest.npos) break;
      const auto row = rest.substr(0, end + 1);
      rest.remove_prefix(end + 1);
      if (line == 1) {
        if (row != text)
          throw std::runtime_error(message(path_.string(), ": has the columns '", row.substr(0, end), "', but '",
                                           std::string_view(text).substr(0, text.size() - 1),
                                           "' are to be written; move the file away or keep its columns"));
        continue;
      }
      std::int64_t update = 0;
      const auto parsed = std::from_chars(row.data(), row.data() + end, update);
      const bool sound = parsed.ec == std::errc{} && (*parsed.ptr == ',' || *parsed.ptr == '\n') &&
                         std::count(row.begin(), row.end(), ',') == fields && (!last_ || update > *last_);
      if (!sound)
        throw std::runtime_error(message(path_.string(), ":", line, ": '",
                                         row.substr(0, std::min<std::size_t>(end, 80)), "' is no row of ", fields + 1,
                                         " numbers with an update after the last one"));
      if (update > keep_to) break;
      expect_next(update);
      last_ = update;
      text += row;
    }
  }

  void expect_next(std::int64_t update) {
    const std::int64_t next = std::max<std::int64_t>(last_.value_or(0) + 1, 1);
    if (!gap_ && update > next) gap_ = {next, update - 1};
  }

  template <class Number>
  void append_span(std::int64_t update, std::span<const Number> values) {
    begin_row(update, values.size());
    for (const auto value : values) add_field(value);
    end_row(update);
  }

  void begin_row(std::int64_t update, std::size_t count) {
    expects(count == columns_, [&] {
      return message("metrics_csv: ", count, " values for the ", columns_, " columns after 'update' of ",
                     path_.string());
    });
    expects(!last_ || update > *last_, [&] {
      return message("metrics_csv: update ", update, " after update ", *last_, " in ", path_.string(),
                     "; open the table with resume_at after loading a checkpoint");
    });
    row_.clear();
    append_number(row_, update);
  }

  template <class Number>
  void add_field(Number value) {
    row_ += ',';
    if constexpr (std::is_same_v<Number, bool>)
      append_number(row_, static_cast<int>(value));
    else
      append_number(row_, value);
  }

  void end_row(std::int64_t update) {
    row_ += '\n';
    const auto written = detail::write_fully(file_.get(), detail::bytes_of(row_));
    if (written < row_.size()) {
      const int code = errno;
      const bool undone = ::ftruncate(file_.get(), length_) == 0;
      detail::throw_io_error(
          code, message("cannot append the row of update ", update, " to '", path_.string(), "' (", written, " of ",
                        row_.size(), " bytes written", undone ? " and taken back)" : ")"));
    }
    length_ += static_cast<off_t>(row_.size());
    last_ = update;
  }

  std::filesystem::path path_;
  std::size_t columns_;
  detail::file_descriptor file_;
  off_t length_ = 0;
  std::optional<std::int64_t> last_;
  std::optional<std::pair<std::int64_t, std::int64_t>> gap_;
  std::string row_;
};

}  // namespace fewstep
