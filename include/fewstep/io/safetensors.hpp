// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/utf8.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/io/atomic_file.hpp>
#include <fewstep/io/content_checksum.hpp>
#include <fewstep/io/file.hpp>
#include <fewstep/io/float8.hpp>
#include <fewstep/io/half.hpp>
#include <fewstep/io/safetensors_header.hpp>

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace fewstep {

static_assert(std::endian::native == std::endian::little, "safetensors: written for little-endian machines");

namespace detail {

/// The element type that holds a C++ number bit for bit; U8 for bool.
template <class T>
requires std::is_arithmetic_v<T>
[[nodiscard]] constexpr element_type element_type_of() {
  if constexpr (std::is_floating_point_v<T>) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "safetensors: of the floating-point types, use float or double");
    return sizeof(T) == 4 ? element_type::f32 : element_type::f64;
  } else {
    static_assert(!std::same_as<T, char> && !std::same_as<T, wchar_t>,
                  "safetensors: of the integers, use those of a stated width (std::int8_t, std::uint16_t, ...)");
    switch (sizeof(T)) {
      case 1:
        return std::same_as<T, bool> || std::is_unsigned_v<T> ? element_type::u8 : element_type::i8;
      case 2:
        return std::is_signed_v<T> ? element_type::i16 : element_type::u16;
      case 4:
        return std::is_signed_v<T> ? element_type::i32 : element_type::u32;
      default:
        return std::is_signed_v<T> ? element_type::i64 : element_type::u64;
    }
  }
}

}  // namespace detail

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
