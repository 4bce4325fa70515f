// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/operation_shapes.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/nn/activation.hpp>
#include <fewstep/nn/linear.hpp>
#include <fewstep/nn/norm.hpp>

#include <string>

namespace fewstep {

/// Rows of all pixels of channels-last images: [N,H,W,C] as [N*H*W, C].
template <class T>
[[nodiscard]] matrix<T> pixels(images<T> x) {
  return {x.data, {x.extent(0) * x.extent(1) * x.extent(2), x.extent(3)}};
}

/// Residual self-attention over the positions of an image: x + out(attention(qkv(GN(x)))), x[N,H,W,C].
/// qkv is one 1x1 convolution to 3C channels [q, k, v]; C = heads * width (Vaswani et al. 2017).
template <class T>
class self_attention {
 public:
  struct tape {
    typename group_norm<T>::tape norm;
    typename linear<T>::tape qkv, out;
    matrix<const T> projected;
    T* probabilities = nullptr;
    images<const T> x;
  };

  self_attention() = default;
  self_attention(parameter_layout& layout, const std::string& name, index_t channels, index_t heads, index_t groups)
      : channels_(channels),
        heads_(heads),
        norm_(layout, name + ".norm", channels, groups),
        qkv_(layout, name + ".qkv", channels, 3 * channels, {.as_convolution = true}),
        out_(layout, name + ".out", channels, channels, {.as_convolution = true, .gain = 0.0f}) {
    expects(heads > 0 && channels % heads == 0, [&] {
      return message("self_attention: '", name, "' has ", channels, " channels and ", heads,
                     " heads; choose heads that divide the channels");
    });
  }

  void adapt(parameter_layout& adapters, const lora_options& o) {
    qkv_.adapt(adapters, o);
    out_.adapt(adapters, o);
  }

  template <class Pass>
  images<T> forward(Pass& p, images<const T> x, tape& kept) const {
    const auto s = shape(x);
    kept.x = x;
    const images<T> normalised = norm_.forward(p, x, kept.norm);
    const matrix<T> projected = qkv_.forward(p, pixels(images<const T>(normalised)), kept.qkv);
    kept.projected = projected;
    kept.probabilities = p.memory.template allocate<T>(s.samples * s.heads * s.queries * s.keys);
    matrix<T> mixed = p.memory.template allocate<T, 2>({s.samples * s.queries, channels_});
    attention_forward(p.executor, s, part(projected.data, 0), part(projected.data, 1), part(projected.data, 2),
                      kept.probabilities, mixed.data);
    matrix<T> y = out_.forward(p, mixed, kept.out);
    p.executor.for_each(y.size(), detail::add_into<T>{x.data, y.data});
    return {y.data, x.extents};
  }

  template <class Pass>
  images<T> backward(Pass& p, images<const T> gy, const tape& kept) const {
    const auto s = shape(kept.x);
    const matrix<T> mixed = out_.backward(p, pixels(gy), kept.out);
    matrix<T> g = p.memory.template allocate<T, 2>(kept.projected.extents);
    const T* qkv = kept.projected.data;
    attention_backward(p.executor, s, part(qkv, 0), part(qkv, 1), part(qkv, 2),
                       static_cast<const T*>(kept.probabilities), static_cast<const T*>(mixed.data), part(g.data, 0),
                       part(g.data, 1), part(g.data, 2));
    const matrix<T> normalised = qkv_.backward(p, g, kept.qkv);
    images<T> gx = norm_.backward(p, images<const T>{normalised.data, kept.x.extents}, kept.norm);
    p.executor.for_each(gx.size(), detail::add_into<T>{gy.data, gx.data});
    return gx;
  }

 private:
  [[nodiscard]] attention_shape shape(images<const T> x) const {
    const index_t positions = x.extent(1) * x.extent(2);
    return {x.extent(0), positions, positions, heads_, channels_ / heads_};
  }
  template <class U>
  [[nodiscard]] strided_rows<U> part(U* qkv, index_t which) const {
    return {qkv == nullptr ? nullptr : qkv + which * channels_, 3 * channels_};
  }

