// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/cuda/block.cuh>
#include <fewstep/cuda/product_call.cuh>

#include <algorithm>
#include <array>
#include <cstddef>
#include <stdexcept>
#include <vector>

namespace fewstep {

/// How products and convolutions are computed. Parameters, activations and sums stay in float32 in any case, and so
/// does all arithmetic of log-probabilities.
enum class compute_type {
  float32,  ///< products and sums in float32
  tf32,     ///< factors rounded to 10 bits of mantissa on the tensor cores, sums in float32
  bf16,     ///< factors rounded to bfloat16 on the tensor cores, sums in float32
};

/// Whose kernels compute products. The library's own ones always compute in float32.
enum class product_kernels {
  by_compute_type,  ///< own in float32, where a row's bits depend on nothing else by construction; else library
  own,              ///< fewstep's
  library,          ///< those of a library of the device, where it has one that suits the shape
};

/// Runs network operations on a device, in the order of its stream. The operations themselves are free functions found
/// by argument-dependent lookup (fewstep/cuda/*.cuh).
///
/// Device is cuda_device or emulated_device.
template <class Device>
class device_executor {
 public:
  /// Scratch arrays that may be in use at the same time.
  enum scratch_slot { work, partials, columns, slots };

  explicit device_executor(Device& device, compute_type compute = compute_type::float32,
                           product_kernels products = product_kernels::by_compute_type)
      : device_(&device), compute_(compute), products_(products) {}
  device_executor(device_executor&& other) noexcept
      : device_(other.device_),
        compute_(other.compute_),
        products_(other.products_),
        areas_(other.areas_),
        retired_(std::move(other.retired_)) {
    other.areas_ = {};
    other.retired_.clear();
  }
  device_executor& operator=(device_executor&&) = delete;
  ~device_executor() {
    for (const area& a : areas_)
      if (a.memory != nullptr) device_->release(a.memory);
    for (void* memory : retired_) device_->release(memory);
  }

  [[nodiscard]] Device& device() { return *device_; }
  [[nodiscard]] compute_type compute() const { return compute_; }

  /// Whether the library computes a product; what decides is the shape per row or sample. Not where a single sum runs
  /// over all rows, which it would not divide, nor where rows or columns are shorter than its tiles.
  [[nodiscard]] bool uses_library(const detail::product_call& call) const {
    constexpr index_t least = 8;
    const bool wanted = products_ == product_kernels::by_compute_type ? compute_ != compute_type::float32
                                                                      : products_ == product_kernels::library;
    if (!wanted || call.n < least) return false;
    const bool batched = call.batches > 1 || call.stride_c != 0;
    return call.a_transposed ? batched && call.m >= least && call.k > 0 : call.k >= least;
  }

  /// f(i) for i in [0, n), or f(row, column) for all columns of n rows where f has columns().
  template <class F>
  void for_each(index_t n, const F& f) {
    const auto map = detail::map_of(n, f);
    device_->launch((map.n + map.per_block - 1) / map.per_block, map);
  }

  template <block_kernel Kernel>
  void launch(index_t blocks, const Kernel& kernel) {
    device_->launch(blocks, kernel);
  }

  /// n elements, valid until the slot is asked for again; what they hold at first is not defined. Grows on first use
  /// and then stays. What was grown out of is kept, since recorded work may still refer to it.
  template <class T>
  [[nodiscard]] T* scratch(scratch_slot slot, index_t n) {
    area& a = areas_[slot];
    const std::size_t bytes = static_cast<std::size_t>(n) * sizeof(T);
    if (bytes > a.bytes) {
      if (device_->recording())
        throw std::logic_error("device_executor: scratch memory must not grow while work is recorded");
      if (a.memory != nullptr) retired_.push_back(a.memory);
      a = {nullptr, 0};
      a.memory = device_->allocate(bytes);
      a.bytes = bytes;
    }
    return static_cast<T*>(a.memory);
  }

 private:
  struct area {
    void* memory = nullptr;
    std::size_t bytes = 0;
  };
  Device* device_;
  compute_type compute_;
  product_kernels products_;
  std::array<area, slots> areas_{};
  std::vector<void*> retired_;
};

}  // namespace fewstep
