// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/elementary.hpp>
#include <fewstep/nn/pass.hpp>

#include <cmath>

namespace fewstep {

/// SiLU: x sigmoid(x).
struct silu {
  template <class T>
  FEWSTEP_HD static T value(T x) {
    return x * sigmoid(x);
  }
  template <class T>
  FEWSTEP_HD static T slope(T x) {
    const T gate = sigmoid(x);
    return gate * (T(1) + x * (T(1) - gate));
  }
};

/// GELU in its exact form: x Phi(x), Phi the normal distribution function (Hendrycks and Gimpel 2016).
struct gelu {
  template <class T>
  FEWSTEP_HD static T value(T x) {
    return x * distribution(x);
  }
  template <class T>
  FEWSTEP_HD static T slope(T x) {
    constexpr double inverse_sqrt_two_pi = 0.39894228040143267794;
    return distribution(x) + x * static_cast<T>(inverse_sqrt_two_pi) * exp_of(T(-0.5) * x * x);
  }

 private:
  template <class T>
  FEWSTEP_HD static T distribution(T x) {
    constexpr double inverse_sqrt_two = 0.70710678118654752440;
    return T(0.5) * (T(1) + std::erf(x * static_cast<T>(inverse_sqrt_two)));
  }
};

namespace detail {

/// y[i] = Function(x[i]).
template <class T, class Function>
struct apply {
  const T* x;
  T* y;
  FEWSTEP_HD void operator()(index_t i) const { y[i] = Function::value(x[i]); }
};

/// gx[i] = gy[i] Function'(x[i]).
template <class T, class Function>
struct chain {
  const T *x, *gy;
  T* gx;
  FEWSTEP_HD void operator()(index_t i) const { gx[i] = gy[i] * Function::slope(x[i]); }
};

}  // namespace detail

/// An elementwise function as a module on rows: y = Function(x).
template <class T, class Function>
struct elementwise {
  struct tape {
    matrix<const T> x;
  };

  template <class Pass>
  matrix<T> forward(Pass& p, matrix<const T> x, tape& kept) const {
    matrix<T> y = p.memory.template allocate<T, 2>(x.extents);
    p.executor.for_each(x.size(), detail::apply<T, Function>{x.data, y.data});
    kept.x = x;
    return y;
  }

  template <class Pass>
  matrix<T> backward(Pass& p, matrix<const T> gy, const tape& kept) const {
    matrix<T> gx = p.memory.template allocate<T, 2>(gy.extents);
    p.executor.for_each(gy.size(), detail::chain<T, Function>{kept.x.data, gy.data, gx.data});
    return gx;
  }
};

}  // namespace fewstep