  index_t channels_ = 0, heads_ = 1;
  group_norm<T> norm_;
  linear<T> qkv_, out_;
};

/// Residual cross-attention: x[N,Q,C] attends to a context[N,K,E]; x + out(attention(query(x), key(context),
/// value(context))). Rows of x and of the context are given as [N*Q, C] and [N*K, E].
template <class T>
class cross_attention {
 public:
  struct tape {
    typename linear<T>::tape query, key, value, out;
    matrix<const T> q, k, v;
    T* probabilities = nullptr;
    attention_shape shape;
  };
  struct gradients {
    matrix<T> x, context;
  };

  cross_attention() = default;
  cross_attention(parameter_layout& layout, const std::string& name, index_t channels, index_t context_width,
                  index_t heads)
      : heads_(heads),
        query_(layout, name + ".query", channels, channels),
        key_(layout, name + ".key", context_width, channels),
        value_(layout, name + ".value", context_width, channels),
        out_(layout, name + ".out", channels, channels) {
    expects(heads > 0 && channels % heads == 0, [&] {
      return message("cross_attention: '", name, "' has ", channels, " channels and ", heads,
                     " heads; choose heads that divide the channels");
    });
  }

  void adapt(parameter_layout& adapters, const lora_options& o) {
    for (auto* layer : {&query_, &key_, &value_, &out_}) layer->adapt(adapters, o);
  }

  template <class Pass>
  matrix<T> forward(Pass& p, index_t samples, matrix<const T> x, matrix<const T> context, tape& kept) const {
    const index_t channels = query_.out();
    kept.shape = {samples, x.rows() / samples, context.rows() / samples, heads_, channels / heads_};
    kept.q = query_.forward(p, x, kept.query);
    kept.k = key_.forward(p, context, kept.key);
    kept.v = value_.forward(p, context, kept.value);
    kept.probabilities = p.memory.template allocate<T>(samples * heads_ * kept.shape.queries * kept.shape.keys);
    matrix<T> mixed = p.memory.template allocate<T, 2>({x.rows(), channels});
    attention_forward(p.executor, kept.shape, rows(kept.q), rows(kept.k), rows(kept.v), kept.probabilities, mixed.data);
    matrix<T> y = out_.forward(p, mixed, kept.out);
    p.executor.for_each(y.size(), detail::add_into<T>{x.data, y.data});
    return y;
  }

  template <class Pass>
  gradients backward(Pass& p, matrix<const T> gy, const tape& kept) const {
    const matrix<T> mixed = out_.backward(p, gy, kept.out);
    matrix<T> gq = p.memory.template allocate<T, 2>(kept.q.extents);
    matrix<T> gk = p.memory.template allocate<T, 2>(kept.k.extents);
    matrix<T> gv = p.memory.template allocate<T, 2>(kept.v.extents);
    attention_backward(p.executor, kept.shape, rows(kept.q), rows(kept.k), rows(kept.v),
                       static_cast<const T*>(kept.probabilities), static_cast<const T*>(mixed.data), rows(gq), rows(gk),
                       rows(gv));
    matrix<T> gx = query_.backward(p, gq, kept.query);
    p.executor.for_each(gx.size(), detail::add_into<T>{gy.data, gx.data});
    matrix<T> gcontext = key_.backward(p, gk, kept.key);
    const matrix<T> through_values = value_.backward(p, gv, kept.value);
    p.executor.for_each(gcontext.size(), detail::add_into<T>{through_values.data, gcontext.data});
    return {gx, gcontext};
  }

 private:
  template <class U>
  static strided_rows<U> rows(matrix<U> x) {
    return {x.data, x.cols()};
  }
  index_t heads_ = 1;
  linear<T> query_, key_, value_, out_;
};

}  // namespace fewstep
