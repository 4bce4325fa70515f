// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/half.hpp>
#include <fewstep/core/shape_text.hpp>
#include <fewstep/core/utf8.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/io/atomic_file.hpp>
#include <fewstep/io/content_checksum.hpp>
#include <fewstep/io/element_type.hpp>
#include <fewstep/io/safetensors_file.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fewstep {

/// Collects tensors and writes them as one safetensors file with a checksum (checksum_key) in its metadata. The same
/// tensors and metadata give the same bytes, in whatever order they were added; every tensor lies at a multiple of its
/// element's size.
class safetensors_writer {
 public:
  safetensors_writer() = default;
  /// Begins with all that a file has; the file must live until write() is done.
  explicit safetensors_writer(const safetensors_file& file) {
    for (const auto& name : file.names()) add_view(name, file.shape(name), file.type(name), file.bytes(name));
    for (const auto& [key, value] : file.metadata()) metadata(key, value);
  }
  safetensors_writer(safetensors_writer&&) = default;
  safetensors_writer& operator=(safetensors_writer&&) = default;

  /// Adds floats, stored as F32, F16 or BF16 (rounded to nearest even). Copies.
  void add(std::string_view tensor, std::vector<index_t> shape, std::span<const float> values,
           element_type type = element_type::f32) {
    if (type == element_type::f32) return add_raw(tensor, std::move(shape), type, std::as_bytes(values));
    expects(type == element_type::f16 || type == element_type::bf16, [&] {
      return message("safetensors_writer: tensor '", tensor, "' holds floats; store them as F32, F16 or BF16, not as ",
                     info(type).name);
    });
    std::vector<std::uint16_t> patterns(values.size());
    std::transform(values.begin(), values.end(), patterns.begin(),
                   type == element_type::f16 ? float_to_half : float_to_bfloat16);
    add_raw(tensor, std::move(shape), type, std::as_bytes(std::span(patterns)));
  }

  /// Adds elements of any type by their bytes. Copies.
  void add_raw(std::string_view tensor, std::vector<index_t> shape, element_type type,
               std::span<const std::byte> bytes) {
    auto& added = insert(tensor, std::move(shape), type, bytes.size());
    added.owned.assign(bytes.begin(), bytes.end());
    added.bytes = added.owned;
  }

  /// As add_raw, without the copy: the bytes must live and stay the same until write() is done.
  void add_view(std::string_view tensor, std::vector<index_t> shape, element_type type,
                std::span<const std::byte> bytes) {
    insert(tensor, std::move(shape), type, bytes.size()).bytes = bytes;
  }

  /// Adds a line of metadata, or replaces it.
  void metadata(std::string_view key, std::string_view value) {
    (void)quoted(key);
    (void)quoted(value);
    metadata_.insert_or_assign(std::string(key), std::string(value));
  }

  /// Writes the file aside and renames it; see atomic_file for errors.
  void write(const std::filesystem::path& path) const {
    atomic_file file(path);
    const auto text = header();
    const std::uint64_t length = text.size();
    file.write(std::as_bytes(std::span(&length, 1)));
    file.write(text);
    for (const auto* each : in_file_order()) file.write(each->second.bytes);
    file.commit();
  }

  [[nodiscard]] bool contains(std::string_view tensor) const { return tensors_.contains(tensor); }
  [[nodiscard]] element_type type(std::string_view tensor) const { return find(tensor).type; }
  [[nodiscard]] std::string_view dtype(std::string_view tensor) const { return info(type(tensor)).name; }
  [[nodiscard]] const std::vector<index_t>& shape(std::string_view tensor) const { return find(tensor).shape; }
  [[nodiscard]] std::span<const std::byte> bytes(std::string_view tensor) const& { return find(tensor).bytes; }
  needs_a_named_object bytes(std::string_view) const&& = delete;
  [[nodiscard]] const auto& metadata() const { return metadata_; }

  /// All names, sorted.
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& each : tensors_) names.push_back(each.first);
    return names;
  }

 private:
  struct added_tensor {
    element_type type{};
    std::vector<index_t> shape;
    std::vector<std::byte> owned;
    std::span<const std::byte> bytes;
  };
  using tensor_map = std::map<std::string, added_tensor, std::less<>>;

  added_tensor& insert(std::string_view tensor, std::vector<index_t> shape, element_type type, std::size_t given) {
    const auto needed = detail::tensor_bytes(type, shape);
    expects(needed == given, [&] {
      return message("safetensors_writer: tensor '", tensor, "' of ", info(type).name, " ", detail::shape_text(shape),
                     " does not match the ", given, " bytes given for it");
    });
    expects(tensor != "__metadata__", "safetensors_writer: '__metadata__' is no name for a tensor; use metadata()");
    (void)quoted(tensor);
    const auto [place, fresh] = tensors_.try_emplace(std::string(tensor));
    expects(fresh, [&] { return message("safetensors_writer: tensor '", tensor, "' was added before"); });
    place->second.type = type;
    place->second.shape = std::move(shape);
    return place->second;
  }

  [[nodiscard]] const added_tensor& find(std::string_view tensor) const {
    const auto found = tensors_.find(tensor);
    expects(found != tensors_.end(), [&] { return message("safetensors_writer: no tensor '", tensor, "' was added"); });
    return found->second;
  }

  /// Wide elements first, then by name: so every tensor begins at a multiple of its element's size.
  [[nodiscard]] std::vector<const tensor_map::value_type*> in_file_order() const {
    std::vector<const tensor_map::value_type*> order;
    for (const auto& each : tensors_) order.push_back(&each);
    std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
      return std::pair(info(b->second.type).bits, std::string_view(a->first)) <
             std::pair(info(a->second.type).bits, std::string_view(b->first));
    });
    return order;
  }

  /// The JSON header, padded with spaces so that the data begins at a multiple of eight.
  [[nodiscard]] std::string header() const {
    auto lines = metadata_;
    lines.insert_or_assign(std::string(checksum_key), detail::content_checksum(*this));
    std::string text = "{\"__metadata__\":{";
    for (const auto& [key, value] : lines) text += quoted(key) + ":" + quoted(value) + ",";
    text.back() = '}';
    text += ",";
    std::size_t begin = 0;
    for (const auto* each : in_file_order()) {
      const auto& [type, shape, owned, bytes] = each->second;
      text += message(quoted(each->first), ":{\"dtype\":\"", info(type).name, "\",\"shape\":[");
      for (std::size_t axis = 0; axis < shape.size(); ++axis) text += message(axis > 0 ? "," : "", shape[axis]);
      text += message("],\"data_offsets\":[", begin, ",", begin + bytes.size(), "]},");
      begin += bytes.size();
    }
    text.back() = '}';
    text.resize((text.size() + 7) / 8 * 8, ' ');
    return text;
  }

  [[nodiscard]] static std::string quoted(std::string_view text) {
    require_utf8(text, "safetensors_writer: the text");
    return nlohmann::json(text).dump();
  }

  tensor_map tensors_;
  std::map<std::string, std::string, std::less<>> metadata_;
};

}  // namespace fewstep
