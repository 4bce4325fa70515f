// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/core/error.hpp>
#include <fewstep/cuda/block.cuh>
#include <fewstep/cuda/emulated_block.cuh>

#include <thrust/system/omp/execution_policy.h>

#include <cuda_runtime_api.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <map>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace fewstep {

namespace detail {

/// A closure that was recorded, with its copies of all arguments.
class recorded_work {
 public:
  template <class Work>
  explicit recorded_work(Work work)
      : closure_(new Work(std::move(work)), [](void* closure) { delete static_cast<Work*>(closure); }),
        run_([](void* closure) { (*static_cast<Work*>(closure))(); }) {}

  void operator()() const { run_(closure_.get()); }

 private:
  std::unique_ptr<void, void (*)(void*)> closure_;
  void (*run_)(void*);
};

}  // namespace detail

/// Stands in for a GPU where there is none: the same kernels, run on the CPU one thread after the other, and Thrust's
/// algorithms on OpenMP. It is there to be strict and not to be fast. Its memory can be touched by kernels and copies
/// only (a host that does ends with a segmentation fault), a write beyond the end of an array ends the program, and a
/// copy whose arrays do not lie where its direction says is refused.
class emulated_device {
 public:
  /// Recorded work, with copies of all arguments as a CUDA graph has them.
  class graph {
   public:
    explicit operator bool() const { return recorded_; }

   private:
    friend emulated_device;
    bool recorded_ = false;
    std::vector<detail::recorded_work> work_;
  };

  struct options {
    thread_order order = thread_order::ascending;
    int multiprocessors = 2;
  };

  emulated_device() : emulated_device(options{}) {}
  explicit emulated_device(options o) : options_(o) {}
  emulated_device(const emulated_device&) = delete;
  emulated_device& operator=(const emulated_device&) = delete;
  ~emulated_device() {
    for (const auto& [memory, a] : areas_) ::munmap(a.base, a.bytes);
  }

  [[nodiscard]] int multiprocessors() const { return options_.multiprocessors; }
  /// Bytes of shared memory that a block may have: those of compute capability 8.0.
  [[nodiscard]] std::size_t shared_memory() const { return std::size_t{163} << 10; }
  /// Kernels that were run so far.
  [[nodiscard]] std::int64_t launches() const { return launches_; }
  /// Bytes that were copied to the host so far.
  [[nodiscard]] std::int64_t bytes_to_host() const { return bytes_to_host_; }

  template <block_kernel Kernel>
  void launch(index_t blocks, const Kernel& kernel) {
    expects(blocks >= 0, [&] { return message("emulated_device: a kernel was to run on ", blocks, " blocks"); });
    expects(detail::shared_bytes_of(kernel) <= shared_memory(), [&] {
      return message("emulated_device: a kernel wants ", detail::shared_bytes_of(kernel),
                     " bytes of shared memory; a block has up to ", shared_memory());
    });
    if (blocks == 0) return;
    enqueue([this, blocks, kernel] {
      ++launches_;
      detail::emulate(block_memory_, options_.order, blocks, kernel);
    });
  }

  template <class Work>
  void submit(const Work& work) {
    enqueue([work] { work(thrust::omp::par); });
  }

