// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/decoder/decoder.hpp>

#include <algorithm>
#include <cstddef>

namespace fewstep {

namespace detail {

/// Rows that the decoder takes at a time where there are `rows`.
template <class D>
[[nodiscard]] index_t decoder_part(const D& decoder, index_t rows) {
  if constexpr (has_rows_at_once<D>) {
    const index_t at_once = decoder.rows_at_once();
    expects(at_once >= 1,
            [&] { return message("decoder: rows_at_once is ", at_once, "; give the rows of a part, at least 1"); });
    return at_once;
  } else {
    return std::max<index_t>(rows, 1);
  }
}

/// Bytes that the decoder takes to decode `rows` rows in its parts, as it says.
template <class Backend, class D>
[[nodiscard]] std::size_t decoder_bytes(const Backend& backend, const D& decoder, index_t rows) {
  if constexpr (has_decoder_memory<D, Backend>)
    return decoder.workspace_bytes(backend, std::min(decoder_part(decoder, rows), rows));
  else
    return 0;
}

/// part(first, count) for all of `rows`, as many at a time as the decoder takes.
template <class D, class Part>
void in_decoder_parts(const D& decoder, index_t rows, const Part& part) {
  const index_t at_once = decoder_part(decoder, rows);
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
