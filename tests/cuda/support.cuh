// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "compiled_kernels/kernels.cuh"
#include "compiled_kernels/kernels.hpp"
#include "support/arrays.hpp"
#include "test.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/cuda/backend.cuh>

#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

/// One body of tests for every device, compiled for both: instances "devices - 0" run in the emulation, "devices - 1"
/// on a GPU, where there is one. Tests that make sense on a GPU only have the tag [gpu].

namespace fewstep::test {

using devices = std::tuple<emulated_backend, cuda_backend>;
template <class Backend>
inline constexpr bool on_gpu = std::is_same_v<Backend, cuda_backend>;

/// The host's values in an array of the device.
template <class Backend, class T>
tensor<T, 1, Backend> to_device(Backend& backend, const std::vector<T>& values) {
  tensor<T, 1, Backend> array(backend, {static_cast<index_t>(values.size())});
  backend.copy_to_device(values.data(), array.data(), array.size());
  return array;
}

template <class Backend, class T>
std::vector<T> to_host(Backend& backend, const T* device, index_t n) {
  std::vector<T> values(static_cast<std::size_t>(n));
  backend.copy_to_host(device, values.data(), n);
  return values;
}
template <class Backend, class T>
std::vector<T> to_host(Backend& backend, const tensor<T, 1, Backend>& array) {
  return to_host(backend, array.data(), array.size());
}

/// body(backend): on a GPU once; in the emulation once for each order in which the threads of a block may start. What
/// it returns must have the same bits every time.
template <class Backend, class Body>
void in_every_order(const Body& body) {
  if constexpr (on_gpu<Backend>) {
    Backend backend;
    (void)body(backend);
  } else {
    using result = decltype(body(std::declval<Backend&>()));
    std::vector<result> results;
    for (const thread_order order : {thread_order::ascending, thread_order::descending, thread_order::shuffled}) {
      Backend backend({.device = {.order = order}});
      results.push_back(body(backend));
    }
    CHECK(same_bits(results[0], results[1]));
    CHECK(same_bits(results[0], results[2]));
  }
}

}  // namespace fewstep::test
