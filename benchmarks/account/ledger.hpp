// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace accounting {

/// Where the time of an update goes.
enum class part : std::size_t {
  convolution,
  convolution_input,
  convolution_weight,
  product,
  group_norm,
  group_norm_backward,
  elementwise,
  attention,
  copy,
  weights,
  gradients,
  score,
  noise,
  transition,
  optimizer,
  reward,
  between,
  waiting,
  rest,
  count
};

inline constexpr std::array part_names = {"convolution",
                                          "  input gradient",
                                          "  weight gradient",
                                          "matrix product",
                                          "group norm with SiLU",
                                          "  backward",
                                          "other elementwise",
                                          "attention",
                                          "copy, re-arrange",
                                          "weight preparation",
                                          "adding gradients up",
                                          "score kernel",
                                          "random numbers",
                                          "transition, log pi",
                                          "clipping, optimizer",
                                          "reward",
                                          "between operations",
                                          "waiting threads",
                                          "rest"};
static_assert(part_names.size() == static_cast<std::size_t>(part::count));

/// What an operation has to do at least.
struct workload {
  double operations = 0;  ///< floating-point, two a multiply-add; only those of products and convolutions are counted
  double bytes = 0;       ///< read and written, each operand once
};

struct entry {
  double seconds = 0;
  workload done = {};
  std::int64_t calls = 0;

  void add(double time, const workload& w, std::int64_t n = 1) {
    seconds += time;
    done.operations += w.operations;
    done.bytes += w.bytes;
    calls += n;
  }
};

/// An entry for every part.
class ledger {
 public:
  [[nodiscard]] entry& operator[](part p) { return entries_[static_cast<std::size_t>(p)]; }
  [[nodiscard]] const entry& operator[](part p) const { return entries_[static_cast<std::size_t>(p)]; }

  ledger& operator+=(const ledger& other) {
    for (std::size_t i = 0; i < entries_.size(); ++i)
      entries_[i].add(other.entries_[i].seconds, other.entries_[i].done, other.entries_[i].calls);
    return *this;
  }
  /// All parts together.
  [[nodiscard]] entry total() const {
    entry sum;
    for (const entry& e : entries_) sum.add(e.seconds, e.done, e.calls);
    return sum;
  }

 private:
  std::array<entry, static_cast<std::size_t>(part::count)> entries_{};
};

class stopwatch {
 public:
  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace accounting
