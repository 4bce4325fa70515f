// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>
#include <fewstep/generator/context_rows.hpp>

#include <concepts>
#include <cstddef>

namespace fewstep {

namespace detail {

template <class D>
concept has_decoded_size = requires(const D& d, index_t n) {
  { d.decoded_size(n) } -> std::convertible_to<index_t>;
};
template <class D>
concept has_rows_at_once = requires(const D& d) {
  { d.rows_at_once() } -> std::convertible_to<index_t>;
};
template <class D, class Backend>
concept has_decoder_memory = requires(const D& d, const Backend& backend, index_t n) {
  { d.workspace_bytes(backend, n) } -> std::convertible_to<std::size_t>;
};
template <class D, class Backend, class Context>
concept has_decode_of_contexts = requires(D& d, Backend& backend, matrix<const float> samples,
                                          context_rows<Context> contexts, matrix<float> decoded) {
  { d(backend, samples, contexts, decoded) } -> std::same_as<void>;
};
template <class D, class Backend>
concept has_decode_of_samples = requires(D& d, Backend& backend, matrix<const float> samples, matrix<float> decoded) {
  { d(backend, samples, decoded) } -> std::same_as<void>;
};
template <class D, class Backend, class Context>
concept has_decode = has_decode_of_contexts<D, Backend, Context> || has_decode_of_samples<D, Backend>;

template <class D, class Backend, class Context>
concept has_decoder_backward_of_contexts = requires(D& d, Backend& backend, matrix<const float> samples,
                                                    context_rows<Context> contexts,
                                                    matrix<const float> decoded_gradient,
                                                    matrix<float> sample_gradient) {
  { d.backward(backend, samples, contexts, decoded_gradient, sample_gradient) } -> std::same_as<void>;
};
template <class D, class Backend>
concept has_decoder_backward_of_samples = requires(D& d, Backend& backend, matrix<const float> samples,
                                                   matrix<const float> decoded_gradient,
                                                   matrix<float> sample_gradient) {
  { d.backward(backend, samples, decoded_gradient, sample_gradient) } -> std::same_as<void>;
};
template <class D, class Backend, class Context>
concept has_decoder_backward =
    has_decoder_backward_of_contexts<D, Backend, Context> || has_decoder_backward_of_samples<D, Backend>;

}  // namespace detail

/// What turns the sampler's result [B, D] into what is rated and shown [B, decoded_size]: a VAE, a mask that puts the
/// sample into the context's picture, a kinematic model that starts at the context's pose; the identity by default.
/// All arrays are the backend's, contexts[r] being what row r was generated for. A decoder that does not read the
/// contexts may leave that argument out, here and in backward.
///
/// With index_t rows_at_once() const it is given at most so many rows at a time: what it needs for a row (the
/// activations of a VAE) is then needed for so many of them only. With std::size_t workspace_bytes(const Backend&,
/// index_t rows) const it says what memory it takes to be given so many rows at a time, `backward` included if it has
/// that and its weights if it holds them; a trainer's memory plan counts it (memory_plan::decoder).
///
/// The compiler cannot check: row r of the output depends on row r of the input and contexts[r] only.
///
/// Smallest model:
///   struct from_start {
///     index_t decoded_size(index_t d) const { return d; }
///     void operator()(cpu_backend&, matrix<const float> x, context_rows<pose> start, matrix<float> y) const { ... }
///   };
template <class D, class Backend, class Context>
concept decoder = detail::has_decoded_size<D> && detail::has_decode<D, Backend, Context>;

/// A decoder that gradients of a reward pass through: `backward` writes the vector-Jacobian product
///   sample_gradient[B, D] = d <decoded(samples), decoded_gradient> / d samples,   decoded_gradient[B, decoded_size],
/// row by row, in arrays of the backend, and of at most rows_at_once() rows at a time.
///
/// Smallest model: the decoder `from_start` above with
///   void backward(cpu_backend&, matrix<const float> x, context_rows<pose> start, matrix<const float> gy,
///                 matrix<float> gx) const { ... }
template <class D, class Backend, class Context>
concept differentiable_decoder = decoder<D, Backend, Context> && detail::has_decoder_backward<D, Backend, Context>;

namespace detail {

/// Whether D models decoder; where it does not, the compiler says what is missing.
template <class D, class Backend, class Context>
consteval bool require_decoder() {
  static_assert(has_decoded_size<D>, "fewstep::decoder: index_t decoded_size(index_t sample_size) const is missing");
  static_assert(has_decode<D, Backend, Context>,
                "fewstep::decoder: void operator()(Backend&, matrix<const float> samples, context_rows<Context> "
                "contexts, matrix<float> decoded) is missing; the contexts may be left out");
  return decoder<D, Backend, Context>;
}

/// As above for differentiable_decoder.
template <class D, class Backend, class Context>
consteval bool require_differentiable_decoder() {
  constexpr bool decodes = require_decoder<D, Backend, Context>();
  static_assert(has_decoder_backward<D, Backend, Context>,
                "fewstep::differentiable_decoder: void backward(Backend&, matrix<const float> samples, "
                "context_rows<Context> contexts, matrix<const float> decoded_gradient, matrix<float> sample_gradient) "
                "is missing (the contexts may be left out); a reward's gradient cannot pass");
  return decodes && differentiable_decoder<D, Backend, Context>;
}

}  // namespace detail

/// Samples are rated as they are. Algorithms recognise it and copy nothing.
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
