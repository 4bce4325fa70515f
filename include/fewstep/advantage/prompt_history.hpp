// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <span>
#include <vector>

namespace fewstep {

/// The last rewards of each prompt: one ring buffer per prompt id, all of one capacity, in flat arrays.
/// A push allocates only for a prompt that was never seen.
class prompt_history {
 public:
  prompt_history() = default;

  /// Appends a reward to the prompt's ring; beyond `capacity` the oldest is overwritten. The first push sets the
  /// capacity; throws std::invalid_argument if a later one has another.
  void push(std::int32_t prompt, float reward_value, int capacity) {
    expects(capacity >= 1 && (ids_.empty() || capacity == capacity_), [&] {
      return message("prompt_history: capacity is ", capacity, " but ",
                     ids_.empty() ? message("must be positive") : message("rewards are kept with capacity ", capacity_),
                     "; settle it before the first update");
    });
    capacity_ = capacity;
    const std::size_t slot = slot_or_new(prompt);
    values_[slot * static_cast<std::size_t>(capacity) + static_cast<std::size_t>(heads_[slot])] = reward_value;
    heads_[slot] = (heads_[slot] + 1) % capacity;
    counts_[slot] = std::min(counts_[slot] + 1, capacity);
  }

  /// The rewards kept of a prompt (none for an unknown one), not in the order of their arrival.
  [[nodiscard]] std::span<const float> rewards(std::int32_t prompt) const {
    const auto found = std::lower_bound(ids_.begin(), ids_.end(), prompt);
    if (found == ids_.end() || *found != prompt) return {};
    const auto slot = static_cast<std::size_t>(slots_[static_cast<std::size_t>(found - ids_.begin())]);
    return {values_.data() + slot * static_cast<std::size_t>(capacity_), static_cast<std::size_t>(counts_[slot])};
  }

  /// How many prompts were seen.
  [[nodiscard]] std::size_t prompts() const { return ids_.size(); }

  /// Throws std::invalid_argument if what is read does not fit together: before anything is changed where the archive
  /// can be read ahead (load_checkpoint), else all is forgotten.
  template <class Archive>
  void serialize(Archive& archive) {
    arrays(archive);
    prompt_history ahead;
    if constexpr (requires { archive.reader(); }) {
      auto reader = archive.reader();
      ahead.arrays(reader);
    }
    if (is_whole() && ahead.is_whole()) return;
    if (!is_whole()) *this = {};
    expects(false, "prompt_history: the arrays read do not fit together; the checkpoint is of something else");
  }

 private:
  template <class Archive>
  void arrays(Archive& archive) {
    archive("capacity", capacity_);
    archive("ids", ids_);
    archive("slots", slots_);
    archive("counts", counts_);
    archive("heads", heads_);
    archive("values", values_);
  }

  [[nodiscard]] bool is_whole() const {
    const std::size_t n = ids_.size();
    const auto lie_in = [](const std::vector<std::int32_t>& values, std::int32_t first, std::int32_t last) {
      return std::all_of(values.begin(), values.end(), [&](std::int32_t v) { return v >= first && v <= last; });
    };
    const auto differ = [](std::vector<std::int32_t> values) {
      std::sort(values.begin(), values.end());
      return std::adjacent_find(values.begin(), values.end()) == values.end();
    };
    return (capacity_ >= 1 || n == 0) && slots_.size() == n && counts_.size() == n && heads_.size() == n &&
           values_.size() == n * static_cast<std::size_t>(capacity_) &&
           std::adjacent_find(ids_.begin(), ids_.end(), std::greater_equal<>()) == ids_.end() &&
           lie_in(slots_, 0, static_cast<std::int32_t>(n) - 1) && differ(slots_) && lie_in(counts_, 0, capacity_) &&
           lie_in(heads_, 0, capacity_ - 1);
  }

  [[nodiscard]] std::size_t slot_or_new(std::int32_t prompt) {
    const auto found = std::lower_bound(ids_.begin(), ids_.end(), prompt);
    const auto position = found - ids_.begin();
    if (found == ids_.end() || *found != prompt) {
      slots_.insert(std::next(slots_.begin(), position), static_cast<std::int32_t>(ids_.size()));
      ids_.insert(found, prompt);
      counts_.push_back(0);
      heads_.push_back(0);
      values_.resize(values_.size() + static_cast<std::size_t>(capacity_));
    }
    return static_cast<std::size_t>(slots_[static_cast<std::size_t>(position)]);
  }

  int capacity_ = 0;
  std::vector<std::int32_t> ids_;    // sorted
  std::vector<std::int32_t> slots_;  // of ids_[i], in the order of first appearance
  std::vector<std::int32_t> counts_;
  std::vector<std::int32_t> heads_;  // where the next reward of a slot goes
  std::vector<float> values_;        // [slots, capacity]
};

}  // namespace fewstep
