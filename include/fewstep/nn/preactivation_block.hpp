// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/nn/conv2d.hpp>
#include <fewstep/nn/norm.hpp>

#include <string>

namespace fewstep {

/// Residual block without a condition (He et al. 2016, arXiv:1603.05027, figure 1b), x[N,H,W,C] to y[N,H,W,C]:
///   y = x + conv2(SiLU(GN2(conv1(SiLU(GN1(x)))))).
/// conv2 starts at zero, so the block starts as the identity.
template <class T>
class preactivation_block {
 public:
  struct tape {
    typename group_norm<T>::tape norm1, norm2;
    typename conv2d<T>::tape conv1, conv2;
  };

  preactivation_block() = default;
  preactivation_block(parameter_layout& layout, const std::string& name, index_t channels, index_t groups)
      : norm1_(layout, name + ".norm1", channels, groups, activation::silu),
        conv1_(layout, name + ".conv1", channels, channels),
        norm2_(layout, name + ".norm2", channels, groups, activation::silu),
        conv2_(layout, name + ".conv2", channels, channels, {.gain = 0.0f}) {}

  template <class Pass>
  images<T> forward(Pass& p, images<const T> x, tape& kept) const {
    images<T> y = p.memory.template allocate<T, 4>(x.extents);
    const pass_scope scope(p);
    const images<T> h1 = norm1_.forward(p, x, kept.norm1, nullptr, p.weight_inputs());
    const images<T> h2 = conv1_.forward(p, h1, kept.conv1);
    const images<T> h3 = norm2_.forward(p, h2, kept.norm2, nullptr, p.weight_inputs());
    conv2_.forward(p, h3, kept.conv2, x.data, y);
    return y;
  }

  template <class Pass>
  images<T> backward(Pass& p, images<const T> gy, const tape& kept) const {
    images<T> gx = p.memory.template allocate<T, 4>(gy.extents);
    const pass_scope scope(p);
    const images<T> g3 = conv2_.backward(p, gy, kept.conv2);
    const images<T> g2 = norm2_.backward(p, g3, kept.norm2);
    const images<T> g1 = conv1_.backward(p, g2, kept.conv1);
    norm1_.backward(p, g1, kept.norm1, nullptr, gy.data, gx);
    return gx;
  }

 private:
  group_norm<T> norm1_;
  conv2d<T> conv1_;
  group_norm<T> norm2_;
  conv2d<T> conv2_;
};

}  // namespace fewstep
