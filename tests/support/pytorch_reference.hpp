// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/network_fixture.hpp"

#include <fewstep/io/safetensors.hpp>

#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fewstep::test {

/// A file of tests/data with PyTorch's inputs, outputs and gradients (tests/python/README.md).
class pytorch_reference {
 public:
  /// Names of modules here and there: a part of a name between dots, or the name's beginning.
  using renaming = std::vector<std::pair<std::string, std::string>>;

  explicit pytorch_reference(const std::string& file, renaming names = {})
      : file_(safetensors_file::load(std::filesystem::path(__FILE__).parent_path() / "../data" / file)),
        names_(std::move(names)) {}

  [[nodiscard]] const safetensors_file& file() const { return file_; }

  /// A tensor as it is stored.
  template <class T>
  [[nodiscard]] std::vector<T> flat(const std::string& name) const {
    const auto values = file_.floats(name);
    return {values.begin(), values.end()};
  }

  template <class T, int Rank>
  [[nodiscard]] array<T, Rank> rows(const std::string& name) const {
    return {extents<Rank>(name), flat<T>(name)};
  }

  /// A picture batch [N,C,H,W] as [N,H,W,C].
  template <class T>
  [[nodiscard]] array<T, 4> images(const std::string& name) const {
    const auto [lengths] = extents<4>(name);
    const auto& [n, c, h, w] = lengths;
    const auto from = flat<T>(name);
    std::vector<T> to(from.size());
    for (index_t i = 0; i < n; ++i)
      for (index_t channel = 0; channel < c; ++channel)
        for (index_t pixel = 0; pixel < h * w; ++pixel)
          to[static_cast<std::size_t>((i * h * w + pixel) * c + channel)] =
              from[static_cast<std::size_t>((i * c + channel) * h * w + pixel)];
    return {{n, h, w, c}, std::move(to)};
  }

  [[nodiscard]] std::vector<std::int32_t> tokens(const std::string& name) const {
    std::vector<std::int64_t> values(file_.size(name));
    file_.read(name, std::span<std::int64_t>(values));
    return {values.begin(), values.end()};
  }

  /// Name there of a parameter here.
  [[nodiscard]] std::string renamed(std::string name) const {
    const std::string own = name;
    for (const auto& [here, there] : names_)
      if (own.starts_with(here + '.')) name.replace(0, here.size(), there);
    for (const auto& [here, there] : names_) {
      const auto found = name.find('.' + here + '.');
      if (found != std::string::npos) name.replace(found + 1, here.size(), there);
    }
    return name;
  }

  /// A parameter, or with `prefix` another tensor of its shape (its gradient), in the layout of memory.
  template <class T>
  [[nodiscard]] std::vector<T> parameter(const parameter_slice& slice, const std::string& name) const {
    const auto stored = file_.floats(name);
    if (stored.size() != static_cast<std::size_t>(slice.size()))
      throw std::logic_error(message("pytorch_reference: '", name, "' has ", stored.size(), " values, '", slice.name,
                                     "' has ", slice.size()));
    std::vector<T> values(stored.size());
    convert_layout(slice, stored.data(), values.data(), false);
    return values;
  }

  /// Fills all parameters; those the file does not have are zero.
  template <class T>
  [[nodiscard]] std::vector<T> parameters(const parameter_layout& layout) const {
    std::vector<T> all(static_cast<std::size_t>(layout.size()));
    for (const auto& slice : layout.slices()) {
      if (!file_.contains(renamed(slice.name))) continue;
      const auto values = parameter<T>(slice, renamed(slice.name));
      std::copy(values.begin(), values.end(), all.begin() + slice.offset);
    }
    return all;
  }

 private:
  template <int Rank>
  [[nodiscard]] array_extents<Rank> extents(const std::string& name) const {
    const auto& shape = file_.shape(name);
    if (shape.size() != Rank)
      throw std::logic_error(message("pytorch_reference: '", name, "' has rank ", shape.size(), ", not ", Rank));
    array_extents<Rank> result{};
    std::copy(shape.begin(), shape.end(), result.lengths);
    return result;
  }

  safetensors_file file_;
  renaming names_;
};

}  // namespace fewstep::test