  /// The end of the memory lies at the end of a page, and what it holds at first is noise.
  [[nodiscard]] void* allocate(std::size_t bytes) {
    if (recording_) throw std::logic_error("emulated_device: memory cannot be allocated while work is recorded");
    const std::size_t whole = (bytes + page - 1) / page * page, room = whole + page;
    void* base = ::mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) throw std::bad_alloc();
    constexpr std::size_t boundary = 256;
    const std::size_t padded = (bytes + boundary - 1) / boundary * boundary;
    void* memory = static_cast<std::byte*>(base) + (whole - padded);
    std::memset(base, 0xff, whole);
    ::mprotect(base, room, PROT_NONE);
    areas_[memory] = {base, room, whole};
    return memory;
  }
  void release(void* memory) noexcept {
    const auto found = areas_.find(memory);
    if (found == areas_.end()) return;
    ::munmap(found->second.base, found->second.bytes);
    areas_.erase(found);
  }
  [[nodiscard]] void* allocate_pinned(std::size_t bytes) {
    void* memory = ::operator new(bytes);
    pinned_[static_cast<std::byte*>(memory)] = bytes;
    return memory;
  }
  void release_pinned(void* memory) noexcept {
    pinned_.erase(static_cast<std::byte*>(memory));
    ::operator delete(memory);
  }

  void fill_bytes(void* memory, int value, std::size_t bytes) {
    enqueue([=] { std::memset(memory, value, bytes); });
  }
  void copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
    if (recording_ && kind == cudaMemcpyHostToDevice && !is_pinned(from))
      throw std::logic_error("emulated_device: a copy from pageable host memory cannot be recorded; use `mirrored`");
    if (bytes == 0) return;
    expect_place("to", to, bytes, kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice, kind);
    expect_place("from", from, bytes, kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice, kind);
    enqueue([this, to, from, bytes, kind] {
      std::memmove(to, from, bytes);
      if (kind == cudaMemcpyDeviceToHost) bytes_to_host_ += static_cast<std::int64_t>(bytes);
    });
  }
  void synchronize() {
    if (recording_) throw std::runtime_error("emulated_device: the host cannot wait for work that is being recorded");
  }

  [[nodiscard]] bool recording() const { return recording_; }
  template <class Work>
  [[nodiscard]] graph record(const Work& work) {
    graph made;
    made.recorded_ = true;
    recording_ = true;
    recorded_.clear();
    try {
      work();
    } catch (...) {
      recording_ = false;
      throw;
    }
    recording_ = false;
    made.work_.swap(recorded_);
    return made;
  }
  void start(const graph& recorded) {
    for (const auto& work : recorded.work_) run(work);
  }

 private:
  static constexpr std::size_t page = 4096;
  struct area {
    void* base;
    std::size_t bytes, usable;
  };

  [[nodiscard]] bool is_pinned(const void* memory) const {
    const auto* address = static_cast<const std::byte*>(memory);
    const auto after = pinned_.upper_bound(const_cast<std::byte*>(address));
    return after != pinned_.begin() && address < std::prev(after)->first + std::prev(after)->second;
  }

  /// Bytes from `memory` on to the end of the array of this device that it points into; 0 where it points into none.
  [[nodiscard]] std::size_t room_at(const void* memory) const {
    const auto after = areas_.upper_bound(const_cast<void*>(memory));
    if (after == areas_.begin()) return 0;
    const area& a = std::prev(after)->second;
    const auto* address = static_cast<const std::byte*>(memory);
    const auto* end = static_cast<const std::byte*>(a.base) + a.usable;
    return address < end ? static_cast<std::size_t>(end - address) : 0;
  }
  /// One end of a copy lies on the device, or outside of it, as the direction of the copy says.
  void expect_place(const char* end, const void* memory, std::size_t bytes, bool on_device, cudaMemcpyKind kind) const {
    const std::size_t room = room_at(memory);
    if (on_device ? room >= bytes : room == 0) return;
    const char* direction = kind == cudaMemcpyHostToDevice     ? "the host to the device"
                            : kind == cudaMemcpyDeviceToHost   ? "the device to the host"
                            : kind == cudaMemcpyDeviceToDevice ? "device to device"
                                                               : "an unknown place to another";
    throw std::logic_error(message("emulated_device: a copy of ", bytes, " bytes goes from ", direction,
                                   ", but the memory it is ", end, " ", room == 0 ? "is not" : "is", " the device's",
                                   room > 0 && room < bytes ? message(", with room for ", room) : std::string(),
                                   "; use copy_to_host, copy_to_device, or copy within the device"));
  }

  template <class Work>
  void enqueue(Work work) {
    if (recording_) {
      recorded_.emplace_back(std::move(work));
      return;
    }
    run(work);
  }
  template <class Work>
  void run(const Work& work) {
    open(PROT_READ | PROT_WRITE);
    try {
      work();
    } catch (...) {
      open(PROT_NONE);
      throw;
    }
    open(PROT_NONE);
  }
  void open(int protection) {
    for (const auto& [memory, a] : areas_) ::mprotect(a.base, a.usable, protection);
  }

  options options_;
  detail::emulated_block_memory block_memory_;
  std::map<void*, area> areas_;
  std::map<std::byte*, std::size_t> pinned_;
  std::vector<detail::recorded_work> recorded_;
  std::int64_t launches_ = 0, bytes_to_host_ = 0;
  bool recording_ = false;
};

}  // namespace fewstep
