// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/operation_shapes.hpp>
#include <fewstep/nn/conv2d.hpp>
#include <fewstep/nn/parameters.hpp>
#include <fewstep/nn/pass.hpp>

#include <string>

namespace fewstep {

/// Group normalisation (Wu and He 2018), optionally with scale-shift conditioning and SiLU in the same pass:
///   y = act((GN(x) gamma + beta) (1 + scale) + shift),  x[N,H,W,C], scale_shift[N, 2C] = [scale, shift].
template <class T>
class group_norm {
 public:
  struct tape {
    images<const T> x;
    const T* scale_shift = nullptr;
    norm_statistics<T>* statistics = nullptr;
  };

  group_norm() = default;
  group_norm(parameter_layout& layout, const std::string& name, index_t channels, index_t groups,
             activation after = activation::identity)
      : channels_(channels), groups_(groups), after_(after) {
    expects(groups > 0 && channels % groups == 0, [&] {
      return message("group_norm: '", name, "' has ", channels, " channels, which ", groups,
                     " groups do not divide; choose groups that divide them");
    });
    gamma_ = layout.add_constant(name + ".weight", channels, 1, parameter_kind::gain);
    beta_ = layout.add_constant(name + ".bias", channels, 0);
  }

  template <class Pass>
  images<T> forward(Pass& p, images<const T> x, tape& kept, const T* scale_shift = nullptr) const {
    return forward(p, x, kept, scale_shift, p.memory);
  }
  /// The result from an arena of one's own.
  template <class Pass>
  images<T> forward(Pass& p, images<const T> x, tape& kept, const T* scale_shift, arena& result) const {
    images<T> y = result.template allocate<T, 4>(x.extents);
    kept = {x, scale_shift, p.memory.template allocate<norm_statistics<T>>(x.extent(0) * groups_)};
    group_norm_forward(p.executor, shape(x), x.data, p.parameter(gamma_), p.parameter(beta_), scale_shift,
                       kept.statistics, y.data);
    return y;
  }

  /// `scale_shift_gradient` [N, 2C] is overwritten when the forward pass had a scale_shift; `added` (x's extents), if
  /// given, is added to the result.
  template <class Pass>
  images<T> backward(Pass& p, images<const T> gy, const tape& kept, T* scale_shift_gradient = nullptr,
                     const T* added = nullptr) const {
    images<T> gx = p.memory.template allocate<T, 4>(kept.x.extents);
    backward(p, gy, kept, scale_shift_gradient, added, gx);
    return gx;
  }
  /// The gradient of x to an array of one's own.
  template <class Pass>
  void backward(Pass& p, images<const T> gy, const tape& kept, T* scale_shift_gradient, const T* added,
                images<T> gx) const {
    group_norm_backward(p.executor, shape(kept.x), kept.x.data, p.parameter(gamma_), p.parameter(beta_),
                        kept.scale_shift, kept.statistics, gy.data, added, gx.data, p.gradient(gamma_),
                        p.gradient(beta_), scale_shift_gradient);
  }

 private:
  [[nodiscard]] group_norm_shape shape(images<const T> x) const {
    return {x.extent(0), x.extent(1) * x.extent(2), channels_, groups_, after_};
  }
  index_t channels_ = 0, groups_ = 1, gamma_ = 0, beta_ = 0;
  activation after_ = activation::identity;
};

/// Layer normalisation of each row of x[M,C] (Ba et al. 2016).
template <class T>
class layer_norm {
 public:
  struct tape {
    matrix<const T> x;
    norm_statistics<T>* statistics = nullptr;
  };

  layer_norm() = default;
  layer_norm(parameter_layout& layout, const std::string& name, index_t channels)
      : gamma_(layout.add_constant(name + ".weight", channels, 1, parameter_kind::gain)),
        beta_(layout.add_constant(name + ".bias", channels, 0)) {}

  template <class Pass>
  matrix<T> forward(Pass& p, matrix<const T> x, tape& kept) const {
    matrix<T> y = p.memory.template allocate<T, 2>(x.extents);
    kept = {x, p.memory.template allocate<norm_statistics<T>>(x.rows())};
    layer_norm_forward(p.executor, epsilon, x, p.parameter(gamma_), p.parameter(beta_), kept.statistics, y);
    return y;
  }

  template <class Pass>
  matrix<T> backward(Pass& p, matrix<const T> gy, const tape& kept) const {
    matrix<T> gx = p.memory.template allocate<T, 2>(gy.extents);
    layer_norm_backward(p.executor, kept.x, p.parameter(gamma_), kept.statistics, gy, gx, p.gradient(gamma_),
                        p.gradient(beta_));
    return gx;
  }

 private:
  static constexpr float epsilon = 1e-5f;
  index_t gamma_ = 0, beta_ = 0;
};

}  // namespace fewstep
