// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/core/error.hpp>
#include <fewstep/cuda/backend.cuh>
#include <fewstep/cuda/check.cuh>

#include <thrust/iterator/counting_iterator.h>
#include <thrust/iterator/transform_iterator.h>
#include <thrust/scan.h>
#include <thrust/sort.h>
#include <thrust/transform.h>
#include <thrust/transform_reduce.h>
#include <cub/device/device_radix_sort.cuh>
#include <cub/device/device_reduce.cuh>
#include <cub/device/device_scan.cuh>
#include <cub/device/device_segmented_reduce.cuh>

#include <cuda/std/functional>

#include <cstddef>
#include <type_traits>

/// Parallel algorithms for generators and rewards of one's own, in the order of the backend's stream. On a GPU they are
/// CUB's, whose temporary memory comes from the executor's scratch, so nothing is allocated after the first use and all
/// but the reductions to the host can be recorded; in the emulation they are Thrust's on OpenMP. Function objects are
/// FEWSTEP_HD structs at namespace scope.
///
/// transform, segmented_sum, reductions and sort_by_key give the same bits in every run on the same kind of GPU. Scans
/// do for integers; sums of floating-point numbers in a scan may be associated differently from run to run. What must
/// have the same bits on all devices goes through device_backend::sum.

namespace fewstep {

namespace detail {

/// work(memory, bytes) twice, as CUB wants it: for the size of its temporary memory, then to run.
template <class Device, class Work>
void with_temporary(device_executor<Device>& executor, const Work& work) {
  std::size_t bytes = 0;
  check_cuda(work(nullptr, bytes), "CUB (size of temporary memory)");
  bytes = bytes == 0 ? 1 : bytes;
  void* memory = executor.template scratch<std::byte>(device_executor<Device>::work, static_cast<index_t>(bytes));
  check_cuda(work(memory, bytes), "CUB");
}

template <class Device>
inline constexpr bool has_cub = std::is_same_v<Device, cuda_device>;

template <class T>
struct segment_sum {
  const T* values;
  const index_t* offsets;
  FEWSTEP_HD T operator()(index_t s) const {
    T sum{};
    for (index_t i = offsets[s]; i < offsets[s + 1]; ++i) sum = sum + values[i];
    return sum;
  }
};

inline void expect_lengths(const char* algorithm, index_t from, index_t to) {
  expects(from == to, [&] {
    return message(algorithm, ": there are ", from, " elements and room for ", to, "; lengths must be equal");
  });
}

}  // namespace detail

/// to[i] = f(from[i]).
template <class Device, class T, class U, class F>
void transform(device_backend<Device>& backend, vec<T> from, vec<U> to, F f) {
  detail::expect_lengths("transform", from.size(), to.size());
  backend.device().submit(
      [=](const auto& policy) { thrust::transform(policy, from.begin(), from.end(), to.begin(), f); });
}

/// combine(... combine(initial, map(values[0])) ..., map(values[n - 1])) in any order, for a `combine` that is
/// associative and commutative and takes and returns R. Waits for the result.
template <class Device, class T, class R, class Map, class Combine>
[[nodiscard]] R transform_reduce(device_backend<Device>& backend, vec<T> values, Map map, R initial, Combine combine) {
  auto& executor = backend.executor(0);
  R* result = executor.template scratch<R>(device_executor<Device>::partials, 1);
  if constexpr (detail::has_cub<Device>) {
    const auto mapped = thrust::make_transform_iterator(values.begin(), map);
    detail::with_temporary(executor, [&](void* memory, std::size_t& bytes) {
      return cub::DeviceReduce::Reduce(memory, bytes, mapped, result, values.size(), combine, initial,
                                       backend.device().stream());
    });
  } else {
    backend.device().submit([=](const auto& policy) {
      *result = thrust::transform_reduce(policy, values.begin(), values.end(), map, initial, combine);
    });
  }
  R on_host = initial;
  backend.copy_to_host(result, &on_host, 1);
  return on_host;
}

/// As transform_reduce, of the values themselves.
template <class Device, class T, class R, class Combine>
[[nodiscard]] R reduce(device_backend<Device>& backend, vec<T> values, R initial, Combine combine) {
  return transform_reduce(backend, values, ::cuda::std::identity{}, initial, combine);
}

/// sums[s] = sum of values[offsets[s]] .. values[offsets[s + 1] - 1]; one more offset than sums. Samples that have
/// different numbers of values, such as pictures of several sizes or texts.
template <class Device, class T>
void segmented_sum(device_backend<Device>& backend, input<vec<const T>> values, vec<const index_t> offsets,
                   vec<T> sums) {
  detail::expect_lengths("segmented_sum", offsets.size() - 1, sums.size());
  if (sums.size() == 0) return;
  if constexpr (detail::has_cub<Device>) {
    detail::with_temporary(backend.executor(0), [&](void* memory, std::size_t& bytes) {
      return cub::DeviceSegmentedReduce::Sum(memory, bytes, values.data, sums.data, sums.size(), offsets.data,
                                             offsets.data + 1, backend.device().stream());
    });
  } else {
    const detail::segment_sum<T> sum{values.data, offsets.data};
    backend.device().submit([=](const auto& policy) {
      const thrust::counting_iterator<index_t> segments(0);
      thrust::transform(policy, segments, segments + sums.size(), sums.begin(), sum);
    });
  }
}

/// to[i] = from[0] + ... + from[i]; may be in place.
template <class Device, class T>
void inclusive_scan(device_backend<Device>& backend, input<vec<const T>> from, vec<T> to) {
  detail::expect_lengths("inclusive_scan", from.size(), to.size());
  if (to.size() == 0) return;
  if constexpr (detail::has_cub<Device>)
    detail::with_temporary(backend.executor(0), [&](void* memory, std::size_t& bytes) {
      return cub::DeviceScan::InclusiveSum(memory, bytes, from.data, to.data, to.size(), backend.device().stream());
    });
  else
    backend.device().submit(
        [=](const auto& policy) { thrust::inclusive_scan(policy, from.begin(), from.end(), to.begin()); });
}

/// to[i] = from[0] + ... + from[i - 1], and to[0] = 0; may be in place.
template <class Device, class T>
void exclusive_scan(device_backend<Device>& backend, input<vec<const T>> from, vec<T> to) {
  detail::expect_lengths("exclusive_scan", from.size(), to.size());
  if (to.size() == 0) return;
  if constexpr (detail::has_cub<Device>)
    detail::with_temporary(backend.executor(0), [&](void* memory, std::size_t& bytes) {
      return cub::DeviceScan::ExclusiveSum(memory, bytes, from.data, to.data, to.size(), backend.device().stream());
    });
  else
    backend.device().submit(
        [=](const auto& policy) { thrust::exclusive_scan(policy, from.begin(), from.end(), to.begin(), T{}); });
}

/// Sorts by ascending keys (numbers) and takes the values along; equal keys stay in order. The results come in arrays
/// of their own, as a radix sort has them.
template <class Device, class Key, class Value>
void sort_by_key(device_backend<Device>& backend, input<vec<const Key>> keys, input<vec<const Value>> values,
                 vec<Key> sorted_keys, vec<Value> sorted_values) {
  detail::expect_lengths("sort_by_key", keys.size(), values.size());
  detail::expect_lengths("sort_by_key", keys.size(), sorted_keys.size());
  detail::expect_lengths("sort_by_key", keys.size(), sorted_values.size());
  if (keys.size() == 0) return;
  if constexpr (detail::has_cub<Device>) {
    detail::with_temporary(backend.executor(0), [&](void* memory, std::size_t& bytes) {
      return cub::DeviceRadixSort::SortPairs(memory, bytes, keys.data, sorted_keys.data, values.data,
                                             sorted_values.data, keys.size(), 0, static_cast<int>(8 * sizeof(Key)),
                                             backend.device().stream());
    });
  } else {
    backend.copy(keys.data, sorted_keys.data, keys.size());
    backend.copy(values.data, sorted_values.data, values.size());
    backend.device().submit([=](const auto& policy) {
      thrust::stable_sort_by_key(policy, sorted_keys.begin(), sorted_keys.end(), sorted_values.begin());
    });
  }
}

}  // namespace fewstep
