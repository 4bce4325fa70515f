// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/half.hpp>
#include <fewstep/core/shape_text.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/io/content_checksum.hpp>
#include <fewstep/io/element_type.hpp>
#include <fewstep/io/file.hpp>
#include <fewstep/io/float8.hpp>
#include <fewstep/io/safetensors_header.hpp>

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fewstep {

static_assert(std::endian::native == std::endian::little, "safetensors: written for little-endian machines");

/// A safetensors file in memory: 8 bytes of little-endian header length, the header (JSON), the tensors' bytes.
/// Format: github.com/huggingface/safetensors.
///
/// A file is accepted whole or not at all. Beyond JSON that names a dtype, a shape and data_offsets for each tensor,
/// the tensors must fill the data section exactly, without overlap or hole, and no name may appear twice. A checksum
/// that stands in the metadata (safetensors_writer writes one) must be right. A dtype that is not known here keeps
/// nobody from the other tensors. Errors: std::runtime_error or std::system_error that names the file, the tensor and
/// what is wrong.
class safetensors_file {
 public:
  [[nodiscard]] static safetensors_file load(const std::filesystem::path& path) {
    return safetensors_file(read_file(path), path.string());
  }

  /// Takes a file's content; `name` stands for the file in errors.
  explicit safetensors_file(std::vector<std::byte> content, std::string name)
      : content_(std::move(content)), name_(std::move(name)) {
    constexpr std::uint64_t most = 100'000'000;  // the limit of the reference implementation
    if (content_.size() < 8)
      throw std::runtime_error(message(name_, ": has ", content_.size(), " bytes; a safetensors file has at least 8"));
    std::uint64_t length = 0;
    std::memcpy(&length, content_.data(), 8);
    if (length > most || length > content_.size() - 8)
      throw std::runtime_error(message(name_, ": claims a header of ", length, " bytes in a file of ", content_.size(),
                                       "; it is truncated or no safetensors file"));
    data_ = 8 + length;
    const std::string_view text(reinterpret_cast<const char*>(content_.data()) + 8, length);
    header_ = detail::parse_safetensors_header(text, content_.size() - data_, name_);
    for (std::size_t i = 0; i < header_.tensors.size(); ++i) index_.emplace(header_.tensors[i].name, i);
    check_checksum();
  }

  /// What errors call the file: its path.
  [[nodiscard]] const std::string& name() const { return name_; }

  /// Whether the file has a checksum; it is right then. Damage to a file without one (Python writes none) can pass
  /// unseen. safetensors_writer(file).write(path) gives it one.
  [[nodiscard]] bool has_checksum() const { return header_.metadata.contains(checksum_key); }

  [[nodiscard]] bool contains(std::string_view tensor) const { return index_.contains(tensor); }
  /// Throws where the library does not know the tensor's dtype.
  [[nodiscard]] element_type type(std::string_view tensor) const {
    const auto& found = entry(tensor);
    if (!found.type) fail(tensor, message("has the dtype '", found.dtype, "', which this library does not know"));
    return *found.type;
  }
  /// As the file writes it, such as "F32".
  [[nodiscard]] std::string_view dtype(std::string_view tensor) const { return entry(tensor).dtype; }
  [[nodiscard]] const std::vector<index_t>& shape(std::string_view tensor) const { return entry(tensor).shape; }
  [[nodiscard]] const auto& metadata() const { return header_.metadata; }

  /// All names, sorted.
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& each : index_) names.push_back(each.first);
    return names;
  }

  /// The raw bytes of a tensor; they live as long as this object.
  [[nodiscard]] std::span<const std::byte> bytes(std::string_view tensor) const& {
    const auto& found = entry(tensor);
    return std::span(content_).subspan(data_ + found.begin, found.end - found.begin);
  }
  needs_a_named_object bytes(std::string_view) const&& = delete;

  /// Number of elements.
  [[nodiscard]] std::size_t size(std::string_view tensor) const {
    return 8 * bytes(tensor).size() / info(type(tensor)).bits;
  }

  /// Copies a tensor of F32, F16, BF16, F8_E4M3 or F8_E5M2 into exactly as many floats. They may be infinite or NaN.
  void read_float(std::string_view tensor, std::span<float> values) const {
    const auto raw = begin_read(tensor, values.size());
    switch (type(tensor)) {
      case element_type::f32:
        return copy_bytes(raw, values.data());
      case element_type::f16:
        return convert<std::uint16_t>(raw, values, half_to_float);
      case element_type::bf16:
        return convert<std::uint16_t>(raw, values, bfloat16_to_float);
      case element_type::f8_e4m3:
        return convert<std::uint8_t>(raw, values, float8_e4m3_to_float);
      case element_type::f8_e5m2:
        return convert<std::uint8_t>(raw, values, float8_e5m2_to_float);
      default:
        fail(tensor, message("is ", dtype(tensor), ", but floats are read from F32, F16, BF16, F8_E4M3 and F8_E5M2"));
    }
  }

  [[nodiscard]] std::vector<float> floats(std::string_view tensor) const {
    std::vector<float> values(size(tensor));
    read_float(tensor, values);
    return values;
  }

  /// Copies a tensor bit for bit; its type must be T's own and its length that of `values`. A bool is read from BOOL or
  /// U8, and its byte must be 0 or 1.
  template <class T>
  void read(std::string_view tensor, std::span<T> values) const {
    const auto raw = begin_read(tensor, values.size());
    constexpr auto wanted = detail::element_type_of<T>();
    if (type(tensor) != wanted && !(std::same_as<T, bool> && type(tensor) == element_type::boolean))
      fail(tensor, message("is ", dtype(tensor), ", but ", info(wanted).name, " is asked for"));
    if constexpr (std::same_as<T, bool>)
      for (const std::byte each : raw)
        if (each > std::byte{1})
          fail(tensor, message("holds the byte ", std::to_integer<int>(each), " where a flag is 0 or 1"));
    copy_bytes(raw, values.data());
  }

 private:
  [[noreturn]] void fail(std::string_view tensor, std::string_view what) const {
    throw std::runtime_error(message(name_, ": tensor '", tensor, "' ", what));
  }

  [[nodiscard]] const tensor_entry& entry(std::string_view tensor) const {
    const auto found = index_.find(tensor);
    if (found == index_.end()) fail(tensor, message("is missing; the file has ", index_.size(), " others"));
    return header_.tensors[found->second];
  }

  [[nodiscard]] std::span<const std::byte> begin_read(std::string_view tensor, std::size_t length) const {
    if (size(tensor) != length)
      fail(tensor, message("has ", size(tensor), " elements, shape ", detail::shape_text(shape(tensor)), ", but ",
                           length, " are asked for"));
    return bytes(tensor);
  }

  void check_checksum() const {
    const auto written = metadata().find(checksum_key);
    if (written == metadata().end()) return;
    if (const auto found = detail::content_checksum(*this); found != written->second)
      throw std::runtime_error(
          message(name_, ": is damaged: its checksum is ", found, ", but '", written->second.substr(0, 80),
                  "' was written; get the file anew (or, where a program changed it on purpose, leave '", checksum_key,
                  "' out of its metadata)"));
  }

  template <class Pattern, class ToFloat>
  static void convert(std::span<const std::byte> raw, std::span<float> values, const ToFloat& to_float) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      Pattern pattern = 0;
      std::memcpy(&pattern, raw.data() + sizeof(Pattern) * i, sizeof(Pattern));
      values[i] = to_float(pattern);
    }
  }

  static void copy_bytes(std::span<const std::byte> raw, void* target) {
    if (!raw.empty()) std::memcpy(target, raw.data(), raw.size());
  }

  std::vector<std::byte> content_;
  std::string name_;
  std::size_t data_ = 0;
  safetensors_header header_;
  std::map<std::string, std::size_t, std::less<>> index_;
};

}  // namespace fewstep
