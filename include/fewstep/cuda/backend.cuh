// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/backend/backend.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/cuda/buffer.cuh>
#include <fewstep/cuda/device.cuh>
#include <fewstep/cuda/emulated_device.cuh>
#include <fewstep/cuda/executor.cuh>
#include <fewstep/cuda/sum.cuh>

#include <cuda_runtime_api.h>

#include <cstdio>
#include <exception>
#include <memory>

namespace fewstep {

/// A device: arrays in its memory, work in the order of one stream. Everything is enqueued by the calling thread; the
/// host waits where it wants numbers (copy_to_host, sum, synchronize). One caller at a time.
///
/// Device is cuda_device or emulated_device.
template <class Device>
class device_backend {
 public:
  template <class T>
  using buffer = device_buffer<T, Device>;
  template <class T>
  using host_buffer = pinned_buffer<T, Device>;
  using executor_type = device_executor<Device>;
  static constexpr bool arrays_on_host = false;

  struct options {
    typename Device::options device{};
    compute_type compute = compute_type::float32;
    product_kernels products = product_kernels::by_compute_type;
    bool graphs = true;  ///< record what is repeated, and replay it
  };

  /// Work that is repeated; see repeat().
  class recording {
    friend device_backend;
    int runs_ = 0;
    bool refused_ = false;
    typename Device::graph graph_;
  };

  device_backend() : device_backend(options{}) {}
  explicit device_backend(options o)
      : options_(o), device_(std::make_shared<Device>(o.device)), executor_(*device_, o.compute, o.products) {}

  [[nodiscard]] int threads() const { return 1; }
  [[nodiscard]] executor_type& executor(int) { return executor_; }
  [[nodiscard]] Device& device() { return *device_; }

  template <class T>
  [[nodiscard]] buffer<T> allocate(index_t n) {
    return buffer<T>(device_, n);
  }
  template <class T>
  [[nodiscard]] host_buffer<T> allocate_host(index_t n) {
    return host_buffer<T>(device_, n);
  }

  /// task(executor, 0, i) for i in [0, tasks), in order: a task enqueues work and does not touch arrays itself.
  template <class Task>
  void parallel_for(index_t tasks, const Task& task) {
    for (index_t i = 0; i < tasks; ++i) task(executor_, 0, i);
  }
  template <class Kernel>
  void for_each(index_t n, const Kernel& f) {
    executor_.for_each(n, f);
  }
  /// Sum of term(i) over [0, n) in double, in an order that depends on n only; waits for it.
  template <class Term>
  [[nodiscard]] double sum(index_t n, const Term& term) {
    return sum_of(executor_, n, term);
  }

  /// Waits until the copy is there.
  template <class T>
  void copy_to_host(const T* device, T* host, index_t n) {
    device_->copy(host, device, static_cast<std::size_t>(n) * sizeof(T), cudaMemcpyDeviceToHost);
    synchronize();
  }
  /// The host array may be changed again on return, unless it is pinned.
  template <class T>
  void copy_to_device(const T* host, T* device, index_t n) {
    device_->copy(device, host, static_cast<std::size_t>(n) * sizeof(T), cudaMemcpyHostToDevice);
  }
  template <class T>
  void copy(const T* from, T* to, index_t n) {
    device_->copy(to, from, static_cast<std::size_t>(n) * sizeof(T), cudaMemcpyDeviceToDevice);
  }
  void synchronize() { device_->synchronize(); }

  /// Runs `work`, which does the same at every call but for what its operations read from arrays. The first time it
  /// runs as it is and takes its memory; the second time it is recorded; from then on the record is replayed and
  /// `work` is not called. What cannot be recorded (work that waits for the device) is run as it is, and a message on
  /// the error stream says so once.
  template <class Work>
  void repeat(recording& r, const Work& work) {
    if (!options_.graphs || r.refused_ || device_->recording() || r.runs_++ == 0) return work();
    if (!r.graph_) {
      try {
        r.graph_ = device_->record(work);
      } catch (const std::exception& reason) {
        r.refused_ = true;
        std::fprintf(stderr, "fewstep: work cannot be recorded as a CUDA graph and is launched piece by piece: %s\n",
                     reason.what());
        return work();
      }
    }
    device_->start(r.graph_);
  }

 private:
  options options_;
  std::shared_ptr<Device> device_;
  executor_type executor_;
};

/// A GPU.
using cuda_backend = device_backend<cuda_device>;
/// The CPU in place of a GPU, kernel by kernel; see emulated_device.
using emulated_backend = device_backend<emulated_device>;
using cuda_executor = device_executor<cuda_device>;

/// Owning array on a GPU.
template <class T, int Rank>
using cuda_tensor = tensor<T, Rank, cuda_backend>;

static_assert(backend<cuda_backend> && backend<emulated_backend>);

}  // namespace fewstep
