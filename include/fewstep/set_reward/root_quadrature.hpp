// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

namespace fewstep::detail {

/// Nodes s and weights w with  sum_k w_k g(s_k) = (1 / pi) integral_0^inf g(s) ds  to about 1e-13 for g(s) =
/// log det(A' + s^2) - log det(A + s^2), where the eigenvalues of A and A' lie in [low, high]: then the integral is
/// tr A'^{1/2} - tr A^{1/2}.
///
/// s = sqrt(low) sc(y), an elliptic function of Jacobi, makes of g an analytic function that is periodic in y, whose
/// midpoint sum with K nodes has an error of exp(-2 pi^2 K / (log(high / low) + 3)). Source: Hale, Higham and Trefethen
/// 2008, "Computing A^alpha, log(A), and related matrix functions by contour integrals", method 3.
struct root_quadrature {
  std::vector<double> s, weight;

  root_quadrature(double low, double high) {
    const double k = std::sqrt(low / high);
    const auto count =
        static_cast<std::size_t>(std::ceil(31 / (2 * std::numbers::pi * std::numbers::pi) * (3 - 2 * std::log(k))));
    // Arithmetic-geometric means of 1 and k: quarter period pi / (2 mean).
    std::array<double, 16> a{1}, c{};
    std::size_t levels = 0;
    for (double b = k; std::abs(a[levels] - b) > 1e-15 * a[levels] && levels + 1 < a.size(); ++levels) {
      a[levels + 1] = (a[levels] + b) / 2;
      c[levels + 1] = (a[levels] - b) / 2;
      b = std::sqrt(a[levels] * b);
    }
    const double quarter = std::numbers::pi / (2 * a[levels]), step = quarter / static_cast<double>(count);
    s.resize(count);
    weight.resize(count);
    for (std::size_t j = 0; 2 * j < count; ++j) {
      // The amplitude by descending Landen transformations; sc(quarter - y) = 1 / (k sc(y)) gives the other half.
      double angle = std::ldexp(a[levels], static_cast<int>(levels)) * (static_cast<double>(j) + 0.5) * step,
             former = angle;
      for (std::size_t n = levels; n > 0; --n) {
        former = angle;
        angle = (angle + std::asin(c[n] / a[n] * std::sin(angle))) / 2;
      }
      const double tangent = std::tan(angle), slope = 1 / (std::cos(angle) * std::cos(former - angle));
      const double unit = std::sqrt(low) * step / std::numbers::pi;
      s[j] = std::sqrt(low) * tangent;
      weight[j] = unit * slope;
      s[count - 1 - j] = std::sqrt(high) / tangent;
      weight[count - 1 - j] = unit * slope / (k * tangent * tangent);
    }
  }
};

}  // namespace fewstep::detail
