// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/shape_text.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/io/element_type.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace fewstep {

/// One line of the header: where a tensor lies in the data section, in bytes.
struct tensor_entry {
  std::string name;
  std::string dtype;                 ///< as written
  std::optional<element_type> type;  ///< none: a dtype that the library does not know
  std::vector<index_t> shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// The table of contents of a safetensors file.
struct safetensors_header {
  std::vector<tensor_entry> tensors;  ///< in the order of the data section
  std::map<std::string, std::string, std::less<>> metadata;
};

namespace detail {

/// Takes the header's JSON event by event, so that no tree is built and every rule is checked where it is broken:
/// nesting, duplicates, and numbers that are not whole and non-negative.
class safetensors_header_parser {
 public:
  using json = nlohmann::json;

  explicit safetensors_header_parser(std::string_view file) : file_(file) {}

  safetensors_header header;

  /// As the reference implementation, takes null for metadata that are not there.
  bool null() { return (place_ == place::top && name_ == "__metadata__") || surprise("null"); }
  bool boolean(bool value) { return surprise(value ? "true" : "false"); }
  bool number_integer(json::number_integer_t value) { return surprise(std::to_string(value)); }
  bool number_float(json::number_float_t, const std::string& text) { return surprise(text); }
  bool binary(json::binary_t&) { return surprise("binary data"); }

  bool number_unsigned(json::number_unsigned_t value) {
    if (place_ != place::list || value > static_cast<std::uint64_t>(std::numeric_limits<index_t>::max()))
      return surprise(std::to_string(value));
    if (key_ == "shape")
      header.tensors.back().shape.push_back(static_cast<index_t>(value));
    else
      offsets_.push_back(value);
    return true;
  }

  bool string(std::string& value) {
    if (place_ == place::metadata) {
      header.metadata.emplace(key_, std::move(value));
      return true;
    }
    if (place_ != place::tensor || key_ != "dtype") return surprise("the string '" + value + "'");
    auto& tensor = header.tensors.back();
    const auto found = std::find_if(element_types.begin(), element_types.end(),
                                    [&](const element_type_info& each) { return each.name == value; });
    if (found != element_types.end()) tensor.type = found->type;
    tensor.dtype = std::move(value);
    return true;
  }

  bool start_object(std::size_t) {
    if (place_ == place::outside) {
      place_ = place::top;
    } else if (place_ == place::top) {
      seen_.clear();
      offsets_.clear();
      place_ = name_ == "__metadata__" ? place::metadata : place::tensor;
      if (place_ == place::tensor) header.tensors.emplace_back().name = name_;
    } else {
      return surprise("an object");
    }
    return true;
  }

  bool key(std::string& value) {
    if (place_ == place::top) {
      name_ = value;
      if (++names_[value] > 1) fail("appears twice");
      return true;
    }
    key_ = std::move(value);
    if (std::find(seen_.begin(), seen_.end(), key_) != seen_.end()) fail("has '" + key_ + "' twice");
    if (place_ == place::metadata && header.metadata.contains(key_)) fail("has '" + key_ + "' twice");
    if (place_ != place::tensor) return true;
    if (key_ != "dtype" && key_ != "shape" && key_ != "data_offsets") fail("has the unknown field '" + key_ + "'");
    seen_.push_back(key_);
    return true;
  }

  bool end_object() {
    if (place_ == place::tensor) {
      for (const auto* field : {"dtype", "shape", "data_offsets"})
        if (std::find(seen_.begin(), seen_.end(), field) == seen_.end()) fail(std::string("has no ") + field);
      if (offsets_.size() != 2)
        fail("has " + std::to_string(offsets_.size()) + " data_offsets; there must be two, begin and end");
      header.tensors.back().begin = offsets_[0];
      header.tensors.back().end = offsets_[1];
    }
    place_ = place_ == place::top ? place::outside : place::top;
    return true;
  }

