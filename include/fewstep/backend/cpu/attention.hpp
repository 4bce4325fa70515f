// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/cpu/executor.hpp>
#include <fewstep/backend/cpu/product.hpp>
#include <fewstep/backend/operation_shapes.hpp>
#include <fewstep/core/elementary.hpp>

#include <algorithm>
#include <cmath>

namespace fewstep {

/// y[samples,queries,channels] = softmax(q k^T / sqrt(width)) v, head by head (Vaswani et al. 2017, eq. 1).
/// probabilities[samples,heads,queries,keys] is kept for the backward pass.
template <class T>
void attention_forward(cpu_executor& executor, const attention_shape& s, input<strided_rows<const T>> q,
                       input<strided_rows<const T>> k, input<strided_rows<const T>> v, T* probabilities, T* y) {
  const T scale = T(1) / std::sqrt(static_cast<T>(s.width));
  for (index_t n = 0; n < s.samples; ++n)
    for (index_t h = 0; h < s.heads; ++h) {
      T* p = probabilities + (n * s.heads + h) * s.queries * s.keys;
      const T* queries = q.data + n * s.queries * q.stride + h * s.width;
      const T* keys = k.data + n * s.keys * k.stride + h * s.width;
      const T* values = v.data + n * s.keys * v.stride + h * s.width;
      detail::multiply_nt(executor, s.queries, s.width, s.keys, queries, q.stride, keys, k.stride, p, s.keys, false);
      for (index_t i = 0; i < s.queries; ++i) {
        T* row = p + i * s.keys;
        const T largest = *std::max_element(row, row + s.keys);
        T sum = 0;
        for (index_t j = 0; j < s.keys; ++j) row[j] = exp_of(scale * (row[j] - largest));
        for (index_t j = 0; j < s.keys; ++j) sum += row[j];
        const T inverse = T(1) / sum;
        for (index_t j = 0; j < s.keys; ++j) row[j] *= inverse;
      }
      detail::multiply(executor, s.queries, s.keys, s.width, static_cast<const T*>(p), s.keys, values, v.stride,
                       y + n * s.queries * s.channels() + h * s.width, s.channels(), false);
    }
}

/// Overwrites gq, gk and gv with the gradients of the three operands (laid out as they are).
template <class T>
void attention_backward(cpu_executor& executor, const attention_shape& s, input<strided_rows<const T>> q,
                        input<strided_rows<const T>> k, input<strided_rows<const T>> v, const T* probabilities,
                        const T* gy, strided_rows<T> gq, strided_rows<T> gk, strided_rows<T> gv) {
  const T scale = T(1) / std::sqrt(static_cast<T>(s.width));
  T* g = executor.template scratch<T>(cpu_executor::work, s.queries * s.keys);
  for (index_t n = 0; n < s.samples; ++n)
    for (index_t h = 0; h < s.heads; ++h) {
      const index_t column = h * s.width;
      const T* p = probabilities + (n * s.heads + h) * s.queries * s.keys;
      const T* upstream = gy + n * s.queries * s.channels() + column;
      T* key_gradient = gk.data + n * s.keys * gk.stride + column;
      T* value_gradient = gv.data + n * s.keys * gv.stride + column;
      for (index_t j = 0; j < s.keys; ++j) {
        std::fill_n(key_gradient + j * gk.stride, s.width, T(0));
        std::fill_n(value_gradient + j * gv.stride, s.width, T(0));
      }
      detail::multiply_tn_add(executor, s.queries, s.keys, s.width, p, s.keys, upstream, s.channels(), value_gradient,
                              gv.stride);
      detail::multiply_nt(executor, s.queries, s.width, s.keys, upstream, s.channels(),
                          v.data + n * s.keys * v.stride + column, v.stride, g, s.keys, false);
      for (index_t i = 0; i < s.queries; ++i) {
        const T* row = p + i * s.keys;
        T* out = g + i * s.keys;
        T mean = 0;
        for (index_t j = 0; j < s.keys; ++j) mean += row[j] * out[j];
        for (index_t j = 0; j < s.keys; ++j) out[j] = scale * row[j] * (out[j] - mean);
      }
      detail::multiply(executor, s.queries, s.keys, s.width, static_cast<const T*>(g), s.keys,
                       k.data + n * s.keys * k.stride + column, k.stride, gq.data + n * s.queries * gq.stride + column,
                       gq.stride, false);
      detail::multiply_tn_add(executor, s.queries, s.keys, s.width, static_cast<const T*>(g), s.keys,
                              q.data + n * s.queries * q.stride + column, q.stride, key_gradient, gk.stride);
    }
}

template <class... Arguments>
void attention_forward(dry_executor&, const Arguments&...) {}
template <class... Arguments>
void attention_backward(dry_executor&, const Arguments&...) {}

}  // namespace fewstep
