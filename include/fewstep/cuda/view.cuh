// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/core/view.hpp>

#include <thrust/device_ptr.h>

#include <cuda/std/cstddef>
#include <cuda/std/mdspan>

#include <utility>

/// Views of arrays on a GPU, as other libraries name them.

namespace fewstep {

/// The same elements as an mdspan, which does not own them either: row-major, extents known at run time.
template <class T, int Rank>
[[nodiscard]] FEWSTEP_HD auto as_mdspan(const tensor_view<T, Rank>& view) {
  using extents = ::cuda::std::dextents<index_t, static_cast<::cuda::std::size_t>(Rank)>;
  return [&]<int... Axis>(std::integer_sequence<int, Axis...>) {
    return ::cuda::std::mdspan<T, extents, ::cuda::std::layout_right>(view.data, extents(view.extent(Axis)...));
  }
  (std::make_integer_sequence<int, Rank>{});
}

/// Iterators of Thrust over all elements of an array on a GPU. Inside device_backend's own algorithms and on the
/// emulation raw pointers and an explicit execution policy do instead (see fewstep/cuda/algorithms.cuh).
template <class T, int Rank>
[[nodiscard]] thrust::device_ptr<T> thrust_begin(const tensor_view<T, Rank>& view) {
  return thrust::device_pointer_cast(view.data);
}
template <class T, int Rank>
[[nodiscard]] thrust::device_ptr<T> thrust_end(const tensor_view<T, Rank>& view) {
  return thrust_begin(view) + view.size();
}

}  // namespace fewstep
