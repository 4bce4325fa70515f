// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/io/file.hpp>

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fewstep {

/// A named number shown beside the progress, e.g. {"ratio", 1.002}.
using progress_field = std::pair<std::string_view, double>;

namespace detail {

/// Seconds as 7s, 2:05 or 1:02:03.
[[nodiscard]] inline std::string duration_text(double seconds) {
  const auto all = static_cast<std::int64_t>(std::clamp(std::round(seconds), 0.0, 1e9));
  const auto two = [](std::int64_t value) { return std::string(value < 10 ? "0" : "").append(std::to_string(value)); };
  if (all < 60) return std::to_string(all) + "s";
  if (all < 3600) return std::to_string(all / 60) + ":" + two(all % 60);
  return std::to_string(all / 3600) + ":" + two(all / 60 % 60) + ":" + two(all % 60);
}

/// Four significant digits; NaN without its sign.
[[nodiscard]] inline std::string short_number(double value) {
  std::array<char, 32> digits{};
  const auto end =
      std::to_chars(digits.data(), digits.data() + digits.size(), printable(value), std::chars_format::general, 4).ptr;
  return {digits.data(), end};
}

struct progress_state {
  std::string_view label;
  std::int64_t done = 0;
  std::int64_t total = 1;
  double elapsed = 0;          ///< seconds
  std::optional<double> left;  ///< seconds; none while unknown
  std::span<const progress_field> fields;
};

/// `label  42 %`, `21/50  0:12 elapsed, 0:15 left`, then the fields.
struct progress_parts {
  explicit progress_parts(const progress_state& state) {
    const auto percent = state.total > 0 ? 100 * state.done / state.total : 100;
    head = std::string(state.label) + (state.label.empty() ? "" : " ") +
           (percent < 10    ? "  "
            : percent < 100 ? " "
                            : "") +
           std::to_string(percent) + "%";
    tail = std::to_string(state.done) + "/" + std::to_string(state.total) + " " + duration_text(state.elapsed);
    if (state.done < state.total) tail.append("<").append(state.left ? duration_text(*state.left) : "?");
    for (const auto& [name, value] : state.fields) fields.push_back(std::string(name) + " " + short_number(value));
  }

  std::string head;
  std::string tail;
  std::vector<std::string> fields;
};

/// One line for a log.
[[nodiscard]] inline std::string progress_log_line(const progress_state& state) {
  const progress_parts parts(state);
  auto line = parts.head + "  " + parts.tail;
  for (const auto& field : parts.fields) line += "  " + field;
  return line + "\n";
}

/// One line for a terminal of this width (columns); fields that do not fit are left out, from the last.
[[nodiscard]] inline std::string progress_bar_line(const progress_state& state, int width, bool unicode) {
  const progress_parts parts(state);
  const auto room = static_cast<std::size_t>(std::max(width - 1, 1));  // the last column would wrap on some terminals
  std::string fields;
  constexpr std::size_t shortest = 10;
  const auto fixed = parts.head.size() + 1 + 1 + parts.tail.size();
  for (const auto& field : parts.fields) {
    if (fixed + shortest + 2 + fields.size() + 2 + field.size() > room) break;
    fields += "  " + field;
  }
  if (fixed + 3 > room) return parts.head.substr(0, room);
  const auto length = std::min<std::size_t>(room - fixed - fields.size(), 32);
  const auto bar = length > 2 ? length - 2 : 1;
  const double share = state.total > 0 ? static_cast<double>(state.done) / static_cast<double>(state.total) : 1.0;
  const auto eighths = static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(bar) * 8);

  std::string drawn;
  constexpr std::array<std::string_view, 9> blocks{" ",      "\u258f", "\u258e", "\u258d", "\u258c",
                                                   "\u258b", "\u258a", "\u2589", "\u2588"};
  for (std::size_t cell = 0; cell < bar; ++cell) {
    const auto filled = std::min<std::size_t>(eighths - std::min(eighths, 8 * cell), 8);
    if (unicode)
      drawn += blocks[filled];
    else
      drawn += filled == 8 ? '#' : '.';
  }
  return parts.head + (unicode ? " \u2595" : " [") + drawn + (unicode ? "\u258f" : "]") + " " + parts.tail + fields;
}

[[nodiscard]] inline bool terminal_speaks_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"})
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') {
      const std::string_view locale(value);
      return locale.find("UTF-8") != locale.npos || locale.find("utf8") != locale.npos;
    }
  return false;
}

