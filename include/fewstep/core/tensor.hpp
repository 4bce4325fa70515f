// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/view.hpp>

#include <cstddef>
#include <type_traits>
#include <utility>

namespace fewstep {

/// Owning array of rank `Rank` on a backend, row-major and zero-initialised. Move-only: copies are asked for by name.
/// `Backend` supplies the memory through `Backend::buffer<T>` (see fewstep/backend/backend.hpp).
template <class T, int Rank, class Backend>
class tensor {
  static_assert(std::is_trivially_copyable_v<T>, "tensor: elements must be trivially copyable");

 public:
  using value_type = T;

  tensor() = default;
  tensor(Backend& backend, array_extents<Rank> shape)
      : extents_(shape), buffer_(backend.template allocate<T>(length_of(shape))) {}

  [[nodiscard]] tensor_view<T, Rank> view() & { return {buffer_.data(), extents_}; }
  [[nodiscard]] tensor_view<const T, Rank> view() const& { return {buffer_.data(), extents_}; }
  needs_a_named_object view() const&& = delete;
  [[nodiscard]] T* data() { return buffer_.data(); }
  [[nodiscard]] const T* data() const { return buffer_.data(); }
  [[nodiscard]] index_t size() const { return view().size(); }
  [[nodiscard]] index_t extent(int axis) const { return extents_[axis]; }
  [[nodiscard]] std::size_t bytes() const { return static_cast<std::size_t>(size()) * sizeof(T); }

 private:
  array_extents<Rank> extents_{};
  typename Backend::template buffer<T> buffer_;
};

}  // namespace fewstep
