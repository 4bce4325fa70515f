// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/io/checkpoint_archive.hpp>
#include <fewstep/io/content_checksum.hpp>
#include <fewstep/io/file.hpp>
#include <fewstep/io/former_names.hpp>
#include <fewstep/io/safetensors.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace fewstep {
class checkpoint_reader;
}

namespace fewstep::detail {

inline constexpr std::string_view checkpoint_format_key = "fewstep.format";
inline constexpr std::string_view checkpoint_format = "fewstep checkpoint 1";
/// The version of the library that wrote a checkpoint; the first files have none.
inline constexpr std::string_view checkpoint_version_key = "fewstep.version";
[[nodiscard]] inline std::string library_version() {
  return message(FEWSTEP_VERSION_MAJOR, ".", FEWSTEP_VERSION_MINOR, ".", FEWSTEP_VERSION_PATCH);
}

/// An open checkpoint: its content and the names that were asked for.
struct checkpoint_content {
  explicit checkpoint_content(safetensors_file content) : name(content.name()), tensors(std::move(content)) {
    const auto format = tensors.metadata().find(checkpoint_format_key);
    if (format == tensors.metadata().end() || !tensors.has_checksum())
      fail(
          "is a safetensors file, but no checkpoint; read its tensors with safetensors_file::load, or into a network "
          "of your own with load_parameters");
    if (format->second != checkpoint_format)
      fail("is '", format->second, "'; this version of the library reads '", checkpoint_format, "'");
  }

  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    throw std::runtime_error(message("checkpoint '", name, "' ", parts...));
  }

  /// For what one of file and program does not know, or knows as something else: which version wrote the file, unless
  /// it is this one.
  [[nodiscard]] std::string origin() const {
    const auto version = tensors.metadata().find(checkpoint_version_key);
    if (version == tensors.metadata().end())
      return message("; a development version of fewstep before 0.1.0 wrote it, and this is ", library_version(),
                     "; resume with that, or start a new run");
    if (version->second == library_version()) return {};
    return message("; fewstep ", version->second, " wrote it, and this is ", library_version(),
                   "; resume with that, or start a new run");
  }

  /// A string of the checkpoint; fails if it is missing.
  [[nodiscard]] const std::string& text(const std::string& key) const {
    const auto found = tensors.metadata().find(key);
    if (found == tensors.metadata().end()) fail("has no string '", key, "'", origin());
    return found->second;
  }

  std::string name;
  safetensors_file tensors;
};

/// First pass of loading: compares every name, type, shape and must_match value with the file and changes nothing.
class checkpoint_checker : public checkpoint_archive<checkpoint_checker> {
 public:
  static constexpr bool saves = false;
  static constexpr bool loads = false;

  explicit checkpoint_checker(const checkpoint_content& content) : content_(&content) {}

  template <class T>
  void must_match(std::string_view given_name, const T& value) {
    const std::string name = name_in_file(std::string(given_name)), full = prefix_ + name;
    const std::string today = name == given_name ? "" : message("; it is called ", prefix_, given_name, " today");
    if constexpr (std::same_as<T, std::string>) {
      (*this)(name, value);
      const std::string& stored = content_->text(full);
      if (stored != value && stored != name_before(value)) refuse(full, stored, value, today);
    } else if constexpr (is_vector<T>) {
      check_type<typename T::value_type>(full);
      const std::size_t length = content_->tensors.size(full);
      if (length != value.size()) refuse(full + ".size()", length, value.size(), today);
      for (std::size_t i = 0; i < length; ++i)
        compare(full, i, value[i], today, [&] { return message(full, "[", i, "]"); });
    } else {
      static_assert(number<T>, "checkpoint: must_match compares numbers, enums, std::string and vectors of numbers");
      (*this)(name, value);
      compare(full, 0, value, today, [&] { return full; });
    }
  }

  template <class T>
  void check_within(const std::string& full, T least, T most) {
    const auto found = stored<T>(full);
    if (!(found >= least && found <= most))
      content_->fail("holds '", full, "' = ", +as_number(found), ", but it must be from ", +as_number(least), " to ",
                     +as_number(most));
  }

  /// Reads what loading would, for an object that has to see whether its parts fit together before it is changed.
  [[nodiscard]] checkpoint_reader reader() const;

  /// Fails if the file has values that nobody asked for.
  void finish() const {
    for (const auto& name : content_->tensors.names())
      if (!asked_->contains(name))
        content_->fail("has a value '", name, "' that this program does not know", content_->origin());
    for (const auto& [key, value] : content_->tensors.metadata())
      if (key != checkpoint_format_key && key != checkpoint_version_key && key != checksum_key &&
          !asked_->contains(key))
        content_->fail("has a string '", key, "' that this program does not know", content_->origin());
  }

