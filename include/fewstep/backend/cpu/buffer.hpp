// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>

#include <cstddef>
#include <cstring>
#include <limits>
#include <memory>
#include <new>

namespace fewstep {

/// Zero-initialised host memory on a 64-byte boundary.
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
    data_.reset(static_cast<T*>(::operator new (bytes, std::align_val_t{alignment})));
    std::memset(static_cast<void*>(data_.get()), 0, bytes);
  }
  [[nodiscard]] T* data() { return data_.get(); }
  [[nodiscard]] const T* data() const { return data_.get(); }

 private:
  struct release {
    void operator()(T* p) const { ::operator delete (p, std::align_val_t{alignment}); }
  };
  std::unique_ptr<T, release> data_;
};

}  // namespace fewstep
