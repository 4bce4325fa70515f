// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/io/checkpoint_archive.hpp>
#include <fewstep/io/checkpoint_content.hpp>
#include <fewstep/io/safetensors.hpp>

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

/// Checkpoints: everything that a run needs to go on bit for bit, in one safetensors file.
///
/// A class describes its state once, for saving and for loading:
///
///     template <class Archive>
///     void serialize(Archive& archive) {
///       archive("step", step_);                 // numbers: bool, integers, float, double; enums
///       archive("moments", moments_);           // std::vector: takes the length that the file has
///       archive("parameters", parameters());    // std::span, tensor_view, std::array: length and shape must agree
///       archive("schedule", schedule_);         // std::string, std::vector<std::string>
///       archive("inner", inner_);               // anything that has serialize(), and vectors of such
///       archive.within("phase", phase_, phase::first, phase::last);  // a file that has another value is refused
///       archive.must_match("horizon", horizon_);  // a setting that a resumed run may not change
///     }
///
/// and save_checkpoint(path, object), load_checkpoint(path, object) do the rest. Instead of an object either takes a
/// callable of the archive. Loading runs it twice: first against the file without touching anything, so that a file
/// that does not fit to the last name and length leaves the object as it was; then for good. Therefore serialize must
/// make the same calls whatever the values are. What has to be packed before or rebuilt after them depends on the
/// archive's constants `saves` and `loads`:
///
///       std::vector<double> packed;
///       if constexpr (Archive::saves) packed = pack(map_);
///       archive("map", packed);
///       if constexpr (Archive::loads) map_ = unpack(packed);
namespace fewstep {

namespace detail {

template <class Object, class Archive>
void run_serialize(Object& object, Archive& archive) {
  if constexpr (has_serialize<Object, Archive>) {
    object.serialize(archive);
  } else {
    static_assert(std::invocable<Object&, Archive&>,
                  "checkpoint: the object needs a member template serialize(Archive&), or must be callable with it");
    object(archive);
  }
}

}  // namespace detail

/// Collects the values of a checkpoint; copies share what was collected.
class checkpoint_writer : public detail::checkpoint_archive<checkpoint_writer> {
 public:
  static constexpr bool saves = true;
  static constexpr bool loads = false;

  /// Saves a number, enum, std::string or vector of numbers; a run that resumes with another one is refused.
  template <class T>
  void must_match(std::string_view name, const T& value) {
    (*this)(name, value);
  }

  /// Writes the file aside and renames it, so that a kill at any moment leaves the old or the new one; see atomic_file.
  void write(const std::filesystem::path& path) {
    tensors_->metadata(detail::checkpoint_format_key, detail::checkpoint_format);
    tensors_->metadata(detail::checkpoint_version_key, detail::library_version());
    tensors_->write(path);
  }

 private:
  friend class detail::checkpoint_archive<checkpoint_writer>;

  template <class T>
  void values(const std::string& name, std::span<T> from, std::span<const index_t> shape) {
    refuse_twice(name);
    tensors_->add_raw(name, {shape.begin(), shape.end()}, detail::element_type_of<std::remove_cv_t<T>>(),
                      std::as_bytes(from));
  }

  template <class Vector>
  void resizable(const std::string& name, const Vector& from) {
    const auto length = static_cast<index_t>(from.size());
    values(name, std::span(from), std::span(&length, 1));
  }

  template <class Vector>
  void list(std::string_view name, Vector& from) {
    auto section = scope(name);
    const auto size = static_cast<std::uint64_t>(from.size());
    section("size", size);
    for (std::size_t i = 0; i < from.size(); ++i) section(std::to_string(i), from[i]);
  }

  void text(const std::string& name, const std::string& from) {
    refuse_twice(name);
    tensors_->metadata(name, from);
  }

  void refuse_twice(const std::string& name) const {
    expects(!tensors_->contains(name) && !tensors_->metadata().contains(name),
            [&] { return message("checkpoint: two values have the name '", name, "'; put one into a scope"); });
  }

  std::shared_ptr<safetensors_writer> tensors_ = std::make_shared<safetensors_writer>();
};

/// Second pass of loading: copies the values of a checked file. Made by load_checkpoint.
class checkpoint_reader : public detail::checkpoint_archive<checkpoint_reader> {
 public:
  static constexpr bool saves = false;
  static constexpr bool loads = true;

  explicit checkpoint_reader(const detail::checkpoint_content& content, std::string prefix = "") : content_(&content) {
    prefix_ = std::move(prefix);
  }

  template <class T>
  void must_match(std::string_view, const T&) {}

 private:
  friend class detail::checkpoint_archive<checkpoint_reader>;

  template <class T>
  void values(const std::string& name, std::span<T> to, std::span<const index_t>) {
    static_assert(!std::is_const_v<T>, "checkpoint: cannot load into a const value");
    content_->tensors.read(name, to);
  }

  template <class Vector>
  void resizable(const std::string& name, Vector& to) {
    to.resize(content_->tensors.size(name));
    content_->tensors.read(name, std::span(to));
  }

  template <class Vector>
  void list(std::string_view name, Vector& to) {
    auto section = scope(name);
    std::uint64_t size = 0;
    section("size", size);
    to.resize(size);
    for (std::size_t i = 0; i < to.size(); ++i) section(std::to_string(i), to[i]);
  }

  void text(const std::string& name, std::string& to) { to = content_->text(name); }

  const detail::checkpoint_content* content_;
};

inline checkpoint_reader detail::checkpoint_checker::reader() const { return checkpoint_reader(*content_, prefix_); }

/// Saves an object (or a callable of the archive) as a checkpoint. The old file stays whole until the new one is.
template <class Object>
void save_checkpoint(const std::filesystem::path& path, Object&& object) {
  checkpoint_writer archive;
  detail::run_serialize(object, archive);
  archive.write(path);
}

/// Loads what save_checkpoint saved. Throws, with the object as it was, if the file is missing or damaged, if a name is
/// missing or unknown, if a type, length or must_match value differs, or a value is not within its bounds; the message
/// says which.
template <class Object>
void load_checkpoint(safetensors_file file, Object&& object) {
  const detail::checkpoint_content content(std::move(file));
  detail::checkpoint_checker checker(content);
  detail::run_serialize(object, checker);
  checker.finish();
  checkpoint_reader reader(content);
  detail::run_serialize(object, reader);
}
template <class Object>
void load_checkpoint(const std::filesystem::path& path, Object&& object) {
  load_checkpoint(safetensors_file::load(path), object);
}

}  // namespace fewstep
