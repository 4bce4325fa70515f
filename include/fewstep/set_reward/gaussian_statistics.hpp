// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/preference/set_reward.hpp>
#include <fewstep/set_reward/symmetric_eigen.hpp>

#include <algorithm>

namespace fewstep {

/// Mean [P] and covariance [P, P] (with N - 1, as NumPy's cov and the public codes of Fréchet distances) of N rows of
/// features, in double precision.
struct gaussian_statistics {
  Eigen::VectorXd mean;
  Eigen::MatrixXd covariance;  ///< both triangles
  index_t rows = 0;

  /// Throws std::invalid_argument for fewer than two rows and for a feature that is not finite, naming it.
  [[nodiscard]] static gaussian_statistics of(matrix<const float> features) {
    detail::expect_features("gaussian_statistics", features);
    const index_t n = features.rows();
    expects(n >= 2, [&] { return message("gaussian_statistics: one row has no covariance; give at least 2"); });
    Eigen::MatrixXd centred = as_eigen(features).template cast<double>();
    gaussian_statistics s;
    s.mean = centred.colwise().mean().transpose();
    centred.rowwise() -= s.mean.transpose();
    s.covariance.noalias() = centred.transpose() * centred / static_cast<double>(n - 1);
    s.rows = n;
    return s;
  }

  /// The change of the covariance by an exchange of a row: with u and v the old and the new one less the mean,
  ///   C' = C + [u v] M [u v]^T,   (N - 1) M = [-1 - 1/N, 1/N; 1/N, 1 - 1/N].
  [[nodiscard]] Eigen::Matrix2d exchange_core() const {
    const double n = static_cast<double>(rows), share = 1 / n;
    Eigen::Matrix2d m;
    m << -1 - share, share, share, 1 - share;
    return m / (n - 1);
  }
  /// Puts a row in another's place: O(P^2).
  void exchange(const Eigen::VectorXd& out, const Eigen::VectorXd& in) {
    Eigen::MatrixX2d w(mean.size(), 2);
    w << out - mean, in - mean;
    exchange(w);
  }
  /// The same, of [u v].
  void exchange(const Eigen::MatrixX2d& w) {
    covariance.noalias() += (w * exchange_core()) * w.transpose();
    mean += (w.col(1) - w.col(0)) / static_cast<double>(rows);
  }
};

namespace detail {

/// Throws std::invalid_argument, in the name of `who`, where a covariance plus its ridge is singular: how many
/// directions are without variance, the feature that the emptiest of them has most of, and what helps.
inline void expect_regular(std::string_view who, std::string_view what, const gaussian_statistics& s, double ridge) {
  const auto solved = symmetric_eigen(s.covariance);
  const Eigen::VectorXd values = solved.eigenvalues().array() + ridge;
  const index_t p = values.size();
  const double least = 1e-12 * std::max(values[p - 1], 0.0);
  if (values[0] > least) return;
  const auto empty = std::count_if(values.begin(), values.end(), [least](double v) { return !(v > least); });
  index_t feature = 0;
  solved.eigenvectors().col(0).cwiseAbs().maxCoeff(&feature);
  expects(false, [&] {
    const std::string text =
        message(who, ": the covariance of ", what, " (", s.rows, " rows of ", p, " features) is singular: ", empty,
                " directions have no variance, the first of which is mostly feature ", feature, "; ");
    return s.rows <= p ? text + message("give at least ", p + 1, " rows, or a .ridge (1e-3 of the largest variance, ",
                                        1e-3 * values[p - 1], ", say)")
                       : text + message("leave out features that are constant or sums of others, or give a .ridge (",
                                        1e-3 * values[p - 1], ", say)");
  });
}

}  // namespace detail

}  // namespace fewstep
