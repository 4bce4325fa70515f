// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/io/parse_number.hpp>
#include <fewstep/process/child_process.hpp>
#include <fewstep/process/program_search.hpp>
#include <fewstep/reward/check.hpp>
#include <fewstep/reward/reward.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace fewstep {

struct external_reward_settings {
  std::vector<std::string> command;      ///< program and arguments; no shell reads them, see child_process
  double timeout = 60;                   ///< seconds that a batch may take, the start of the program included
  int restarts = 2;                      ///< new processes that one batch may cost before the reward gives up
  std::string name = "external_reward";  ///< for messages

  template <class Visitor>
  void settings(Visitor& visit) const {
    visit.not_compared("timeout", timeout, above(0).remark("seconds"));
    visit.not_compared("restarts", restarts, at_least(0));
  }
};

/// A number as a line of text that reads back as the same number.
struct number_line {
  template <class Number>
  requires std::is_arithmetic_v<Number> std::string operator()(Number value) const {
    std::array<char, 64> text;
    return {text.data(), std::to_chars(text.data(), text.data() + text.size(), +value).ptr};
  }
};

/// A reward that another process computes: external_reward({.command = {"python3", "reward.py"}}).
///
/// The program serves batches until its input ends. It reads a batch from standard input
///
///   score ROWS COLUMNS          one line of text
///   context                     ROWS lines of text, what `line_of` makes of each sample's context
///   samples                     ROWS * COLUMNS float32, little-endian, row by row
///
/// and answers on standard output with ROWS lines of one decimal number each and a line `end`, which it flushes. For a
/// sample that it can say nothing of it answers `nan`, and the trainer's reward_check decides.
///
/// A program that ends, closes its streams or is slower than the timeout is killed and started anew, and gets the same
/// batch. What is not an answer of this form (no finite number, too few or too many lines) is an error at once, as it
/// would come again, and so is a program that cannot be started. Errors are std::runtime_error naming the reward, its
/// command, the sample where one is to blame, and the remedy; `out` is then as it was, its process is dead, and the
/// next call starts a new one.
///
/// The constructor refuses a command whose program is missing; the first batch starts it. Contexts that are no numbers
/// need a function that makes one line of text of them. Moves, does not copy; one caller at a time.
/// async(external_reward(...)) rates while the next part is sampled.
template <class ContextLine = number_line>
class external_reward {
  static_assert(std::endian::native == std::endian::little, "external_reward: samples are sent as they lie in memory");

 public:
  explicit external_reward(external_reward_settings settings, ContextLine line_of = {})
      : settings_(std::move(settings)), line_of_(std::move(line_of)) {
    const auto& s = settings_;
    expects(!s.command.empty() && !s.command.front().empty(),
            [&] { return message(s.name, ": the command is empty; give a program and its arguments"); });
    check_settings(s.name, s);
    if (const int code = detail::program_error(s.command.front()); code != 0)
      refuse(detail::start_failure(detail::joined(s.command), code));
  }
  external_reward(const external_reward&) = delete;  // it is one process: std::move it, or share it with std::ref
  external_reward(external_reward&&) noexcept = default;
  external_reward& operator=(external_reward&&) noexcept = default;

  template <class Context>
  void operator()(matrix<const float> samples, std::span<const Context> contexts, std::span<float> out) {
    detail::expect_reward_batch(samples, contexts.size(), out.size());
    if (out.empty()) return;
    write_head(samples, contexts);
    for (int restart = 0;; ++restart, ++restarts_) {
      try {
        rate(samples);
        break;
      } catch (const child_start_error& error) {
        refuse(error.what());
      } catch (const child_timeout_error& error) {
        if (restart == settings_.restarts) give_up(error, restart, "; if it was only slow, raise timeout");
      } catch (const child_process_error& error) {
        if (restart == settings_.restarts) give_up(error, restart, "");
      }
    }
    std::copy_n(answers_.begin(), out.size(), out.begin());  // as many as rate() made room for
  }

  /// Processes that were started because the one before failed.
  [[nodiscard]] std::int64_t restarts() const { return restarts_; }

 private:
  template <class Context>
  void write_head(matrix<const float> samples, std::span<const Context> contexts) {
    static_assert(
        std::is_invocable_r_v<std::string, ContextLine&, const Context&>,
        "fewstep::external_reward: the contexts are no numbers; give a function that makes one line of text of each: "
        "external_reward(settings, [](const Context& context) -> std::string { ... })");
    lines_.clear();
    head_ = message("score ", samples.rows(), " ", samples.cols(), "\n");
    for (const Context& context : contexts) {
      const std::string& line = lines_.emplace_back(line_of_(context));
      expects(line.find('\n') == std::string::npos, [&] {
        return message(settings_.name, ": the context of sample ", lines_.size() - 1, " has the lines '", line,
                       "'; give a function that makes one line of it");
      });
      head_ += line + '\n';
    }
  }

  /// Fills answers_. The process is a member only between batches: whatever is thrown here ends it.
  void rate(matrix<const float> samples) {
    answers_.clear();
    const time_limit limit(settings_.timeout);
    auto child = std::exchange(child_, std::nullopt);
    if (!child) child.emplace(settings_.command);
    child->write(head_, limit);
    child->write(std::as_bytes(std::span(samples.data, static_cast<std::size_t>(samples.size()))), limit);
    while (is_answer(child->read_line(limit), child->name())) {
    }
    if (child->unread() > 0) refuse("'", child->name(), "' wrote more after the line 'end'", form);
    child_ = std::move(child);
  }

  /// Takes a line as the next answer; false if it is the end.
  bool is_answer(std::string_view line, const std::string& command) {
    const auto first = line.find_first_not_of(blanks);
    line = first == line.npos ? "" : line.substr(first, line.find_last_not_of(blanks) + 1 - first);
    const std::size_t sample = answers_.size(), samples = lines_.size();
    if (line == "end" && sample == samples) return false;
    if (line == "end") refuse("'", command, "' answered 'end' after ", sample, " of ", samples, " samples", form);
    const std::string shown(line.substr(0, 60));
    if (sample == samples)
      refuse("'", command, "' answered '", shown, "' after all ", samples, " samples, where 'end' was due", form);
    if (line == "nan") {
      answers_.push_back(std::numeric_limits<float>::quiet_NaN());
      return true;
    }
    const auto value = parse_number(line);
    if (!value || !(std::abs(*value) <= static_cast<double>(std::numeric_limits<float>::max())))
      refuse("'", command, "' answered '", shown, "' for sample ", sample, " of ", samples, " (context '",
             lines_[sample], "')", form);
    answers_.push_back(static_cast<float>(*value));
    return true;
  }

  [[noreturn]] void give_up(const child_process_error& error, int restarts, const char* more) const {
    refuse(error.what(), " after ", answers_.size(), " of ", lines_.size(), " answers; gave up after ", restarts,
           " restarts for this batch: see what the program wrote to standard error", more);
  }

  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    throw std::runtime_error(message("reward '", settings_.name, "': ", parts...));
  }

  static constexpr std::string_view blanks = " \t\r";
  static constexpr std::string_view form = "; the program has to answer one finite number a line for each, then 'end'";

  external_reward_settings settings_;
  ContextLine line_of_;
  std::string head_;                ///< of the batch, up to the samples
  std::vector<std::string> lines_;  ///< of its contexts
  std::vector<float> answers_;      ///< so far
  std::optional<child_process> child_;
  std::int64_t restarts_ = 0;
};

}  // namespace fewstep
