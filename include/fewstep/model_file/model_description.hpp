// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/io/safetensors.hpp>
#include <fewstep/nn/parameters.hpp>

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

/// What the loaders of models share: the description of a network in a file's metadata, and its comparison with the
/// file's own tensors before anything of the described size is made.
namespace fewstep::detail {

/// A line of a file's metadata that is a JSON object of numbers, flags and lists of whole numbers. Calling it reads one
/// of them: description("height", height). Errors: std::runtime_error that names the file, the number and its value.
class model_description {
 public:
  /// `complaint` begins the sentence of an error: "the metadata of the network are damaged".
  model_description(const safetensors_file& file, std::string_view key, std::string_view complaint)
      : file_(file.name()), complaint_(complaint) {
    const auto line = file.metadata().find(key);
    if (line == file.metadata().end())
      throw std::runtime_error(message(file_, ": the metadata have no '", key, "'; this is no such model of fewstep"));
    if (line->second.size() > longest) fail("they are ", line->second.size(), " bytes long, more than ", longest);
    parse(line->second);
  }

  void operator()(const char* name, index_t& value) const { value = whole(name, at(name)); }
  void operator()(const char* name, bool& value) const {
    const json& found = at(name);
    if (!found.is_boolean()) fail("'", name, "' is ", found.dump(), "; it must be true or false");
    value = found.get<bool>();
  }
  void operator()(const char* name, float& value) const {
    const json& found = at(name);
    if (found.is_number()) value = found.get<float>();
    if (!found.is_number() || !std::isfinite(value)) fail("'", name, "' is ", found.dump(), "; it must be a number");
  }
  void operator()(const char* name, std::vector<index_t>& values) const {
    const json& found = at(name);
    if (!found.is_array()) fail("'", name, "' is ", found.dump(), "; it must be a list of whole numbers");
    values.clear();
    for (const json& each : found) values.push_back(whole(name, each));
  }

  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    throw std::runtime_error(message(file_, ": ", complaint_, ": ", parts...));
  }

 private:
  using json = nlohmann::json;
  static constexpr std::size_t longest = 65536;

  void parse(const std::string& text) {
    std::set<std::string, std::less<>> names;
    const auto check = [&](int depth, json::parse_event_t event, json& parsed) {
      if (depth > 1 && (event == json::parse_event_t::object_start || event == json::parse_event_t::array_start))
        fail("lists and objects are nested");
      if (event == json::parse_event_t::key && !names.insert(parsed.get<std::string>()).second)
        fail("'", parsed.get<std::string>(), "' stands in them twice");
      return true;
    };
    try {
      object_ = json::parse(text, check);
    } catch (const json::exception& e) {
      fail(e.what());
    }
    if (!object_.is_object()) fail("they are no JSON object");
  }
  [[nodiscard]] const json& at(const char* name) const {
    const auto found = object_.find(name);
    if (found == object_.end()) fail("'", name, "' is missing");
    return *found;
  }
  [[nodiscard]] index_t whole(const char* name, const json& found) const {
    const bool fits =
        found.is_number_integer() && (!found.is_number_unsigned() ||
                                      found.get<std::uint64_t>() <= std::uint64_t{std::numeric_limits<index_t>::max()});
    if (!fits) fail("'", name, "' is ", found.dump(), "; it must be a whole number");
    return found.get<index_t>();
  }

  std::string file_, complaint_;
  json object_;
};

[[nodiscard]] inline named_shapes shapes_of(const safetensors_file& file) {
  named_shapes shapes;
  for (const auto& name : file.names()) shapes.emplace_hint(shapes.end(), name, file.shape(name));
  return shapes;
}

/// Runs what makes the described network; what it says of the description becomes an error that names the file.
template <class Make>
auto make_described(const safetensors_file& file, const Make& make) {
  try {
    return make();
  } catch (const std::invalid_argument& e) {
    throw std::runtime_error(message(file.name(), ": the network described cannot be: ", e.what()));
  } catch (const std::runtime_error& e) {
    throw std::runtime_error(message(file.name(), ": ", e.what()));
  }
}

}  // namespace fewstep::detail
