// SPDX-License-Identifier: Apache-2.0
#include <fewstep/core/arena.hpp>

#include "test.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

using fewstep::arena;
using fewstep::array_extents;
using fewstep::index_t;

namespace {

/// Memory on a boundary of the arena's.
struct aligned_memory {
  alignas(arena::alignment) std::byte bytes[1024];
};

bool is_aligned(const void* memory) { return reinterpret_cast<std::uintptr_t>(memory) % arena::alignment == 0; }

/// What a network might take; returns where it lies.
std::vector<const void*> take(arena& from) {
  float* a = from.allocate<float>(3);
  double* b = from.allocate<double>(9);
  char* c = from.allocate<char>(1);
  const auto d = from.allocate<float>(array_extents<2>{4, 5});
  return {a, b, c, d.data};
}

}  // namespace

TEST_CASE("an arena hands out arrays that are aligned and do not overlap") {
  aligned_memory memory;
  arena from(memory.bytes);
  const auto arrays = take(from);
  const std::size_t sizes[] = {12, 72, 1, 80};
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    CHECK(is_aligned(arrays[i]));
    const auto* end = static_cast<const std::byte*>(arrays[i]) + sizes[i];
    CHECK(end <= (i + 1 < arrays.size() ? static_cast<const std::byte*>(arrays[i + 1]) : memory.bytes + 1024));
  }
  CHECK(arrays[0] == memory.bytes);
}

TEST_CASE("an arena that measures gives no memory and counts what one that has some takes") {
  aligned_memory memory;
  arena real(memory.bytes), measuring;
  take(real);
  for (const void* array : take(measuring)) CHECK(array == nullptr);
  // By hand: 12, 72, 1 and 80 bytes in blocks of 64.
  CHECK(measuring.peak() == 64 + 128 + 64 + 128);
  CHECK(real.peak() == measuring.peak());
  const auto view = measuring.allocate<float>(array_extents<2>{4, 5});
  CHECK(view.rows() == 4);
  CHECK(view.cols() == 5);
}

TEST_CASE("an arena is as large as was measured, and not larger") {
  arena measuring;
  take(measuring);
  aligned_memory memory;
  arena enough(std::span(memory.bytes).first(measuring.peak()));
  CHECK_NOTHROW(take(enough));
  arena short_of_one(std::span(memory.bytes).first(measuring.peak() - 1));
  CHECK_THROWS_AS(take(short_of_one), std::length_error);
  arena none(std::span(memory.bytes).first(0));
  CHECK_THROWS_WITH(none.allocate<float>(1), contains("arena: 64 bytes are needed but only 0 were planned"));
  CHECK(enough.allocate<float>(0) != nullptr);  // nothing takes no room
}
