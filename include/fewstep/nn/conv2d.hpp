// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/operation_shapes.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/nn/parameters.hpp>
#include <fewstep/nn/pass.hpp>

#include <cmath>
#include <string>
#include <string_view>

namespace fewstep {

/// A batch of images or feature maps, channels last: [N, H, W, C].
template <class T>
using images = tensor_view<T, 4>;

/// Square convolution with padding kernel/2, channels last: x[N,H,W,in] to y[N,H/stride,W/stride,out].
template <class T>
class conv2d {
 public:
  struct tape {
    images<const T> x;
  };
  struct options {
    index_t kernel = 3;
    index_t stride = 1;
    float gain = 1.0f;  ///< of the initial deviation gain / sqrt(kernel^2 in); 0 starts at zero

    static constexpr std::string_view name = "conv2d";
    template <class Visitor>
    void settings(Visitor& visit) const {
      visit("kernel", kernel, at_least(1));
      visit("stride", stride, at_least(1));
      visit("gain", gain, at_least(0));
    }
  };

  conv2d() = default;
  conv2d(parameter_layout& layout, const std::string& name, index_t in, index_t out, options o = {})
      : in_(in), out_(out), kernel_(o.kernel), stride_(o.stride) {
    check_settings(message("conv2d '", name, "'"), o);
    weight_ = layout.add(name + ".weight", slice_kind::convolution, {kernel_, kernel_, in, out}, 0,
                         o.gain / std::sqrt(static_cast<float>(kernel_ * kernel_ * in)));
    bias_ = layout.add_constant(name + ".bias", out, 0);
  }

  template <class Pass>
  images<T> forward(Pass& p, images<const T> x, tape& kept) const {
    return forward(p, x, kept, p.memory);
  }
  /// The result from an arena of one's own.
  template <class Pass>
  images<T> forward(Pass& p, images<const T> x, tape& kept, arena& result) const {
    const auto s = shape(x);
    images<T> y = result.template allocate<T, 4>({s.samples, s.out_height(), s.out_width(), out_});
    forward(p, x, kept, nullptr, y);
    return y;
  }
  /// The result to an array of one's own. `added` (y's extents), if given, is added to it: the sum of a residual block.
  template <class Pass>
  void forward(Pass& p, images<const T> x, tape& kept, const T* added, images<T> y) const {
    kept.x = x;
    conv2d_forward(p.executor, shape(x), x.data, p.parameter(weight_), p.filter(weight_), p.parameter(bias_), added,
                   y.data);
  }

  template <class Pass>
  images<T> backward(Pass& p, images<const T> gy, const tape& kept) const {
    const auto s = shape(kept.x);
    images<T> gx = p.memory.template allocate<T, 4>(kept.x.extents);
    conv2d_backward_input(p.executor, s, gy.data, p.transposed(weight_), p.filter(weight_), gx.data);
    backward_weight(p, gy, kept);
    return gx;
  }

  /// Parameter gradients only, for the first layer of a network.
  template <class Pass>
  void backward_weight(Pass& p, images<const T> gy, const tape& kept) const {
    if (p.trains_parameters())
      conv2d_backward_weight(p.executor, shape(kept.x), kept.x.data, gy.data, p.gradient(weight_), p.gradient(bias_));
  }

 private:
  [[nodiscard]] conv2d_shape shape(images<const T> x) const {
    return {x.extent(0), x.extent(1), x.extent(2), in_, out_, kernel_, stride_};
  }

  index_t in_ = 0, out_ = 0, kernel_ = 3, stride_ = 1, weight_ = 0, bias_ = 0;
};

}  // namespace fewstep
