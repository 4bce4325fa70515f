// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/view.hpp>

#include <nv/target>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

/// Hand-written kernels are function objects over a block of threads:
///
///   struct double_all {
///     static constexpr int threads = 256;             // of a block
///     static constexpr int resident_blocks = 4;       // on a multiprocessor; bounds registers, may be left out
///     float* x;
///     index_t n;
///     std::size_t shared_bytes() const { return 0; }  // dynamic shared memory; may be left out
///     template <class Block>
///     FEWSTEP_HD void operator()(Block& block) const {
///       const index_t i = block.index() * threads + block.thread();
///       if (i < n) x[i] *= 2;
///     }
///   };
///
/// The same text runs on the GPU (device_block) and on the CPU (emulated_block), where tests look at its indexing, its
/// edges and its barriers. A block has
///
///   index()          which block of the grid this is
///   thread()         which thread of the block, in [0, threads)
///   sync()           barrier of all threads of the block
///   shared<T>(n)     n elements of dynamic shared memory on a 16-byte boundary; all threads ask in the same order
///   warp_sum(x), warp_max(x)   over 32 neighbouring threads, the same bits in each of them
///   sum(x), max(x)             over the block, the same bits in every thread, in an order that is fixed
///
/// Every thread of a block meets the same barriers, shuffles and sums in the same order; a thread without work takes
/// part with a neutral element.

namespace fewstep {

namespace detail {

inline constexpr int warp_size = 32;

struct plus_of {
  template <class T>
  FEWSTEP_HD T operator()(T a, T b) const {
    return a + b;
  }
};
struct greater_of {
  template <class T>
  FEWSTEP_HD T operator()(T a, T b) const {
    return a > b ? a : b;
  }
};

/// What blocks share: sums and maxima from shuffles and barriers. `Block` has thread(), sync(), shuffle_xor(value,
/// mask) and exchange<T>(), room for one T of each warp.
template <class Block, int Threads>
class block_reductions {
  static_assert(Threads % warp_size == 0 && Threads >= warp_size && Threads <= 1024,
                "fewstep: a block has 32 to 1024 threads, in whole warps");

 public:
  static constexpr int threads = Threads;

  template <class T>
  [[nodiscard]] FEWSTEP_HD T warp_sum(T value) {
    return warp_reduce(value, plus_of{});
  }
  template <class T>
  [[nodiscard]] FEWSTEP_HD T warp_max(T value) {
    return warp_reduce(value, greater_of{});
  }
  template <class T>
  [[nodiscard]] FEWSTEP_HD T sum(T value) {
    return reduce(value, plus_of{});
  }
  template <class T>
  [[nodiscard]] FEWSTEP_HD T max(T value) {
    return reduce(value, greater_of{});
  }

 private:
  FEWSTEP_HD Block& self() { return static_cast<Block&>(*this); }

  /// A butterfly: a sum of two is the same in either order, so all lanes hold the same bits.
  template <class T, class Operation>
  FEWSTEP_HD T warp_reduce(T value, Operation operation) {
    for (int mask = warp_size / 2; mask > 0; mask /= 2) value = operation(value, self().shuffle_xor(value, mask));
    return value;
  }
  template <class T, class Operation>
  FEWSTEP_HD T reduce(T value, Operation operation) {
    value = warp_reduce(value, operation);
    if constexpr (Threads > warp_size) {
      T* of_warp = self().template exchange<T>();
      if (self().thread() % warp_size == 0) of_warp[self().thread() / warp_size] = value;
      self().sync();
      value = of_warp[0];
      for (int warp = 1; warp < Threads / warp_size; ++warp) value = operation(value, of_warp[warp]);
      self().sync();
    }
    return value;
  }
};

}  // namespace detail

/// The block of a running kernel.
template <int Threads>
class device_block : public detail::block_reductions<device_block<Threads>, Threads> {
 public:
  [[nodiscard]] FEWSTEP_HD index_t index() const {
    NV_IF_ELSE_TARGET(NV_IS_DEVICE, (return static_cast<index_t>(blockIdx.x);), (return 0;))
  }
  [[nodiscard]] FEWSTEP_HD int thread() const {
    NV_IF_ELSE_TARGET(NV_IS_DEVICE, (return static_cast<int>(threadIdx.x);), (return 0;))
  }
  FEWSTEP_HD void sync() { NV_IF_TARGET(NV_IS_DEVICE, (__syncthreads();)) }

