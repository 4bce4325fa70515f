// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>
#include <fewstep/objective/trajectory_objective.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace fewstep {

/// The weight of each sample's transitions under an objective over trajectories: its slope at the sums of log-ratios
/// that the trajectories have come to.
class trajectory_weights {
 public:
  explicit trajectory_weights(index_t samples) : log_ratios_(static_cast<std::size_t>(samples)) {
    for (auto* compact : {&compact_advantages_, &slopes_}) compact->reserve(log_ratios_.size());
    compact_log_ratios_.reserve(log_ratios_.size());
    members_.reserve(log_ratios_.size());
  }

  /// Log-ratios are added up anew.
  void forget() {
    std::fill(log_ratios_.begin(), log_ratios_.end(), 0.0);
    members_.clear();
  }
  /// The samples that are weighed, those of a prompt together.
  void add_member(index_t sample) { members_.push_back(static_cast<std::size_t>(sample)); }
  void add_log_ratio(index_t sample, double log_ratio) { log_ratios_[static_cast<std::size_t>(sample)] += log_ratio; }
  [[nodiscard]] std::size_t members() const { return members_.size(); }

  /// Writes the weights of the members among weights[samples], given advantages[samples]; returns the value of the
  /// objective. Sample i is one of prompt i / samples_per_prompt, of which some may be no members.
  template <trajectory_objective Objective>
  double weigh(const Objective& value_of, int samples_per_prompt, std::span<const float> advantages,
               std::span<float> weights) {
    compact_advantages_.clear();
    compact_log_ratios_.clear();
    for (const std::size_t sample : members_) {
      compact_advantages_.push_back(advantages[sample]);
      compact_log_ratios_.push_back(log_ratios_[sample]);
    }
    slopes_.resize(members_.size());
    const double value = value_of_members(value_of, static_cast<std::size_t>(samples_per_prompt));
    for (std::size_t i = 0; i < members_.size(); ++i) weights[members_[i]] = slopes_[i];
    return value;
  }

 private:
  /// The value over all members, and its slopes. Prompts that have lost a sample are taken one by one.
  template <class Objective>
  double value_of_members(const Objective& value_of, std::size_t n) {
    const auto value_of_some = [&](std::size_t first, std::size_t count, std::size_t together) {
      return value_of(std::span<const double>(compact_log_ratios_).subspan(first, count),
                      std::span<const float>(compact_advantages_).subspan(first, count), static_cast<int>(together),
                      std::span(slopes_).subspan(first, count));
    };
    const std::size_t all = members_.size();
    std::size_t prompts = 0;
    const auto each_prompt = [&](const auto& work) {
      for (std::size_t first = 0, last = 0; first < all; first = last) {
        while (last < all && members_[last] / n == members_[first] / n) ++last;
        work(first, last - first);
      }
    };
    each_prompt([&](std::size_t, std::size_t) { ++prompts; });
    if (prompts * n == all) return all == 0 ? 0.0 : value_of_some(0, all, n);
    double sum = 0;
    each_prompt([&](std::size_t first, std::size_t count) {
      sum += value_of_some(first, count, count);
      const double share = static_cast<double>(all) / static_cast<double>(prompts * count);
      for (std::size_t i = first; i < first + count; ++i)
        slopes_[i] = static_cast<float>(static_cast<double>(slopes_[i]) * share);
    });
    return sum / static_cast<double>(prompts);
  }

  std::vector<double> log_ratios_;  // sums over the trained steps
  std::vector<std::size_t> members_;
  std::vector<float> compact_advantages_, slopes_;  // of the members
  std::vector<double> compact_log_ratios_;
};

}  // namespace fewstep
