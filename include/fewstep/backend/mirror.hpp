// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/backend.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/core/view.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <type_traits>
#include <vector>

namespace fewstep {

/// A small array that the host writes and a backend's operations read, or the other way round: times, contexts,
/// advantages, scores. Where the backend's arrays lie in host memory there is one array and nothing is copied.
template <class T, class Backend>
class mirrored {
  static_assert(std::is_trivially_copyable_v<T>, "mirrored: elements must be trivially copyable");

 public:
  mirrored() = default;
  /// n elements of value `initial` on the host.
  mirrored(Backend& backend, index_t n, const T& initial = T{}) : size_(n) {
    if constexpr (on_host<Backend>) {
      host_.resize(static_cast<std::size_t>(n), initial);
    } else {
      host_ = backend.template allocate_host<T>(n);
      device_ = tensor<T, 1, Backend>(backend, {n});
      std::fill_n(host_.data(), n, initial);
    }
  }

  [[nodiscard]] index_t size() const { return size_; }
  /// What the host sees.
  [[nodiscard]] std::span<T> host() & { return {host_.data(), static_cast<std::size_t>(size_)}; }
  [[nodiscard]] std::span<const T> host() const& { return {host_.data(), static_cast<std::size_t>(size_)}; }
  needs_a_named_object host() const&& = delete;
  /// What operations see: the host's values as of the last upload.
  [[nodiscard]] T* device() {
    if constexpr (on_host<Backend>)
      return host_.data();
    else
      return device_.data();
  }
  [[nodiscard]] const T* device() const {
    if constexpr (on_host<Backend>)
      return host_.data();
    else
      return device_.data();
  }
  [[nodiscard]] vec<const T> view() const& { return {device(), {size_}}; }
  needs_a_named_object view() const&& = delete;

  /// Brings the host's values to the operations enqueued from now on. The host may change them again when it has
  /// waited for the backend.
  void upload(Backend& backend) {
    if constexpr (!on_host<Backend>) backend.copy_to_device(host_.data(), device_.data(), size_);
  }
  /// Waits for what was enqueued and brings its values to the host.
  void download(Backend& backend) {
    if constexpr (!on_host<Backend>) backend.copy_to_host(device_.data(), host_.data(), size_);
  }

 private:
  struct nothing {};
  static auto host_type() {
    if constexpr (on_host<Backend>)
      return std::type_identity<std::vector<T>>{};
    else
      return std::type_identity<typename Backend::template host_buffer<T>>{};
  }

  index_t size_ = 0;
  typename decltype(host_type())::type host_;
  [[no_unique_address]] std::conditional_t<on_host<Backend>, nothing, tensor<T, 1, Backend>> device_;
};

/// Where the host reads what a backend's operations wrote into an array of `n` elements: the array itself where it lies
/// in host memory, else a copy.
template <class T, class Backend>
class fetched {
 public:
  fetched() = default;
  fetched(Backend& backend, index_t n) {
    if constexpr (!on_host<Backend>) copy_ = backend.template allocate_host<T>(n);
  }

  /// Waits for elements [first, first + n) of the array and returns where they are.
  [[nodiscard]] const T* fetch(Backend& backend, const T* array, index_t first, index_t n) {
    if constexpr (on_host<Backend>) {
      return array + first;
    } else {
      backend.copy_to_host(array + first, copy_.data() + first, n);
      return copy_.data() + first;
    }
  }
  /// The array as of the last fetch.
  [[nodiscard]] const T* data([[maybe_unused]] const T* array) const {
    if constexpr (on_host<Backend>)
      return array;
    else
      return copy_.data();
  }

 private:
  struct nothing {};
  static auto copy_type() {
    if constexpr (on_host<Backend>)
      return std::type_identity<nothing>{};
    else
      return std::type_identity<typename Backend::template host_buffer<T>>{};
  }
  [[no_unique_address]] typename decltype(copy_type())::type copy_;
};

/// Work that is done again and again and differs only in what it reads from arrays; a backend with recording and
/// repeat() can replay it (CUDA graphs), others call it.
template <class Backend>
class repeated {
 public:
  template <class Work>
  void run(Backend& backend, const Work& work) {
    if constexpr (requires { typename Backend::recording; })
      backend.repeat(recording_, work);
    else
      work();
  }

 private:
  struct nothing {};
  static auto recording_type() {
    if constexpr (requires { typename Backend::recording; })
      return std::type_identity<typename Backend::recording>{};
    else
      return std::type_identity<nothing>{};
  }
  typename decltype(recording_type())::type recording_;
};

}  // namespace fewstep