  template <class T>
  [[nodiscard]] FEWSTEP_HD T* shared([[maybe_unused]] index_t n) {
    T* area = nullptr;
    NV_IF_TARGET(NV_IS_DEVICE, (extern __shared__ __align__(16) unsigned char fewstep_shared_memory[];
                                area = reinterpret_cast<T*>(fewstep_shared_memory + shared_used_);
                                shared_used_ += (static_cast<unsigned>(n) * sizeof(T) + 15u) / 16u * 16u;))
    return area;
  }

  template <class T>
  [[nodiscard]] FEWSTEP_HD T shuffle_xor(T value, [[maybe_unused]] int mask) {
    NV_IF_TARGET(NV_IS_DEVICE, (value = __shfl_xor_sync(0xffffffffu, value, mask);))
    return value;
  }
  template <class T>
  [[nodiscard]] FEWSTEP_HD T* exchange() {
    T* area = nullptr;
    NV_IF_TARGET(NV_IS_DEVICE, (__shared__ T of_warp[Threads / detail::warp_size]; area = of_warp;))
    return area;
  }

 private:
  unsigned shared_used_ = 0;
};

namespace detail {

template <class K>
concept has_shared_bytes = requires(const K& kernel) {
  { kernel.shared_bytes() } -> std::convertible_to<std::size_t>;
};

}  // namespace detail

/// A function object that can be launched over a grid of blocks; see above.
template <class K>
concept block_kernel = std::is_trivially_copyable_v<K> && requires {
  { K::threads } -> std::convertible_to<int>;
};

namespace detail {

template <block_kernel Kernel>
[[nodiscard]] std::size_t shared_bytes_of(const Kernel& kernel) {
  if constexpr (has_shared_bytes<Kernel>)
    return kernel.shared_bytes();
  else
    return 0;
}

/// An element kernel of rows that can be run column by column: a GPU gives each column to a thread of its own.
template <class E>
concept has_columns = requires(const E& element) {
  { element.columns() } -> std::convertible_to<index_t>;
};

/// An element kernel that can also do four elements at once, element.packet(i) for [i, i + 4), where on_packets() says
/// that its arrays begin on 16-byte boundaries. Both ways give the same bits.
template <class E>
concept has_packets = requires(const E& element) {
  { element.on_packets() } -> std::same_as<bool>;
  element.packet(index_t{});
};

/// element(i) for i in [0, n), or element(row, column) where it has columns(): neighbouring threads take neighbouring
/// elements, or neighbouring packets of four.
template <class Element>
struct map_kernel {
  static constexpr int threads = 256;
  static constexpr int per_thread = 4;
  static constexpr index_t per_block = threads * per_thread;

  index_t n;
  Element element;
  bool packets = false;

  template <class Block>
  FEWSTEP_HD void operator()(Block& block) const {
    if constexpr (has_packets<Element>) {
      if (packets) {
        const index_t i = block.index() * per_block + per_thread * block.thread();
        if (i + per_thread <= n) return element.packet(i);
        for (index_t k = i; k < n; ++k) element(k);
        return;
      }
    }
    const index_t first = block.index() * per_block + block.thread();
    for (int k = 0; k < per_thread; ++k) {
      const index_t i = first + k * threads;
      if (i >= n) continue;
      if constexpr (has_columns<Element>) {
        const index_t columns = element.columns(), row = quotient(i, columns);
        element(row, i - row * columns);
      } else {
        element(i);
      }
    }
  }
};

/// The kernel that maps `element` over n indices (rows, if it has columns()).
template <class Element>
[[nodiscard]] map_kernel<Element> map_of(index_t n, const Element& element) {
  if constexpr (has_columns<Element>) n *= element.columns();
  bool packets = false;
  if constexpr (has_packets<Element>) packets = element.on_packets();
  return {n, element, packets};
}

}  // namespace detail

}  // namespace fewstep
