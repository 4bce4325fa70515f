// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/core/error.hpp>
#include <fewstep/cuda/block.cuh>
#include <fewstep/cuda/check.cuh>
#include <fewstep/cuda/cublas.cuh>

#include <thrust/system/cuda/execution_policy.h>

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace fewstep {

namespace detail {

/// Blocks of a kernel that are to fit on a multiprocessor at once; 0 where it does not say, and ptxas chooses.
template <class Kernel>
consteval int resident_blocks() {
  if constexpr (requires { Kernel::resident_blocks; })
    return Kernel::resident_blocks;
  else
    return 0;
}

template <class Kernel>
__global__ void __launch_bounds__(Kernel::threads, resident_blocks<Kernel>())
    run_kernel(const __grid_constant__ Kernel kernel) {
  device_block<Kernel::threads> block;
  kernel(block);
}

}  // namespace detail

/// One GPU and a stream of work on it: launches, copies and memory are in the order of the stream, and the host waits
/// only in synchronize() and after copies to the host.
///
/// Memory comes from a pool of its own that keeps what is given back, so that after the first use of a size nothing is
/// allocated. Errors of CUDA are std::runtime_error, with the call, CUDA's text, file and line.
class cuda_device {
 public:
  /// Work that was recorded and can be started as a whole.
  class graph {
   public:
    graph() = default;
    graph(graph&& other) noexcept : executable_(std::exchange(other.executable_, nullptr)) {}
    graph& operator=(graph&& other) noexcept {
      std::swap(executable_, other.executable_);
      return *this;
    }
    ~graph() {
      if (executable_ != nullptr) (void)cudaGraphExecDestroy(executable_);
    }
    explicit operator bool() const { return executable_ != nullptr; }

   private:
    friend cuda_device;
    cudaGraphExec_t executable_ = nullptr;
  };

  struct options {
    int device = 0;  ///< CUDA's number of the GPU
  };

  cuda_device() : cuda_device(options{}) {}
  explicit cuda_device(options o) : device_(o.device) {
    int count = 0;
    const cudaError_t found = cudaGetDeviceCount(&count);
    expects(found == cudaSuccess && o.device >= 0 && o.device < count, [&] {
      return message("cuda_device: there is no GPU number ", o.device, " (", found == cudaSuccess ? count : 0, " found",
                     found == cudaSuccess ? std::string() : message("; ", cudaGetErrorString(found)),
                     "); use another number, CUDA_VISIBLE_DEVICES, or cpu_backend");
    });
    detail::check_cuda(cudaSetDevice(device_), "cudaSetDevice");
    detail::check_cuda(cudaDeviceGetAttribute(&multiprocessors_, cudaDevAttrMultiProcessorCount, device_),
                       "cudaDeviceGetAttribute");
    detail::check_cuda(cudaDeviceGetAttribute(&shared_memory_, cudaDevAttrMaxSharedMemoryPerBlockOptin, device_),
                       "cudaDeviceGetAttribute");
    detail::check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    try {
      cudaMemPoolProps properties{};
      properties.allocType = cudaMemAllocationTypePinned;
      properties.location.type = cudaMemLocationTypeDevice;
      properties.location.id = device_;
      detail::check_cuda(cudaMemPoolCreate(&pool_, &properties), "cudaMemPoolCreate");
      std::uint64_t keep = std::numeric_limits<std::uint64_t>::max();
      detail::check_cuda(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &keep),
                         "cudaMemPoolSetAttribute");
    } catch (...) {
      close();
      throw;
    }
  }
  cuda_device(const cuda_device&) = delete;
  cuda_device& operator=(const cuda_device&) = delete;
  ~cuda_device() { close(); }

  [[nodiscard]] cudaStream_t stream() const { return stream_; }
  [[nodiscard]] int multiprocessors() const { return multiprocessors_; }
  /// Bytes of shared memory that a block may have.
  [[nodiscard]] std::size_t shared_memory() const { return static_cast<std::size_t>(shared_memory_); }

  /// Products by cuBLASLt on this stream.
  [[nodiscard]] detail::cublas_products& library() {
    if (!library_) library_.emplace(stream_);
    return *library_;
  }

  /// Runs a kernel on a grid of blocks.
  template <block_kernel Kernel>
  void launch(index_t blocks, const Kernel& kernel) {
    if (blocks == 0) return;
    make_current();
    expects(blocks > 0 && blocks <= std::numeric_limits<std::int32_t>::max(), [&] {
      return message("cuda_device: a kernel was to run on ", blocks, " blocks; CUDA takes up to 2^31 - 1");
    });
    const std::size_t shared = detail::shared_bytes_of(kernel);
    constexpr std::size_t without_asking = std::size_t{48} << 10;
    if (shared > without_asking)
      detail::check_cuda(cudaFuncSetAttribute(reinterpret_cast<const void*>(&detail::run_kernel<Kernel>),
                                              cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared)),
                         "cudaFuncSetAttribute");
    // By its own status: the last error may be somebody else's.
    void* arguments[] = {const_cast<Kernel*>(&kernel)};
    detail::check_cuda(
        cudaLaunchKernel(reinterpret_cast<const void*>(&detail::run_kernel<Kernel>),
                         dim3(static_cast<unsigned>(blocks)), dim3(Kernel::threads), arguments, shared, stream_),
        "cudaLaunchKernel");
  }

  /// work(policy) with the execution policy of Thrust under which its algorithms run on this stream.
  template <class Work>
  void submit(const Work& work) {
    make_current();
    work(thrust::cuda::par_nosync.on(stream_));
  }

  /// Not while work is recorded: the memory would be the record's.
  [[nodiscard]] void* allocate(std::size_t bytes) {
    if (recording_) throw std::logic_error("cuda_device: memory cannot be allocated while work is recorded");
    make_current();
    void* memory = nullptr;
    detail::check_cuda(cudaMallocFromPoolAsync(&memory, bytes, pool_, stream_), "cudaMallocFromPoolAsync");
    return memory;
  }
  void release(void* memory) noexcept {
    if (recording_)
      released_.push_back(memory);  // freed when the record is done
    else
      (void)cudaFreeAsync(memory, stream_);
  }
  /// Host memory that the GPU copies from and to without a detour.
  [[nodiscard]] void* allocate_pinned(std::size_t bytes) {
    void* memory = nullptr;
    detail::check_cuda(cudaMallocHost(&memory, bytes), "cudaMallocHost");
    return memory;
  }
  void release_pinned(void* memory) noexcept {
    (void)cudaStreamSynchronize(stream_);  // a copy may be under way
    (void)cudaFreeHost(memory);
  }

  void fill_bytes(void* memory, int value, std::size_t bytes) {
    if (bytes > 0) detail::check_cuda(cudaMemsetAsync(memory, value, bytes, stream_), "cudaMemsetAsync");
  }
  /// In the order of the stream; from pageable host memory it returns when that may be changed again. A record would
  /// keep the address of such memory, so it cannot be copied from while work is recorded.
  void copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
    if (recording_ && kind == cudaMemcpyHostToDevice) {
      cudaPointerAttributes attributes{};
      detail::check_cuda(cudaPointerGetAttributes(&attributes, from), "cudaPointerGetAttributes");
      if (attributes.type == cudaMemoryTypeUnregistered)
        throw std::logic_error("cuda_device: a copy from pageable host memory cannot be recorded; use `mirrored`");
    }
    if (bytes > 0) detail::check_cuda(cudaMemcpyAsync(to, from, bytes, kind, stream_), "cudaMemcpyAsync");
  }
  void synchronize() { detail::check_cuda(cudaStreamSynchronize(stream_), "cudaStreamSynchronize"); }

  /// Whether work is being recorded.
  [[nodiscard]] bool recording() const { return recording_; }
  /// Records what `work` submits instead of running it. Throws what CUDA says where something cannot be recorded, such
  /// as a generator that waits for the stream; the stream can be used again then.
  template <class Work>
  [[nodiscard]] graph record(const Work& work) {
    make_current();
    detail::check_cuda(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
    recording_ = true;
    cudaGraph_t recorded = nullptr;
    try {
      work();
    } catch (...) {
      recording_ = false;
      (void)cudaStreamEndCapture(stream_, &recorded);
      free_released();
      if (recorded != nullptr) (void)cudaGraphDestroy(recorded);
      (void)cudaGetLastError();  // an error that capture left behind would be taken for that of the next launch
      throw;
    }
    recording_ = false;
    const cudaError_t ended = cudaStreamEndCapture(stream_, &recorded);
    free_released();
    if (ended != cudaSuccess) (void)cudaGetLastError();
    detail::check_cuda(ended, "cudaStreamEndCapture");
    graph made;
    const cudaError_t instantiated = cudaGraphInstantiate(&made.executable_, recorded, 0);
    (void)cudaGraphDestroy(recorded);
    detail::check_cuda(instantiated, "cudaGraphInstantiate");
    return made;
  }
  void start(const graph& recorded) {
    make_current();
    detail::check_cuda(cudaGraphLaunch(recorded.executable_, stream_), "cudaGraphLaunch");
  }

 private:
  /// A thread may have another GPU's device current.
  void make_current() const { detail::check_cuda(cudaSetDevice(device_), "cudaSetDevice"); }
  void free_released() noexcept {
    for (void* memory : released_) (void)cudaFreeAsync(memory, stream_);
    released_.clear();
  }
  void close() noexcept {
    if (stream_ != nullptr) (void)cudaStreamSynchronize(stream_);
    library_.reset();
    if (pool_ != nullptr) (void)cudaMemPoolDestroy(pool_);
    if (stream_ != nullptr) (void)cudaStreamDestroy(stream_);
  }

  int device_ = 0, multiprocessors_ = 0, shared_memory_ = 0;
  cudaStream_t stream_ = nullptr;
  cudaMemPool_t pool_ = nullptr;
  std::optional<detail::cublas_products> library_;
  std::vector<void*> released_;
  bool recording_ = false;
};

}  // namespace fewstep
