// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/decoder/decoder.hpp>

#include <algorithm>

namespace fewstep {

namespace detail {

/// part(first, count) for all of `rows`, as many at a time as the decoder takes.
template <class D, class Part>
void in_decoder_parts(const D& decoder, index_t rows, const Part& part) {
  index_t at_once = std::max<index_t>(rows, 1);
  if constexpr (has_rows_at_once<D>) {
    at_once = decoder.rows_at_once();
    expects(at_once >= 1,
            [&] { return message("decoder: rows_at_once is ", at_once, "; give the rows of a part, at least 1"); });
  }
  for (index_t first = 0; first < rows; first += at_once) part(first, std::min(at_once, rows - first));
}

}  // namespace detail

/// decoded[B, decoded_size] of samples[B, D] and what they were generated for, in the parts that the decoder asks for.
template <class Backend, class Context, decoder<Backend, Context> Decoder>
void decode(Backend& backend, Decoder& decoder, matrix<const float> samples, context_rows<Context> contexts,
            matrix<float> decoded) {
  detail::in_decoder_parts(decoder, samples.rows(), [&](index_t first, index_t count) {
    const matrix<const float> x = samples.subview(first, count);
    const matrix<float> y = decoded.subview(first, count);
    if constexpr (detail::has_decode_of_contexts<Decoder, Backend, Context>)
      decoder(backend, x, contexts.subview(first, count), y);
    else
      decoder(backend, x, y);
  });
}

/// sample_gradient[B, D] of decoded_gradient[B, decoded_size], in the same parts.
template <class Backend, class Context, differentiable_decoder<Backend, Context> Decoder>
void decode_backward(Backend& backend, Decoder& decoder, matrix<const float> samples, context_rows<Context> contexts,
                     matrix<const float> decoded_gradient, matrix<float> sample_gradient) {
  detail::in_decoder_parts(decoder, samples.rows(), [&](index_t first, index_t count) {
    const matrix<const float> x = samples.subview(first, count), gy = decoded_gradient.subview(first, count);
    const matrix<float> gx = sample_gradient.subview(first, count);
    if constexpr (detail::has_decoder_backward_of_contexts<Decoder, Backend, Context>)
      decoder.backward(backend, x, contexts.subview(first, count), gy, gx);
    else
      decoder.backward(backend, x, gy, gx);
  });
}

}  // namespace fewstep
