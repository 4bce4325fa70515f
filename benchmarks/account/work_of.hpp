// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ledger.hpp"

#include <fewstep/backend/cpu/winograd.hpp>
#include <fewstep/backend/operation_shapes.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/nn/activation.hpp>
#include <fewstep/nn/resample.hpp>
#include <fewstep/optimizer/gradient_norm.hpp>

#include <type_traits>

/// The work of an operation, from its arguments. Only their types matter and not their places, so that an operation may
/// get another argument without a change here.

namespace accounting {

/// The first argument of type T.
template <class T, class First, class... Others>
const T& argument(const First& first, const Others&... others) {
  if constexpr (std::is_same_v<T, First>)
    return first;
  else
    return argument<T>(others...);
}

template <class... Arguments>
workload convolution_work(const Arguments&... arguments) {
  const auto& s = argument<fewstep::conv2d_shape>(arguments...);
  const auto in = static_cast<double>(s.samples * s.height * s.width * s.in_channels),
             out = static_cast<double>(s.samples * s.out_height() * s.out_width() * s.out_channels),
             taps = static_cast<double>(s.kernel * s.kernel);
  return {2 * out * taps * static_cast<double>(s.in_channels),
          4 * (in + out + taps * static_cast<double>(s.in_channels * s.out_channels))};
}

/// The weight in and the prepared filter out: 9 and 16 numbers for each pair of channels.
template <class... Arguments>
workload preparation_work(const Arguments&... arguments) {
  const auto& s = argument<fewstep::conv2d_shape>(arguments...);
  if (!fewstep::detail::winograd_applies(s)) return {};
  return {0, 4 * (9 + 16) * static_cast<double>(s.in_channels * s.out_channels)};
}

/// Elements of all arrays among the arguments.
template <class... Arguments>
double elements(const Arguments&... arguments) {
  const auto size = [](const auto& a) {
    if constexpr (requires { a.extents; })
      return static_cast<double>(a.size());
    else
      return 0.0;
  };
  return (size(arguments) + ...);
}

/// Of x[M,K] w[K,N], x[M,N] w[K,N]^T and x[M,K]^T g[M,N]: three numbers of which x has two.
template <class X, class W, class Y, class... Others>
workload product_work(const X& x, const W& w, const Y& y, const Others&... others) {
  const double third = x.cols() == w.rows() ? static_cast<double>(w.cols()) : static_cast<double>(y.cols());
  return {2 * static_cast<double>(x.size()) * third, 4 * elements(x, w, y, others...)};
}

/// `arrays` of the size of x are read or written.
template <class... Arguments>
workload group_norm_work(double arrays, const Arguments&... arguments) {
  const auto& s = argument<fewstep::group_norm_shape>(arguments...);
  return {0, 4 * arrays * static_cast<double>(s.samples * s.positions * s.channels)};
}

/// Of `products` products with the [queries, keys] matrix; `arrays` operands of the size of the queries (or keys).
template <class... Arguments>
workload attention_work(double products, double arrays, const Arguments&... arguments) {
  const auto& s = argument<fewstep::attention_shape>(arguments...);
  const auto pairs = static_cast<double>(s.samples * s.heads * s.queries * s.keys);
  return {2 * products * pairs * static_cast<double>(s.width),
          4 * (arrays * static_cast<double>(s.samples * (s.queries + s.keys) * s.channels()) / 2 + pairs)};
}

/// Bytes of one element of a kernel; 0 for one that is not known here.
template <class Kernel>
double bytes_of_element(const Kernel& k) {
  if constexpr (requires { k.first, k.second, k.ema; })  // Adam: parameter and moments in and out, and the gradient
    return (7 + (k.ema != nullptr ? 2 : 0)) * sizeof(float);
  return 0;
}
template <class T>
double bytes_of_element(const fewstep::detail::fill<T>&) {
  return sizeof(T);
}
template <class T>
double bytes_of_element(const fewstep::detail::copy<T>&) {
  return 2 * sizeof(T);
}
template <class T>
double bytes_of_element(const fewstep::detail::scale<T>&) {
  return 2 * sizeof(T);
}
template <class T>
double bytes_of_element(const fewstep::detail::scale_by<T>&) {
  return 2 * sizeof(T);
}
template <class T>
double bytes_of_element(const fewstep::detail::add_into<T>&) {
  return 3 * sizeof(T);
}
template <class T, class Function>
double bytes_of_element(const fewstep::detail::apply<T, Function>&) {
  return 2 * sizeof(T);
}
template <class T, class Function>
double bytes_of_element(const fewstep::detail::chain<T, Function>&) {
  return 3 * sizeof(T);
}
template <class T>
double bytes_of_element(const fewstep::detail::pixel_rearrange<T>& k) {
  return 2 * sizeof(T) * static_cast<double>(k.channels * k.factor * k.factor);
}
template <class T>
double bytes_of_element(const fewstep::detail::repeat_pixels<T>& k) {
  return 5 * sizeof(T) * static_cast<double>(k.channels);
}
template <class T>
double bytes_of_element(const fewstep::detail::sum_pixels<T>& k) {
  return 5 * sizeof(T) * static_cast<double>(k.channels);
}
template <class T>
double bytes_of_element(const fewstep::detail::copy_channels<T>& k) {
  return 2 * sizeof(T) * static_cast<double>(k.channels);
}
inline double bytes_of_element(const fewstep::detail::square_of&) { return sizeof(float); }

template <class Kernel>
workload kernel_work(fewstep::index_t n, const Kernel& kernel) {
  return {0, static_cast<double>(n) * bytes_of_element(kernel)};
}

}  // namespace accounting
