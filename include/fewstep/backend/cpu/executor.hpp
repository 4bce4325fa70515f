// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/cpu/buffer.hpp>
#include <fewstep/core/view.hpp>

#include <array>
#include <cstddef>

namespace fewstep {

/// Runs network operations one after the other on the calling thread. A cpu_backend owns one for each of its threads;
/// parallelism is over rows of the batch, never inside an operation, so an operation's bits cannot depend on the number
/// of threads. The operations themselves are free functions found by argument-dependent lookup
/// (fewstep/backend/cpu/*.hpp).
class cpu_executor {
 public:
  /// Scratch arrays that may be in use at the same time.
  enum scratch_slot { work, pointers, columns, transposed, filters, zeros, slots };

  /// f(i) for i in [0, n), in order.
  template <class F>
  void for_each(index_t n, const F& f) {
    for_each(0, n, f);
  }

  /// f(i) for i in [first, last), in order. It runs on a copy of f: what f writes might otherwise be its own members,
  /// for all the compiler knows, and the loop would not vectorise.
  template <class F>
  void for_each(index_t first, index_t last, const F& f) {
    const F kernel = f;
    for (index_t i = first; i < last; ++i) kernel(i);
  }

  /// n elements, valid until the slot is asked for again. Grows on first use and then stays: steady state allocates
  /// nothing. Memory is zero when new, and `zeros` is never written.
  template <class T>
  [[nodiscard]] T* scratch(scratch_slot slot, index_t n) {
    area& slab = areas_[slot];
    slab.grow(static_cast<std::size_t>(n) * sizeof(T));
    return reinterpret_cast<T*>(slab.memory.data());
  }

  /// Makes every scratch array at least as large as that of `other`.
  void grow_to(const cpu_executor& other) {
    for (std::size_t slot = 0; slot < areas_.size(); ++slot) areas_[slot].grow(other.areas_[slot].bytes);
  }

 private:
  struct area {
    cpu_buffer<std::byte> memory;
    std::size_t bytes = 0;

    void grow(std::size_t wanted) {
      if (wanted > bytes) *this = {cpu_buffer<std::byte>(static_cast<index_t>(wanted)), wanted};
    }
  };
  std::array<area, slots> areas_;
};

/// Executor of the dry run: every operation is accepted and does nothing. With a measuring arena it tells how much
/// memory a network needs.
struct dry_executor {
  template <class F>
  void for_each(index_t, const F&) {}
};

}  // namespace fewstep