 private:
  friend class checkpoint_archive<checkpoint_checker>;

  template <class T>
  void values(const std::string& name, std::span<T>, std::span<const index_t> shape) {
    check_type<T>(name);
    const auto& stored = content_->tensors.shape(name);
    if (!std::equal(stored.begin(), stored.end(), shape.begin(), shape.end()))
      content_->fail("holds '", name, "' with shape ", shape_text(stored), ", but this program expects ",
                     shape_text(shape), content_->origin());
    if constexpr (std::same_as<std::remove_cv_t<T>, bool>) check_flags(name);
  }

  /// That of an older file, if only that is there.
  [[nodiscard]] std::string name_in_file(std::string name) const {
    if (holds(prefix_ + name)) return name;
    std::size_t first = 0;  // a setting is looked for with all its groups, then with fewer
    do {
      const std::string_view before = name_before(std::string_view(name).substr(first));
      const std::string former = name.substr(0, first) + std::string(before);
      if (!before.empty() && holds(prefix_ + former)) return former;
      first = name.find_first_of("./", first) + 1;
    } while (first > 0);
    return name;
  }
  [[nodiscard]] bool holds(const std::string& full) const {
    return content_->tensors.contains(full) || content_->tensors.metadata().contains(full);
  }

  /// A bool that is neither 0 nor 1 would be undefined behaviour.
  void check_flags(const std::string& name) {
    for (const std::byte each : content_->tensors.bytes(name))
      if (each > std::byte{1})
        content_->fail("holds '", name, "' = ", std::to_integer<int>(each),
                       ", but this program expects a flag, 0 or 1");
  }

  /// Element i of numbers that have been checked.
  template <class T>
  [[nodiscard]] T stored(const std::string& full, std::size_t i = 0) const {
    T value{};
    std::memcpy(&value, content_->tensors.bytes(full).data() + i * sizeof(T), sizeof(T));
    return value;
  }
  template <class T>
  [[nodiscard]] static auto as_number(T value) {
    if constexpr (std::is_enum_v<T>)
      return static_cast<std::underlying_type_t<T>>(value);
    else
      return value;
  }

  template <class Vector>
  void resizable(const std::string& name, const Vector&) {
    check_type<typename Vector::value_type>(name);
    if (content_->tensors.shape(name).size() != 1)
      content_->fail("holds '", name, "' with shape ", shape_text(content_->tensors.shape(name)),
                     ", but this program expects one dimension", content_->origin());
  }

  template <class Vector>
  void list(std::string_view name, const Vector&) {
    auto section = scope(name);
    std::uint64_t size = 0;
    section("size", size);
    content_->tensors.read(section.prefix_ + "size", std::span(&size, 1));
    if (size > content_->tensors.names().size() + content_->tensors.metadata().size())
      content_->fail("says that '", prefix_, name, "' has ", size, " parts; the file has fewer values than that");
    for (std::uint64_t i = 0; i < size; ++i) {
      typename Vector::value_type part{};
      section(std::to_string(i), part);
    }
  }

  void text(const std::string& name, const std::string&) {
    ask(name);
    (void)content_->text(name);
  }

  template <class T>
  void check_type(const std::string& name) {
    ask(name);
    if (!content_->tensors.contains(name)) content_->fail("has no value '", name, "'", content_->origin());
    constexpr auto wanted = element_type_of<std::remove_cv_t<T>>();
    if (const auto stored = content_->tensors.type(name); stored != wanted)
      content_->fail("holds '", name, "' as ", info(stored).name, ", but this program expects ", info(wanted).name,
                     content_->origin());
  }

  void ask(const std::string& name) {
    expects(asked_->insert(name).second,
            [&] { return message("checkpoint: two values have the name '", name, "'; put one into a scope"); });
  }

  /// Refuses another number than element i of those stored.
  template <class T, class Name>
  void compare(const std::string& full, std::size_t i, const T& value, const std::string& today,
               const Name& name) const {
    const auto found = stored<T>(full, i);
    if (std::memcmp(&found, &value, sizeof(T)) != 0) refuse(name(), +as_number(found), +as_number(value), today);
  }

  /// `name` is that in the file; `today` says what it is called now, if that is something else.
  template <class T>
  [[noreturn]] void refuse(const std::string& name, const T& stored, const T& value, const std::string& today) const {
    content_->fail("was made with ", name, " = ", stored, ", but this run has ", value,
                   "; resume with the old value or start a new run", today);
  }

  const checkpoint_content* content_;
  std::shared_ptr<std::set<std::string, std::less<>>> asked_ = std::make_shared<std::set<std::string, std::less<>>>();
};

}  // namespace fewstep::detail
