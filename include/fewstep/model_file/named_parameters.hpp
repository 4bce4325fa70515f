// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/half.hpp>
#include <fewstep/core/shape_text.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/io/safetensors.hpp>
#include <fewstep/nn/parameters.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fewstep {

/// Where parameters have other names in a file: {name of the parameter, name of the tensor}.
using tensor_names = std::map<std::string, std::string, std::less<>>;

namespace detail {

inline std::string_view name_in_file(const parameter_slice& slice, const tensor_names& names) {
  const auto renamed = names.find(slice.name);
  return renamed == names.end() ? std::string_view(slice.name) : std::string_view(renamed->second);
}

[[nodiscard]] inline bool all_finite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

/// Compares all names and shapes with the file; throws std::runtime_error naming the tensor that does not fit.
inline void check_slices(const safetensors_file& file, std::span<const parameter_slice> slices,
                         const tensor_names& names = {}) {
  for (const auto& slice : slices) {
    const std::string tensor(name_in_file(slice, names));
    const auto called = tensor == slice.name ? "" : message(" (for '", slice.name, "')");
    if (!file.contains(tensor))
      throw std::runtime_error(message(file.name(), ": the weight '", tensor, "'", called, " is missing"));
    if (file.shape(tensor) != file_extents(slice))
      throw std::runtime_error(message(file.name(), ": the weight '", tensor, "'", called, " has shape ",
                                       shape_text(file.shape(tensor)), " but the network needs ",
                                       shape_text(file_extents(slice))));
  }
}

/// Reads checked slices into `values`, in memory layout; throws std::runtime_error where a weight is no number.
inline void read_slices(const safetensors_file& file, std::span<const parameter_slice> slices, std::span<float> values,
                        const tensor_names& names = {}) {
  std::vector<float> in_file;
  for (const auto& slice : slices) {
    const auto tensor = name_in_file(slice, names);
    in_file.resize(static_cast<std::size_t>(slice.size()));
    file.read_float(tensor, std::span<float>(in_file));
    const auto bad = std::find_if(in_file.begin(), in_file.end(), [](float value) { return !std::isfinite(value); });
    if (bad != in_file.end())
      throw std::runtime_error(message(file.name(), ": the weight '", tensor, "' has ", *bad, " at element ",
                                       bad - in_file.begin(), " of ", in_file.size(),
                                       "; the file is damaged, or of a run that diverged"));
    convert_layout(slice, in_file.data(), values.data() + slice.offset, false);
  }
}

}  // namespace detail

/// Adds the weights of a network of your own to a file that load_parameters or PyTorch will read: under their names or
/// those that `names` has for them, in PyTorch's layouts. `parameters` are in host memory. Throws std::runtime_error
/// where a weight is no finite number in that type: such a file could not be loaded, and must not take the place of one
/// that can.
inline void add_parameters(safetensors_writer& file, std::span<const parameter_slice> slices,
                           vec<const float> parameters, const tensor_names& names = {},
                           element_type type = element_type::f32) {
  const auto is_finite = [&](float value) {
    return std::isfinite(type == element_type::f16 ? half_to_float(float_to_half(value)) : value);
  };
  std::vector<float> in_file;
  for (const auto& slice : slices) {
    in_file.resize(static_cast<std::size_t>(slice.size()));
    convert_layout(slice, parameters.data + slice.offset, in_file.data(), true);
    const auto bad = std::find_if_not(in_file.begin(), in_file.end(), is_finite);
    if (bad != in_file.end())
      throw std::runtime_error(message("the weight '", slice.name, "' is not saved: it has ", *bad, " at element ",
                                       bad - in_file.begin(), " of ", in_file.size(), ", which is no finite number as ",
                                       info(type).name, "; save the parameters of a run that has not diverged",
                                       std::isfinite(*bad) ? ", or save them as F32" : ""));
    file.add(std::string(detail::name_in_file(slice, names)), file_extents(slice), in_file, type);
  }
}

/// Reads the weights of a network of your own from the tensors of a file, such as one that PyTorch wrote.
///
///     parameter_layout layout;                       // or a vector of parameter_slice of your own
///     linear<float> first(layout, "first", 8, 16);
///     load_parameters(safetensors_file::load("net.safetensors"), layout.slices(), parameters,
///                     {{"first.weight", "net.0.weight"}, {"first.bias", "net.0.bias"}});
///
/// A parameter takes the tensor of its own name, or the one that `names` has for it. Tensors have PyTorch's layouts,
/// linear weights [out, in] and convolutions [out, in, kernel, kernel], and are turned into those of the slices
/// (slice_kind). All names, shapes, types and numbers are looked at before any parameter changes; whatever does not fit
/// throws std::runtime_error that names file, tensor and reason.
///
/// Returns the names of the tensors that no parameter took.
template <class Backend>
std::vector<std::string> load_parameters(Backend& backend, const safetensors_file& file,
                                         std::span<const parameter_slice> slices, vec<float> parameters,
                                         const tensor_names& names = {}) {
  std::set<std::string, std::less<>> known, taken;
  for (const auto& slice : slices) {
    expects(slice.offset >= 0 && slice.offset + slice.size() <= parameters.size(), [&] {
      return message("load_parameters: '", slice.name, "' lies at ", slice.offset, " to ", slice.offset + slice.size(),
                     ", but there are ", parameters.size(), " parameters");
    });
    known.insert(slice.name);
    taken.emplace(detail::name_in_file(slice, names));
  }
  for (const auto& renamed : names)
    expects(known.contains(renamed.first),
            [&] { return message("load_parameters: there is no parameter '", renamed.first, "' to be renamed"); });
  detail::check_slices(file, slices, names);
  std::vector<float> host(static_cast<std::size_t>(parameters.size()));
  detail::read_slices(file, slices, host, names);
  for (const auto& slice : slices)
    backend.copy_to_device(host.data() + slice.offset, parameters.data + slice.offset, slice.size());

  std::vector<std::string> left_over;
  for (auto& name : file.names())
    if (!taken.contains(name)) left_over.push_back(std::move(name));
  return left_over;
}

/// As above, for parameters in host memory.
inline std::vector<std::string> load_parameters(const safetensors_file& file, std::span<const parameter_slice> slices,
                                                vec<float> parameters, const tensor_names& names = {}) {
  struct {
    void copy_to_device(const float* from, float* to, index_t count) const { std::copy_n(from, count, to); }
  } host;
  return load_parameters(host, file, slices, parameters, names);
}

}  // namespace fewstep
