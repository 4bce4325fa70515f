// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/backend.hpp>
#include <fewstep/backend/operation_shapes.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/nn/parameters.hpp>

#include <cstddef>

namespace fewstep {

/// The parameters of a network in the forms that a direction wants, made anew for every call: they are the caller's to
/// change. `transposed` (of the parameters' length) is written for the backward pass; `filters`, prepared_filter_factor
/// times as long, where the backend has convolutions that want another form (prepare_filter).
struct prepared_parameters {
  const float* parameters = nullptr;
  float* transposed = nullptr;
  float* filters = nullptr;
  bool backwards = false;
};

template <class Backend>
requires on_host<Backend>
void prepare_parameters(Backend& backend, const parameter_layout& layout, const prepared_parameters& a) {
  const auto& slices = layout.slices();
  const auto count = static_cast<index_t>(slices.size());
  const auto prepare = [&](auto& executor, int, index_t i) {
    const parameter_slice& slice = slices[static_cast<std::size_t>(i)];
    const float* weight = a.parameters + slice.offset;
    if (a.backwards) {
      transpose_slice(slice, weight, a.transposed + slice.offset);
      weight = a.transposed + slice.offset;
    }
    if (slice.kind == slice_kind::convolution)
      prepare_filter(
          executor,
          conv2d_shape{.in_channels = slice.extents[2], .out_channels = slice.extents[3], .kernel = slice.extents[0]},
          weight, a.filters + prepared_filter_factor * slice.offset, a.backwards);
  };
  constexpr index_t few = index_t{1} << 15;  // threads would mostly wait for each other
  if (layout.size() > few) return backend.parallel_for(count, prepare);
  for (index_t i = 0; i < count; ++i) prepare(backend.executor(0), 0, i);
}

}  // namespace fewstep
