// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/parameter_kind.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/core/shape_text.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/view.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace fewstep {

/// What a slice of the flat parameter array is, which decides its layout in memory and in files.
enum class slice_kind {
  plain,        ///< gains, biases, tables: the same everywhere
  linear,       ///< memory [in, out]; files [out, in], as PyTorch
  convolution,  ///< memory [kernel, kernel, in, out]; files [out, in, kernel, kernel], as PyTorch
};

/// A named part of the flat parameter array.
struct parameter_slice {
  std::string name;
  slice_kind kind = slice_kind::plain;
  std::vector<index_t> extents;  ///< in memory
  index_t offset = 0;
  float initial_mean = 0;
  float initial_deviation = 0;
  parameter_kind role = parameter_kind::weight;  ///< what an optimizer knows it as

  [[nodiscard]] index_t size() const {
    index_t n = 1;
    for (const index_t extent : extents) n *= extent;
    return n;
  }
};

/// Extents of a slice in a file.
[[nodiscard]] inline std::vector<index_t> file_extents(const parameter_slice& slice) {
  const auto& e = slice.extents;
  switch (slice.kind) {
    case slice_kind::linear:
      return {e[1], e[0]};
    case slice_kind::convolution:
      return {e[3], e[2], e[0], e[1]};
    case slice_kind::plain:
      break;
  }
  return e;
}

/// What a file has: the shapes of its tensors, in file layout, by name.
using named_shapes = std::map<std::string, std::vector<index_t>, std::less<>>;

/// Assigns every module of a network its place in one flat array: all parameters lie in one array and all gradients in
/// another of the same layout, so that an optimizer step, a norm or a checkpoint is one pass over one array.
class parameter_layout {
 public:
  parameter_layout() = default;
  /// A layout for which there is only what a file has: a slice that is not among `available` throws
  /// std::runtime_error. So a network can be compared with its file before anything of its size is made.
  /// `available` must outlive the layout.
  explicit parameter_layout(const named_shapes& available) : available_(&available) {}

  /// Reserves a slice and returns its offset. Names are unique; they follow PyTorch ("block.linear.weight").
  index_t add(std::string name, slice_kind kind, std::vector<index_t> extents, float mean, float deviation,
              parameter_kind role = parameter_kind::weight) {
    expects(names_.insert(name).second,
            [&] { return message("parameter_layout: the name '", name, "' is used twice"); });
    parameter_slice slice{std::move(name), kind, std::move(extents), size_, mean, deviation, role};
    if (available_ != nullptr) expect_available(slice);
    saturated_size elements = 1;
    for (const index_t extent : slice.extents) elements = elements * extent;
    size_ = length_product((elements + size_).value());
    slices_.push_back(std::move(slice));
    return slices_.back().offset;
  }
  index_t add_constant(std::string name, index_t n, float value, parameter_kind role = parameter_kind::bias) {
    return add(std::move(name), slice_kind::plain, {n}, value, 0.0f, role);
  }

  [[nodiscard]] const std::vector<parameter_slice>& slices() const { return slices_; }
  [[nodiscard]] index_t size() const { return size_; }

  /// Fills `values` with the initial law of each slice; depends on the seed only.
  template <class T>
  void initialize(vec<T> values, std::uint64_t seed) const {
    std::vector<float> normals;
    const random_stream stream{seed, stream::initialization};
    for (std::size_t index = 0; index < slices_.size(); ++index) {
      const auto& slice = slices_[index];
      normals.assign(static_cast<std::size_t>(slice.size()), 0.0f);
      if (slice.initial_deviation > 0) fill_normal(stream, index, 0, normals.data(), slice.size());
      for (index_t i = 0; i < slice.size(); ++i)
        values[slice.offset + i] =
            static_cast<T>(slice.initial_mean + slice.initial_deviation * normals[static_cast<std::size_t>(i)]);
    }
  }

 private:
  void expect_available(const parameter_slice& slice) const {
    const auto found = available_->find(slice.name);
    if (found == available_->end()) throw std::runtime_error(message("the weight '", slice.name, "' is missing"));
    if (found->second != file_extents(slice))
      throw std::runtime_error(message("the weight '", slice.name, "' has shape ", detail::shape_text(found->second),
                                       " but the network needs ", detail::shape_text(file_extents(slice))));
  }

  std::vector<parameter_slice> slices_;
  std::unordered_set<std::string> names_;
  index_t size_ = 0;
  const named_shapes* available_ = nullptr;
};

/// Converts one slice between memory and file layout (see slice_kind); `to_file` says the direction.
template <class From, class To>
void convert_layout(const parameter_slice& slice, const From* from, To* to, bool to_file) {
  if (slice.size() == 0) return;
  const bool is_plain = slice.kind == slice_kind::plain;
  const index_t out = is_plain ? 1 : slice.extents.back();
  const index_t in = is_plain ? 1 : slice.extents[slice.extents.size() - 2];
  const index_t taps = slice.size() / (in * out);
  for (index_t tap = 0; tap < taps; ++tap)
    for (index_t i = 0; i < in; ++i)
      for (index_t o = 0; o < out; ++o) {
        const index_t memory = (tap * in + i) * out + o, file = (o * in + i) * taps + tap;
        if (to_file)
          to[file] = static_cast<To>(from[memory]);
        else
          to[memory] = static_cast<To>(from[file]);
      }
}

/// Transposes every matrix of one slice: [..., in, out] to [..., out, in]; plain slices are left out. The backward pass
/// multiplies by these, and they are made once for a whole batch.
template <class T>
void transpose_slice(const parameter_slice& slice, const T* from, T* to) {
  if (slice.kind == slice_kind::plain) return;
  constexpr index_t block = 16;
  const index_t out = slice.extents.back(), in = slice.extents[slice.extents.size() - 2];
  for (index_t first = 0; first < slice.size(); first += in * out)
    for (index_t i0 = 0; i0 < in; i0 += block)
      for (index_t o = 0; o < out; ++o)
        for (index_t i = i0; i < std::min(in, i0 + block); ++i) to[first + o * in + i] = from[first + i * out + o];
}

}  // namespace fewstep
