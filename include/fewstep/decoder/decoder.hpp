// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/element_kernels.hpp>
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

template <class D, class Backend>
concept has_decoder_backward = requires(D& d, Backend& backend, matrix<const float> samples,
                                        matrix<const float> decoded_gradient, matrix<float> sample_gradient) {
  { d.backward(backend, samples, decoded_gradient, sample_gradient) } -> std::same_as<void>;
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
template <class D, class Backend>
concept decoder = detail::has_decoded_size<D> && detail::has_decode<D, Backend>;

/// A decoder that gradients of a reward pass through: `backward` writes the vector-Jacobian product
///   sample_gradient[B, D] = d <decoded(samples), decoded_gradient> / d samples,   decoded_gradient[B, decoded_size],
/// row by row, in arrays of the backend.
///
/// Smallest model: the decoder `doubled` above with
///   void backward(cpu_backend&, matrix<const float> x, matrix<const float> gy, matrix<float> gx) const { ... }
template <class D, class Backend>
concept differentiable_decoder = decoder<D, Backend> && detail::has_decoder_backward<D, Backend>;

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

/// As above for differentiable_decoder.
template <class D, class Backend>
consteval bool require_differentiable_decoder() {
  constexpr bool decodes = require_decoder<D, Backend>();
  static_assert(has_decoder_backward<D, Backend>,
                "fewstep::differentiable_decoder: void backward(Backend&, matrix<const float> samples, matrix<const "
                "float> decoded_gradient, matrix<float> sample_gradient) is missing; a reward's gradient cannot pass");
  return decodes && differentiable_decoder<D, Backend>;
}

}  // namespace detail

/// Samples are judged as they are. Algorithms recognise it and copy nothing.
struct identity_decoder {
  [[nodiscard]] index_t decoded_size(index_t sample_size) const { return sample_size; }
  template <class Backend>
  void operator()(Backend& backend, matrix<const float> samples, matrix<float> decoded) const {
    backend.copy(samples.data, decoded.data, samples.size());
  }
  template <class Backend>
  void backward(Backend& backend, matrix<const float>, matrix<const float> decoded_gradient,
                matrix<float> sample_gradient) const {
    backend.copy(decoded_gradient.data, sample_gradient.data, decoded_gradient.size());
  }
};

}  // namespace fewstep
