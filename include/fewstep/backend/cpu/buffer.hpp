// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <cstddef>
#include <cstring>
#include <limits>
#include <memory>
#include <new>

namespace fewstep {

/// Zero-initialised host memory on a 64-byte boundary. Large buffers ask Linux for pages of 2 MiB, which saves networks
/// a part of their time: activations are streamed through once, and small pages miss the translation cache.
template <class T>
class cpu_buffer {
 public:
  static constexpr std::size_t alignment = 64;

  cpu_buffer() = default;
  /// An empty buffer has a null pointer.
  explicit cpu_buffer(index_t n) {
    if (n == 0) return;
    if (n < 0 || n > std::numeric_limits<std::ptrdiff_t>::max() / static_cast<index_t>(sizeof(T)))
      throw std::bad_array_new_length();
    const std::size_t bytes = static_cast<std::size_t>(n) * sizeof(T);
    const std::size_t boundary = bytes >= large ? huge_page : alignment;
    data_ = {static_cast<T*>(::operator new (bytes, std::align_val_t{boundary})), release{boundary}};
#if defined(MADV_HUGEPAGE)
    if (bytes >= large) (void)::madvise(data_.get(), bytes, MADV_HUGEPAGE);  // a wish: nothing depends on it
#endif
    std::memset(static_cast<void*>(data_.get()), 0, bytes);
  }
  [[nodiscard]] T* data() { return data_.get(); }
  [[nodiscard]] const T* data() const { return data_.get(); }

 private:
  static constexpr std::size_t huge_page = std::size_t{2} << 20, large = 4 * huge_page;

  struct release {
    std::size_t boundary = alignment;
    void operator()(T* p) const { ::operator delete (p, std::align_val_t{boundary}); }
  };
  std::unique_ptr<T, release> data_;
};

}  // namespace fewstep
