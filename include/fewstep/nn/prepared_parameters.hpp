// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/backend.hpp>
#include <fewstep/backend/operation_shapes.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/nn/parameters.hpp>
#include <fewstep/nn/pass.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace fewstep {

/// The forms that a direction wants parameters in, and where they are written. `transposed` (of the parameters' length)
/// is for the backward pass; `filters`, prepared_filter_factor times as long, where the backend has convolutions that
/// want another form (prepare_filter); null: nobody wants them.
struct parameter_forms {
  const float* parameters = nullptr;
  float* transposed = nullptr;
  float* filters = nullptr;
  bool backwards = false;
};

template <class Backend>
requires on_host<Backend>
void prepare_parameters(Backend& backend, const parameter_layout& layout, const parameter_forms& a) {
  const auto& slices = layout.slices();
  const auto count = static_cast<index_t>(slices.size());
  const auto prepare = [&](auto& executor, int, index_t i) {
    const parameter_slice& slice = slices[static_cast<std::size_t>(i)];
    const float* weight = a.parameters + slice.offset;
    if (a.backwards) {
      transpose_slice(slice, weight, a.transposed + slice.offset);
      weight = a.transposed + slice.offset;
    }
    if (slice.kind == slice_kind::convolution && a.filters != nullptr)
      prepare_filter(
          executor,
          conv2d_shape{.in_channels = slice.extents[2], .out_channels = slice.extents[3], .kernel = slice.extents[0]},
          weight, a.filters + prepared_filter_factor * slice.offset, a.backwards);
  };
  constexpr index_t few = index_t{1} << 15;  // threads would mostly wait for each other
  if (layout.size() > few) return backend.parallel_for(count, prepare);
  for (index_t i = 0; i < count; ++i) prepare(backend.executor(0), 0, i);
}

/// The forms of one network's parameters. On a host they are made at their first use and kept until the parameters
/// change, of which drop() tells. A device makes them in every backward pass, as a recording of the pass (repeated) is
/// replayed without a question; it has none for the forward pass. Memory is taken at the first use of a direction.
template <class Backend>
class prepared_parameters {
 public:
  explicit prepared_parameters(const parameter_layout& layout) : parameters_(layout.size()) {
    if (on_host<Backend> &&
        std::ranges::any_of(layout.slices(), [](const auto& s) { return s.kind == slice_kind::convolution; }))
      filters_ = length_product(prepared_filter_factor, layout.size());
  }

  /// Bytes of the forms of the forward pass, or of both.
  [[nodiscard]] std::size_t bytes(bool both) const {
    const saturated_size back = both ? saturated_size(filters_) + parameters_ : saturated_size(0);
    return ((back + filters_) * sizeof(float)).value();
  }
  /// The parameters are no longer what they were.
  void drop() {
    const std::lock_guard lock(one_at_a_time_);
    for (form& f : forms_) f.is_made = false;
  }

  /// Sets the arrays that a pass in the direction reads beside the parameters. Several threads may ask at a time.
  /// Throws std::invalid_argument where it sees that the parameters are others than those that the forms were made of.
  void give(Backend& backend, const parameter_layout& layout, vec<const float> parameters, bool backwards,
            network_arrays<float>& arrays) {
    if (!backwards && filters_ == 0) return;
    const std::lock_guard lock(one_at_a_time_);
    form& f = forms_[backwards ? 1 : 0];
    if (f.filters.size() != filters_) f.filters = tensor<float, 1, Backend>(backend, {filters_});
    if (backwards && transposed_.size() != parameters_) transposed_ = tensor<float, 1, Backend>(backend, {parameters_});
    arrays.filters = f.filters.data();
    arrays.transposed = backwards ? transposed_.data() : nullptr;
    if constexpr (on_host<Backend>) {
      const std::uint64_t now = trace(parameters);
      expects(!f.is_made || f.made_of == now,
              "prepared_parameters: parameters were changed through a view that is older than their last use; take the "
              "view from parameters() anew before writing, or call parameters_changed() after it");
      if (f.is_made) return;
      f.made_of = now;
    }
    prepare_parameters(backend, layout, {parameters.data, transposed_.data(), f.filters.data(), backwards});
    f.is_made = true;
  }

 private:
  struct form {
    tensor<float, 1, Backend> filters;
    std::uint64_t made_of = 0;
    bool is_made = false;
  };
  /// Of a hundred of the parameters, which a step of training would all have changed.
  static std::uint64_t trace(vec<const float> parameters) {
    std::uint64_t seen = 0;
    const index_t stride = std::max<index_t>(1, parameters.size() / 64);
    for (index_t i = 0; i < parameters.size(); i += stride)
      seen = (seen ^ std::bit_cast<std::uint32_t>(parameters[i])) * 0x9E3779B97F4A7C15U;
    return seen;
  }

  std::mutex one_at_a_time_;
  index_t parameters_, filters_ = 0;
  form forms_[2];  // forward, backward
  tensor<float, 1, Backend> transposed_;
};

}  // namespace fewstep