/// Whether lines can be redrawn there: a terminal that knows control sequences, and a user who has not asked for none.
[[nodiscard]] inline bool takes_control_sequences(int fd) {
  const auto value = [](const char* name) {
    const char* const text = std::getenv(name);
    return std::string_view(text != nullptr ? text : "");
  };
  return ::isatty(fd) == 1 && !value("TERM").empty() && value("TERM") != "dumb" && value("NO_COLOR").empty();
}

}  // namespace detail

/// Shows how far a loop has come: share, bar, time elapsed and left, and live numbers.
///
///     progress_bar bar(updates, "training");
///     for (...) bar.update(index + 1, {{"ratio", ratio}, {"clip", clip_fraction}});
///
/// On a terminal one line is redrawn in place, at most ten times a second; elsewhere (a log file, a terminal that is
/// TERM=dumb or none, or where NO_COLOR is set, which is taken as a wish for plain text) a plain line is written
/// whenever ten more per cent or ten more seconds have passed. It starts no thread and never throws for a stream that
/// cannot be written.
class progress_bar {
 public:
  explicit progress_bar(std::int64_t total, std::string label = {}, int fd = STDERR_FILENO)
      : total_(total), label_(std::move(label)), fd_(fd), terminal_(detail::takes_control_sequences(fd)) {}

  progress_bar(const progress_bar&) = delete;
  progress_bar& operator=(const progress_bar&) = delete;
  ~progress_bar() { finish(); }

  /// Reports that `done` of the total are done, with the numbers to show.
  void update(std::int64_t done, std::span<const progress_field> fields) {
    done_ = done;
    fields_.assign(fields.begin(), fields.end());
    const double now = elapsed();
    if (!first_) first_ = {done, now};
    const bool complete = done >= total_;
    const bool due = terminal_ ? now - drawn_at_ >= 0.1 : now - drawn_at_ >= 10 || tenth(done) > tenth(drawn_done_);
    if (complete || due || drawn_at_ < 0) draw();
  }
  void update(std::int64_t done, std::initializer_list<progress_field> fields = {}) {
    update(done, std::span<const progress_field>(fields.begin(), fields.size()));
  }

  /// Removes the line from the terminal, so that something else can be printed; the next update draws it again.
  void clear() {
    if (!terminal_ || drawn_at_ < 0 || finished_) return;
    print("\r\x1b[K");
    drawn_at_ = -1;
  }

  /// Leaves the last state on a line of its own. Called by the destructor.
  void finish() {
    if (std::exchange(finished_, true) || drawn_at_ < 0) return;
    if (terminal_) {
      draw();
      print("\n");
    } else if (drawn_done_ != done_) {
      draw();
    }
  }

 private:
  [[nodiscard]] double elapsed() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }
  [[nodiscard]] std::int64_t tenth(std::int64_t done) const { return total_ > 0 ? 10 * done / total_ : 10; }

  /// Seconds left at the pace since the first report (what was done before it, e.g. before a resume, does not count).
  [[nodiscard]] std::optional<double> remaining(double now) const {
    if (!first_ || done_ <= first_->first) return std::nullopt;
    return (now - first_->second) / static_cast<double>(done_ - first_->first) * static_cast<double>(total_ - done_);
  }

  void draw() {
    const double now = elapsed();
    const detail::progress_state state{label_, done_, total_, now, remaining(now), fields_};
    drawn_at_ = now;
    drawn_done_ = done_;
    if (!terminal_) return print(detail::progress_log_line(state));
    print(message("\r", detail::progress_bar_line(state, width(), unicode_), "\x1b[K"));
  }

  [[nodiscard]] int width() const {
    ::winsize size{};
    return ::ioctl(fd_, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
  }

  void print(std::string_view text) const { (void)detail::write_fully(fd_, detail::bytes_of(text)); }

  std::int64_t total_;
  std::string label_;
  int fd_;
  bool terminal_;
  bool unicode_ = detail::terminal_speaks_utf8();
  bool finished_ = false;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::int64_t done_ = 0;
  std::vector<progress_field> fields_;
  std::optional<std::pair<std::int64_t, double>> first_;
  double drawn_at_ = -1;  ///< seconds since the start; negative: nothing is on the screen
  std::int64_t drawn_done_ = 0;
};

}  // namespace fewstep
