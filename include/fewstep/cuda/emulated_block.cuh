// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/core/error.hpp>
#include <fewstep/cuda/block.cuh>

#include <nv/target>

#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <new>
#include <stdexcept>
#include <utility>
#include <vector>

/// Runs kernels on the CPU, one thread at a time: a fiber for each thread of a block, which runs until it meets a
/// barrier. A missing barrier therefore shows as a wrong result, the more so as the threads can be started in another
/// order, and barriers that only some threads meet are reported.

namespace fewstep {

/// Which thread of a block the emulation runs first. Results do not depend on it, or a barrier is missing.
enum class thread_order { ascending, descending, shuffled };

namespace detail {

enum class barrier : std::uint8_t { none, block, shuffle };

/// Stacks and saved registers of the threads of one block; kept from block to block.
class fiber_pool {
 public:
  fiber_pool() = default;
  fiber_pool(const fiber_pool&) = delete;
  fiber_pool& operator=(const fiber_pool&) = delete;
  ~fiber_pool() {
    for (const fiber& f : fibers_) ::munmap(f.stack, stack_bytes);
  }

  /// function(context, thread) on a fiber for each thread, in turns from barrier to barrier.
  void run(int threads, thread_order order, void (*function)(void*, int), void* context) {
    while (static_cast<int>(fibers_.size()) < threads) add();
    function_ = function;
    context_ = context;
    for (int t = 0; t < threads; ++t) fibers_[static_cast<std::size_t>(t)].at = barrier::none;
    for (int alive = threads; alive > 0;) {
      alive = 0;
      barrier met = barrier::none;
      for (int turn = 0; turn < threads; ++turn) {
        const int t = order == thread_order::ascending    ? turn
                      : order == thread_order::descending ? threads - 1 - turn
                                                          : (turn * 13 + 5) % threads;
        fiber& f = fibers_[static_cast<std::size_t>(t)];
        if (f.finished) continue;
        enter(t);
        if (f.finished) continue;
        ++alive;
        if (met == barrier::none) met = f.at;
        if (met != f.at || alive != turn + 1) broken_ = true;
      }
      if (broken_) fail();
    }
    for (int t = 0; t < threads; ++t) fibers_[static_cast<std::size_t>(t)].finished = false;
  }

  /// Called on a fiber: lets the other threads come to the same barrier.
  void wait(int thread, barrier at) {
    fiber& f = fibers_[static_cast<std::size_t>(thread)];
    f.at = at;
    leave(f.registers, scheduler_);
  }

 private:
  static constexpr std::size_t stack_bytes = std::size_t{256} << 10;

  struct fiber {
    std::jmp_buf registers;
    void* stack = nullptr;
    bool started = false, finished = false;
    barrier at = barrier::none;
  };

  void add() {
    void* stack = ::mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) throw std::bad_alloc();
    fibers_.emplace_back().stack = stack;
  }

  void enter(int thread) {
    fiber& f = fibers_[static_cast<std::size_t>(thread)];
    if (f.started) return leave(scheduler_, f.registers);
    f.started = true;
    ucontext_t start;
    ::getcontext(&start);
    start.uc_stack.ss_sp = f.stack;
    start.uc_stack.ss_size = stack_bytes;
    const auto self = reinterpret_cast<std::uintptr_t>(this);
    ::makecontext(&start, reinterpret_cast<void (*)()>(&fiber_pool::loop), 3, static_cast<unsigned>(self),
                  static_cast<unsigned>(self >> 32), static_cast<unsigned>(thread));
    begin(scheduler_, start);
  }

  [[gnu::noinline]] static void begin(std::jmp_buf& from, const ucontext_t& start) {
    if (_setjmp(from) == 0) ::setcontext(&start);
  }

  /// Keeps where it is in `from` and goes on where `to` was kept. Much faster than swapcontext.
  [[gnu::noinline]] static void leave(std::jmp_buf& from, std::jmp_buf& to) {
    if (_setjmp(from) == 0) _longjmp(to, 1);
  }

  /// A fiber never ends: it waits for the next block.
  static void loop(unsigned low, unsigned high, unsigned thread) {
    auto* pool = reinterpret_cast<fiber_pool*>(std::uintptr_t{low} | std::uintptr_t{high} << 32);
    fiber& f = pool->fibers_[thread];
    for (;;) {
      pool->function_(pool->context_, static_cast<int>(thread));
      f.finished = true;
      leave(f.registers, pool->scheduler_);
    }
  }

