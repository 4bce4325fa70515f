// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/io/csv_table.hpp>
#include <fewstep/io/parse_number.hpp>

#include <array>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fewstep {

/// A CSV file of judged pairs. Its columns:
///
///   winner, loser             the members of a pair, by their files; or
///   first, second             the same, with labels that say which is the better one
///   prompt                    what both were made for (it may be empty), or for each member:
///   winner_prompt, ...        as the members' columns are called; both members of a pair have the same
///   label                     1: the winner, or the first, is the better one; -1: the other is; 0: a tie
///   label_0, label_1, ...     the same for each segment of a sample
///
/// Without labels the winner has won. Throws std::runtime_error naming the file, the line and the column for a column
/// that is missing or not known, a label that is none, prompts that differ and labels that are all ties.
class pair_table {
 public:
  [[nodiscard]] static pair_table load(const std::filesystem::path& path) { return pair_table(csv_table::load(path)); }

  [[nodiscard]] std::size_t pairs() const { return table_.rows(); }
  /// FILE:LINE of a pair, for errors.
  [[nodiscard]] std::string place(std::size_t pair) const { return table_.place(pair); }
  /// What the columns of the members are called.
  [[nodiscard]] std::string_view member_name(std::size_t member) const { return members_[member]; }
  [[nodiscard]] const std::string& member(std::size_t pair, std::size_t member) const {
    return table_.at(pair, columns_[member]);
  }
  [[nodiscard]] const std::string& prompt(std::size_t pair) const { return table_.at(pair, prompts_.front().second); }
  /// [pairs, segments], as pair_records has them; empty where the file has none.
  [[nodiscard]] const std::vector<float>& labels() const& { return values_; }
  needs_a_named_object labels() const&& = delete;

 private:
  using named_column = std::pair<std::string, std::size_t>;

  explicit pair_table(csv_table table) : table_(std::move(table)) {
    const bool ordered = table_.find("winner") || table_.find("loser");
    members_ = ordered ? std::array{"winner", "loser"} : std::array{"first", "second"};
    for (std::size_t m = 0; m < 2; ++m) {
      const auto column = table_.find(members_[m]);
      if (!column) fail(": there is no column '", members_[m], "'; give 'winner' and 'loser', or 'first' and 'second'");
      columns_[m] = *column;
    }
    take(prompts_, "prompt");
    for (const std::string member : members_) take(prompts_, member + "_prompt");
    if (prompts_.empty()) fail(": there is no column 'prompt'; give one, empty where nothing was asked for");
    take(labels_, "label");
    const bool whole = !labels_.empty();
    while (!whole && take(labels_, message("label_", labels_.size()))) {
    }
    if (!ordered && labels_.empty())
      fail(": there is no column 'label', which says whether the first is the better one");
    for (const std::string& column : table_.columns()) expect_known(column);
    for (std::size_t pair = 0; pair < pairs(); ++pair) read(pair);
    bool tied = !values_.empty();
    for (const float label : values_) tied = tied && label == 0;
    if (tied) fail(": all ", values_.size(), " labels are ties, so there is nothing to learn");
  }

  template <class... What>
  [[noreturn]] void fail(const What&... what) const {
    throw std::runtime_error(message(table_.name(), what...));
  }
  bool take(std::vector<named_column>& columns, const std::string& name) {
    const auto column = table_.find(name);
    if (column) columns.emplace_back(name, *column);
    return column.has_value();
  }
  void expect_known(const std::string& column) const {
    bool known = column == members_[0] || column == members_[1];
    for (const auto* columns : {&prompts_, &labels_})
      for (const named_column& each : *columns) known = known || each.first == column;
    if (!known)
      fail(": column '", column, "' is not known; columns are ", members_[0], ", ", members_[1], ", prompt, ",
           members_[0], "_prompt, ", members_[1],
           "_prompt, and label, or label_0, label_1, ... of all segments without a gap");
  }
  void read(std::size_t pair) {
    for (const auto& [name, column] : prompts_)
      if (const std::string& other = table_.at(pair, column); other != prompt(pair))
        throw std::runtime_error(message(place(pair), ": ", prompts_.front().first, " is '", prompt(pair), "' and ",
                                         name, " '", other,
                                         "'; samples of one prompt are compared: leave the pair out"));
    for (const auto& [name, column] : labels_) {
      const std::string& text = table_.at(pair, column);
      const std::optional<double> label = parse_number(text);
      if (!label || (*label != 1 && *label != -1 && *label != 0))
        throw std::runtime_error(message(place(pair), ": ", name, " is '", text, "'; it must be 1 (the ", members_[0],
                                         " is better), -1 (the ", members_[1], ") or 0 (a tie), in every row"));
      values_.push_back(static_cast<float>(*label));
    }
  }

  csv_table table_;
  std::array<const char*, 2> members_{};
  std::array<std::size_t, 2> columns_{};
  std::vector<named_column> prompts_, labels_;
  std::vector<float> values_;
};

}  // namespace fewstep
