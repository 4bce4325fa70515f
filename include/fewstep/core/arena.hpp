// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/view.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <stdexcept>

namespace fewstep {

/// Bump allocator over borrowed memory: networks take their activations from it, and give back the last ones first, or
/// all at once with the arena. A measuring arena has no memory; it hands out null pointers and counts, so that a dry
/// run of the very same network code tells the exact number of bytes before anything is allocated.
class arena {
 public:
  static constexpr std::size_t alignment = 64;

  /// Measuring arena.
  arena() = default;
  explicit arena(std::span<std::byte> memory) : base_(memory.data()), capacity_(memory.size()) {}

  /// Uninitialised array of n elements; throws std::length_error when the arena is exhausted.
  template <class T>
  [[nodiscard]] T* allocate(index_t n) {
    if (base_ == nullptr) return measure<T>(n);
    const std::size_t bytes = (static_cast<std::size_t>(n) * sizeof(T) + alignment - 1) / alignment * alignment;
    const std::size_t first = used_;
    used_ += bytes;
    if (used_ > capacity_) refuse();
    peak_ = std::max(peak_, used_);
    return reinterpret_cast<T*>(base_ + first);
  }

  template <class T, int Rank>
  [[nodiscard]] tensor_view<T, Rank> allocate(array_extents<Rank> shape) {
    if (base_ == nullptr) return {measure<T>(length_of(shape)), shape};
    return {allocate<T>(tensor_view<T, Rank>(nullptr, shape).size()), shape};
  }

  /// What is allocated by now; give_back(used()) later gives back what was allocated in between.
  [[nodiscard]] std::size_t used() const { return used_; }
  void give_back(std::size_t to) { used_ = to; }
  /// The most bytes that were in use at a time, which are what a network needs.
  [[nodiscard]] std::size_t peak() const { return peak_; }

 private:
  /// Counts bytes that may be more than can be had.
  template <class T>
  [[gnu::noinline]] T* measure(index_t n) {
    const std::size_t blocks = (saturated_size(n) * sizeof(T) + (alignment - 1)).value() / alignment;
    used_ = (saturated_size(used_) + saturated_size(blocks) * alignment).value();
    peak_ = std::max(peak_, used_);
    return nullptr;
  }
  /// Out of line, as allocate is called for every operation of a network.
  [[noreturn, gnu::cold, gnu::noinline]] void refuse() const {
    throw std::length_error(
        message("arena: ", used_, " bytes are needed but only ", capacity_, " were planned for this network"));
  }

  std::byte* base_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t used_ = 0, peak_ = 0;
};

}  // namespace fewstep
