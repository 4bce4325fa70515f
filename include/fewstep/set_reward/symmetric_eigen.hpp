// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/eigen.hpp>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // as in fewstep/eigen.hpp
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <Eigen/Eigenvalues>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include <cmath>

namespace fewstep {

namespace detail {

/// Eigenvalues, ascending, of a symmetric matrix of which the lower triangle is read; and its eigenvectors.
inline Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> symmetric_eigen(const Eigen::MatrixXd& a, bool vectors = true) {
  Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(a,
                                                        vectors ? Eigen::ComputeEigenvectors : Eigen::EigenvaluesOnly);
  expects(solver.info() == Eigen::Success, [&] {
    return message("symmetric_eigen: a matrix of ", a.rows(), " rows has no eigenvalues; are all its numbers finite?");
  });
  return solver;
}

}  // namespace detail

/// The symmetric square root of a symmetric positive semidefinite matrix: its eigenvalues' roots on its eigenvectors.
/// An eigenvalue below 0 by no more than rounding counts as 0. Throws std::invalid_argument for one below that.
[[nodiscard]] inline Eigen::MatrixXd symmetric_sqrt(const Eigen::MatrixXd& a) {
  const auto solved = detail::symmetric_eigen(a);
  const Eigen::VectorXd& values = solved.eigenvalues();
  const double rounding = 1e-10 * values.cwiseAbs().maxCoeff();
  expects(values[0] >= -rounding, [&] {
    return message("symmetric_sqrt: a matrix of ", a.rows(), " rows has the eigenvalue ", values[0],
                   "; a covariance has none below 0: check how it was made");
  });
  const Eigen::MatrixXd& q = solved.eigenvectors();
  return q * values.cwiseMax(0.0).cwiseSqrt().asDiagonal() * q.transpose();
}

}  // namespace fewstep
