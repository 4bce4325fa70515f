// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/backend.hpp>
#include <fewstep/core/archive_within.hpp>
#include <fewstep/core/view.hpp>

#include <cstddef>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace fewstep {

/// An archive for objects whose arrays lie on a backend: what it is given goes through host memory, and everything
/// else to the archive behind it. `arrays("optimizer", state)` does so with all views that state.serialize gives.
template <class Archive, class Backend>
class staged_archive {
 public:
  static constexpr bool saves = Archive::saves;
  static constexpr bool loads = Archive::loads;

  staged_archive(Archive& archive, Backend& backend) : archive_(&archive), backend_(&backend) {}

  template <class T, int Rank>
  void operator()(std::string_view name, tensor_view<T, Rank> view) {
    std::vector<std::remove_const_t<T>> host(static_cast<std::size_t>(view.size()));
    backend_->copy_to_host(view.data, host.data(), view.size());
    (*archive_)(name, tensor_view<T, Rank>(host.data(), view.extents));
    if constexpr (!std::is_const_v<T>) backend_->copy_to_device(host.data(), view.data, view.size());
  }
  template <class T>
  void operator()(std::string_view name, T&& value) {
    if constexpr (requires { value.serialize(*this); })
      (*archive_)(name, scope_of<std::remove_reference_t<T>>{value, *backend_});
    else
      (*archive_)(name, std::forward<T>(value));
  }
  template <class T>
  void must_match(std::string_view name, const T& value) {
    archive_->must_match(name, value);
  }
  template <class T>
  void within(std::string_view name, T& value, std::type_identity_t<T> least, std::type_identity_t<T> most) {
    detail::archive_within(*archive_, name, value, least, most);
  }

 private:
  /// Hands the section that the archive opens on to the object, staged.
  template <class Object>
  struct scope_of {
    Object& object;
    Backend& backend;
    template <class Section>
    void serialize(Section& section) {
      staged_archive<Section, Backend> staged(section, backend);
      object.serialize(staged);
    }
  };

  Archive* archive_;
  Backend* backend_;
};

/// The archive through which arrays of the backend are saved and loaded: the archive itself where they lie in host
/// memory.
template <class Archive, class Backend>
[[nodiscard]] decltype(auto) staged(Archive& archive, [[maybe_unused]] Backend& backend) {
  if constexpr (on_host<Backend>)
    return (archive);
  else
    return staged_archive<Archive, Backend>(archive, backend);
}

}  // namespace fewstep
