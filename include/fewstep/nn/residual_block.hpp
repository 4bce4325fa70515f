// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/element_kernels.hpp>
#include <fewstep/nn/activation.hpp>
#include <fewstep/nn/attention.hpp>
#include <fewstep/nn/conv2d.hpp>
#include <fewstep/nn/linear.hpp>
#include <fewstep/nn/norm.hpp>

#include <optional>
#include <string>

namespace fewstep {

/// Residual block conditioned by scale and shift (Dhariwal and Nichol 2021, adaptive group normalisation):
///   h = conv1(SiLU(GN1(x)));  h = SiLU(GN2(h) (1 + scale) + shift);  y = skip(x) + conv2(h)
/// with [scale, shift] = linear(condition), x[N,H,W,in], condition[N,E], y[N,H,W,out]; skip is the identity, or a 1x1
/// convolution where the number of channels changes.
template <class T>
class residual_block {
 public:
  struct tape {
    typename group_norm<T>::tape norm1, norm2;
    typename conv2d<T>::tape conv1, conv2;
    typename linear<T>::tape condition, skip;
  };

  residual_block() = default;
  residual_block(parameter_layout& layout, const std::string& name, index_t in, index_t out, index_t condition,
                 index_t groups)
      : in_(in),
        norm1_(layout, name + ".norm1", in, groups, activation::silu),
        conv1_(layout, name + ".conv1", in, out),
        condition_(layout, name + ".condition", condition, 2 * out),
        norm2_(layout, name + ".norm2", out, groups, activation::silu),
        conv2_(layout, name + ".conv2", out, out, {.gain = 0.0f}) {
    if (in != out) skip_.emplace(layout, name + ".skip", in, out, typename linear<T>::options{.as_convolution = true});
  }

  void adapt(parameter_layout& adapters, const lora_options& o) {
    condition_.adapt(adapters, o);
    if (skip_) skip_->adapt(adapters, o);
  }

  template <class Pass>
  images<T> forward(Pass& p, images<const T> x, matrix<const T> condition, tape& kept) const {
    images<T> y = p.memory.template allocate<T, 4>({x.extent(0), x.extent(1), x.extent(2), condition_.out() / 2});
    const pass_scope scope(p);
    const images<T> h1 = norm1_.forward(p, x, kept.norm1, nullptr, p.weight_inputs());
    const images<T> h2 = conv1_.forward(p, h1, kept.conv1);
    const matrix<T> scale_shift = condition_.forward(p, condition, kept.condition);
    const images<T> h3 = norm2_.forward(p, h2, kept.norm2, scale_shift.data, p.weight_inputs());
    const T* residual = skip_ ? skip_->forward(p, pixels(x), kept.skip, p.temporaries()).data : x.data;
    conv2_.forward(p, h3, kept.conv2, residual, y);
    return y;
  }

  /// Adds the gradient of the condition to `condition_gradient`.
  template <class Pass>
  images<T> backward(Pass& p, images<const T> gy, matrix<T> condition_gradient, const tape& kept) const {
    images<T> gx = p.memory.template allocate<T, 4>({gy.extent(0), gy.extent(1), gy.extent(2), in_});
    const pass_scope scope(p);
    const images<T> g3 = conv2_.backward(p, gy, kept.conv2);
    matrix<T> scale_shift = p.memory.template allocate<T, 2>({gy.extent(0), condition_.out()});
    const images<T> g2 = norm2_.backward(p, g3, kept.norm2, scale_shift.data);
    const matrix<T> gc = condition_.backward(p, scale_shift, kept.condition);
    p.executor.for_each(gc.size(), detail::add_into<T>{gc.data, condition_gradient.data});
    const images<T> g1 = conv1_.backward(p, g2, kept.conv1);
    const T* residual = skip_ ? skip_->backward(p, pixels(gy), kept.skip).data : gy.data;
    norm1_.backward(p, g1, kept.norm1, nullptr, residual, gx);
    return gx;
  }

 private:
  index_t in_ = 0;
  group_norm<T> norm1_;
  conv2d<T> conv1_;
  linear<T> condition_;
  group_norm<T> norm2_;
  conv2d<T> conv2_;
  std::optional<linear<T>> skip_;
};

}  // namespace fewstep
