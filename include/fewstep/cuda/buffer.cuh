// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/core/view.hpp>

#include <cstddef>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <utility>

namespace fewstep {

/// Zero-initialised memory of a device, given back to its pool in the order of its stream. Holds on to the device, so a
/// buffer may outlive its backend.
template <class T, class Device>
class device_buffer {
 public:
  device_buffer() = default;
  /// An empty buffer has a null pointer.
  device_buffer(std::shared_ptr<Device> device, index_t n) : device_(std::move(device)) {
    if (n == 0) return;
    const std::size_t bytes = bytes_of(n);
    data_ = static_cast<T*>(device_->allocate(bytes));
    device_->fill_bytes(data_, 0, bytes);
  }
  device_buffer(device_buffer&& other) noexcept
      : device_(std::move(other.device_)), data_(std::exchange(other.data_, nullptr)) {}
  device_buffer& operator=(device_buffer&& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(data_, other.data_);
    return *this;
  }
  ~device_buffer() {
    if (data_ != nullptr) device_->release(data_);
  }

  [[nodiscard]] T* data() { return data_; }
  [[nodiscard]] const T* data() const { return data_; }

  [[nodiscard]] static std::size_t bytes_of(index_t n) {
    if (n < 0 || n > std::numeric_limits<std::ptrdiff_t>::max() / static_cast<index_t>(sizeof(T)))
      throw std::bad_array_new_length();
    return static_cast<std::size_t>(n) * sizeof(T);
  }

 private:
  std::shared_ptr<Device> device_;
  T* data_ = nullptr;
};

/// Zero-initialised host memory that a device copies from and to without a detour and while the host goes on.
template <class T, class Device>
class pinned_buffer {
 public:
  pinned_buffer() = default;
  pinned_buffer(std::shared_ptr<Device> device, index_t n) : device_(std::move(device)) {
    if (n == 0) return;
    const std::size_t bytes = device_buffer<T, Device>::bytes_of(n);
    data_ = static_cast<T*>(device_->allocate_pinned(bytes));
    std::memset(static_cast<void*>(data_), 0, bytes);
  }
  pinned_buffer(pinned_buffer&& other) noexcept
      : device_(std::move(other.device_)), data_(std::exchange(other.data_, nullptr)) {}
  pinned_buffer& operator=(pinned_buffer&& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(data_, other.data_);
    return *this;
  }
  ~pinned_buffer() {
    if (data_ != nullptr) device_->release_pinned(data_);
  }

  [[nodiscard]] T* data() { return data_; }
  [[nodiscard]] const T* data() const { return data_; }

 private:
  std::shared_ptr<Device> device_;
  T* data_ = nullptr;
};

}  // namespace fewstep
