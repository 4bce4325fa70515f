// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>

#include <concepts>

namespace fewstep {

namespace detail {

template <class D>
concept has_decoded_size = requires(const D& d, index_t n) {
  { d.decoded_size(n) } -> std::convertible_to<index_t>;
};
template <class D, class Backend>
concept has_decode = requires(D& d, Backend& backend, matrix<const float> samples, matrix<float> decoded) {
  { d(backend, samples, decoded) } -> std::same_as<void>;
};

}  // namespace detail

/// What turns the sampler's result [B, D] into what is judged and shown [B, decoded_size]: a VAE, a compositing mask, a
/// kinematic model; the identity by default.
///
/// The compiler cannot check: row r of the output depends on row r of the input only.
///
/// Smallest model:
///   struct doubled {
///     index_t decoded_size(index_t d) const { return d; }
///     void operator()(cpu_backend&, matrix<const float> x, matrix<float> y) const { ... }
///   };
/// Models here: identity_decoder.
template <class D, class Backend>
concept decoder = detail::has_decoded_size<D> && detail::has_decode<D, Backend>;

namespace detail {

/// Whether D models decoder; where it does not, the compiler says what is missing.
template <class D, class Backend>
consteval bool require_decoder() {
  static_assert(has_decoded_size<D>, "fewstep::decoder: index_t decoded_size(index_t sample_size) const is missing");
  static_assert(has_decode<D, Backend>,
                "fewstep::decoder: void operator()(Backend&, matrix<const float> samples, matrix<float> decoded) is "
                "missing");
  return decoder<D, Backend>;
}

}  // namespace detail

/// Samples are judged as they are. Algorithms recognise it and copy nothing.
struct identity_decoder {
  [[nodiscard]] index_t decoded_size(index_t sample_size) const { return sample_size; }
  template <class Backend>
  void operator()(Backend& backend, matrix<const float> samples, matrix<float> decoded) const {
    backend.copy_to_host(samples.data, decoded.data, samples.size());
  }
};

}  // namespace fewstep