  bool start_array(std::size_t) {
    if (place_ != place::tensor || key_ == "dtype") return surprise("a list");
    place_ = place::list;
    return true;
  }

  bool end_array() {
    place_ = place::tensor;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) {
    throw std::runtime_error(
        message(file_, ": the header is not JSON at its byte ", position, " (", error.what(), ")"));
  }

  [[noreturn]] void fail(std::string_view what) const {
    throw std::runtime_error(message(file_, ": ", subject(name_), " ", what));
  }

 private:
  enum class place { outside, top, tensor, list, metadata };

  [[nodiscard]] static std::string subject(const std::string& name) {
    return name.empty() || name == "__metadata__" ? "the header's " + (name.empty() ? "top level" : name)
                                                  : "tensor '" + name + "'";
  }

  [[nodiscard]] bool surprise(const std::string& value) const {
    if (place_ == place::outside)
      throw std::runtime_error(message(file_, ": the header is ", value, ", not an object"));
    if (place_ == place::top) fail("is " + value + ", not an object");
    if (place_ == place::metadata) fail("has " + value + " for '" + key_ + "'; only strings are allowed");
    if (key_ == "dtype") fail("has " + value + " for its dtype; it must be a name such as \"F32\"");
    fail("has " + value + " in its " + key_ + "; it must be a list of whole numbers from 0 to 2^63 - 1");
  }

  std::string file_;
  place place_ = place::outside;
  std::string name_;
  std::string key_;
  std::vector<std::string> seen_;
  std::vector<std::uint64_t> offsets_;
  std::map<std::string, int> names_;
};

/// Reads the header of a file whose data section has `data_bytes` bytes. `file` names the file in errors.
/// Refuses (std::runtime_error) whatever is not exactly the format: see safetensors_file.
[[nodiscard]] inline safetensors_header parse_safetensors_header(std::string_view text, std::uint64_t data_bytes,
                                                                 std::string_view file) {
  const auto fail = [&](const auto&... parts) { throw std::runtime_error(message(file, ": ", parts...)); };
  if (text.empty() || text.front() != '{') fail("the header does not start with '{'");
  if (text.find('\0') != text.npos) fail("the header holds a zero byte");
  safetensors_header_parser parser(file);
  nlohmann::json::sax_parse(text.begin(), text.end(), &parser);

  auto header = std::move(parser.header);
  for (const auto& tensor : header.tensors) {
    if (tensor.begin > tensor.end || tensor.end > data_bytes)
      fail("tensor '", tensor.name, "' claims bytes ", tensor.begin, " to ", tensor.end, " of a data section of ",
           data_bytes, " bytes");
    if (!tensor.type) continue;  // how long it must be is not known
    const auto bytes = tensor_bytes(*tensor.type, tensor.shape);
    if (!bytes)
      fail("tensor '", tensor.name, "' of ", tensor.dtype, " has the impossible shape ", shape_text(tensor.shape));
    if (tensor.end - tensor.begin != *bytes)
      fail("tensor '", tensor.name, "' of ", tensor.dtype, " ", shape_text(tensor.shape), " needs ", *bytes,
           " bytes, but its data_offsets span ", tensor.end - tensor.begin);
  }

  std::sort(header.tensors.begin(), header.tensors.end(), [](const tensor_entry& a, const tensor_entry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  std::uint64_t end = 0;
  std::string_view before = "the start";
  for (const auto& tensor : header.tensors) {
    if (tensor.begin < end)
      fail("tensor '", tensor.name, "' begins at byte ", tensor.begin, " and overlaps tensor '", before,
           "', which ends at byte ", end);
    if (tensor.begin > end)
      fail("bytes ", end, " to ", tensor.begin, " before tensor '", tensor.name, "' belong to no tensor");
    end = tensor.end;
    before = tensor.name;
  }
  if (end != data_bytes) fail("bytes ", end, " to ", data_bytes, " at the end belong to no tensor");
  return header;
}

}  // namespace detail

}  // namespace fewstep