  /// What is left on the fibers' stacks is given up.
  [[noreturn]] void fail() {
    for (fiber& f : fibers_) f.started = f.finished = false;
    broken_ = false;
    throw std::logic_error(
        "emulated block: some threads of a block met a barrier, a shuffle or a sum that others did not; all must meet "
        "the same ones in the same order");
  }

  std::deque<fiber> fibers_;
  std::jmp_buf scheduler_;
  void (*function_)(void*, int) = nullptr;
  void* context_ = nullptr;
  bool broken_ = false;
};

/// What the threads of an emulated block have in common.
struct emulated_block_memory {
  fiber_pool fibers;
  std::vector<std::byte> shared;
  alignas(16) std::byte lanes[1024][64];  ///< of a shuffle
  alignas(16) std::byte warps[32 * 64];   ///< of a reduction
};

}  // namespace detail

/// One thread's view of a block that is run on the CPU.
template <int Threads>
class emulated_block : public detail::block_reductions<emulated_block<Threads>, Threads> {
 public:
  FEWSTEP_HD emulated_block(detail::emulated_block_memory* memory, index_t index, int thread, std::size_t shared_bytes)
      : memory_(memory), index_(index), thread_(thread), shared_bytes_(shared_bytes) {}

  [[nodiscard]] FEWSTEP_HD index_t index() const { return index_; }
  [[nodiscard]] FEWSTEP_HD int thread() const { return thread_; }
  FEWSTEP_HD void sync() { NV_IF_TARGET(NV_IS_HOST, (memory_->fibers.wait(thread_, detail::barrier::block);)) }

  template <class T>
  [[nodiscard]] FEWSTEP_HD T* shared([[maybe_unused]] index_t n) {
    T* area = nullptr;
    NV_IF_TARGET(NV_IS_HOST, (area = reinterpret_cast<T*>(memory_->shared.data() + shared_used_);
                              shared_used_ += (static_cast<std::size_t>(n) * sizeof(T) + 15) / 16 * 16;
                              if (shared_used_ > shared_bytes_) overflow();))
    return area;
  }

  template <class T>
  [[nodiscard]] FEWSTEP_HD T shuffle_xor(T value, [[maybe_unused]] int mask) {
    static_assert(sizeof(T) <= 64 && std::is_trivially_copyable_v<T>);
    NV_IF_TARGET(NV_IS_HOST, (std::memcpy(memory_->lanes[thread_], &value, sizeof(T));
                              memory_->fibers.wait(thread_, detail::barrier::shuffle);
                              std::memcpy(&value, memory_->lanes[thread_ ^ mask], sizeof(T));
                              memory_->fibers.wait(thread_, detail::barrier::shuffle);))
    return value;
  }
  template <class T>
  [[nodiscard]] FEWSTEP_HD T* exchange() {
    static_assert(sizeof(T) * (Threads / detail::warp_size) <= sizeof(memory_->warps));
    return reinterpret_cast<T*>(memory_->warps);
  }

 private:
  /// Aborts: on a fiber nothing could catch an exception.
  [[noreturn]] static void overflow() {
    std::fputs("emulated block: a kernel takes more shared memory than its shared_bytes() says\n", stderr);
    std::abort();
  }

  detail::emulated_block_memory* memory_;
  index_t index_;
  int thread_;
  std::size_t shared_bytes_, shared_used_ = 0;
};

namespace detail {

/// Runs all blocks of a kernel, one after the other. Shared memory is not what it was: every block finds noise in it.
template <block_kernel Kernel>
void emulate(emulated_block_memory& memory, thread_order order, index_t blocks, const Kernel& kernel) {
  struct launch {
    emulated_block_memory* memory;
    const Kernel* kernel;
    std::size_t shared_bytes;
    index_t block;
  } now{&memory, &kernel, shared_bytes_of(kernel), 0};
  memory.shared.resize(std::max<std::size_t>(memory.shared.size(), now.shared_bytes + 16));
  for (; now.block < blocks; ++now.block) {
    std::fill(memory.shared.begin(), memory.shared.end(), std::byte{0xff});
    memory.fibers.run(
        Kernel::threads, order,
        [](void* context, int thread) {
          const auto& l = *static_cast<const launch*>(context);
          emulated_block<Kernel::threads> block(l.memory, l.block, thread, l.shared_bytes);
          (*l.kernel)(block);
        },
        &now);
  }
}

}  // namespace detail

}  // namespace fewstep
