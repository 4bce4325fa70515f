// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>
#include <fewstep/set_reward/root_quadrature.hpp>
#include <fewstep/set_reward/symmetric_eigen.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace fewstep {

/// The trace of the square root of a symmetric positive semidefinite matrix A [P, P] that changes by rank 2, exactly
/// (to about 1e-12, relative) and in O(P^2) where an eigenvalue decomposition would take O(P^3).
///
///   tr (A + W M W^T)^{1/2} - tr A^{1/2} = (1 / pi) integral_0^inf log det(I + M W^T (A + s^2)^{-1} W) ds
///
/// since the integral of log(1 + a / s^2) over s is pi a^{1/2}, and by the determinant lemma. On the nodes of
/// root_quadrature the resolvents (A + s^2)^{-1} are kept: diagonal in the eigenvectors of A as it was decomposed last,
/// less a product of rank 2 for each change since then (Sherman, Morrison and Woodbury). After `pending_most` changes A
/// is decomposed anew. The bounds of the spectrum that the nodes are for are followed through every change; one that
/// would leave them, or a matrix that is singular, is decomposed at once.
class root_trace {
 public:
  static constexpr std::size_t pending_most = 12;

  explicit root_trace(Eigen::MatrixXd a) : a_(std::move(a)) { decompose(); }

  [[nodiscard]] double value() const { return value_; }

  /// tr (A + W M W^T)^{1/2}, M being symmetric and invertible and the sum positive semidefinite. A itself changes by
  /// accept() only.
  double value_with(const Eigen::MatrixX2d& w, const Eigen::Matrix2d& m) {
    w_ = w;
    m_ = m;
    if (!is_regular_ || !change()) {
      if (!pending_.empty()) {
        decompose();
        return value_with(w, m);
      }
      is_decomposed_ = true;
      const Eigen::MatrixXd changed = a_ + (w * m) * w.transpose();
      changed_ = detail::symmetric_eigen(changed, false).eigenvalues().cwiseMax(0.0).cwiseSqrt().sum();
    }
    return changed_;
  }

  /// Makes the change that value_with was asked for last.
  void accept() {
    a_.noalias() += (w_ * m_) * w_.transpose();
    if (is_decomposed_ || pending_.size() + 1 == pending_most) {
      decompose();
      return;
    }
    value_ = changed_;
    low_ *= least_;
    high_ *= most_;
    const index_t nodes = resolvents_.cols();
    low_rank made{{a_.rows(), 2 * nodes}, std::vector<Eigen::Matrix2d>(static_cast<std::size_t>(nodes))};
    for (index_t k = 0; k < nodes; ++k) {
      auto g = made.columns.middleCols<2>(2 * k);
      g = z_.array().colwise() * resolvents_.col(k).array();
      for (const low_rank& p : pending_)
        g.noalias() -=
            p.columns.middleCols<2>(2 * k) * (p.core[static_cast<std::size_t>(k)] * p.product.middleRows<2>(2 * k));
      made.core[static_cast<std::size_t>(k)] = (m_.inverse() + of_node(k)).inverse();
    }
    pending_.push_back(std::move(made));
  }

 private:
  /// A change of the resolvents: of node k, -G C G^T with G the columns 2 k and 2 k + 1.
  struct low_rank {
    Eigen::MatrixXd columns;  // [P, 2 nodes]
    std::vector<Eigen::Matrix2d> core;
    Eigen::MatrixX2d product{};  // G^T Z of all nodes
  };

  void decompose() {
    const auto solved = detail::symmetric_eigen(a_);
    const Eigen::VectorXd& values = solved.eigenvalues();
    vectors_ = solved.eigenvectors();
    value_ = values.cwiseMax(0.0).cwiseSqrt().sum();
    low_ = values[0];
    high_ = values[values.size() - 1];
    is_regular_ = high_ > 0 && low_ > 1e-11 * high_;
    is_decomposed_ = false;
    pending_.clear();
    if (!is_regular_) return;
    room_low_ = low_ / 16;
    room_high_ = high_ * 16;
    const detail::root_quadrature nodes(room_low_, room_high_);
    weights_ = nodes.weight;
    resolvents_.resize(values.size(), static_cast<index_t>(weights_.size()) + 1);
    resolvents_.col(0) = values.cwiseInverse();  // at s = 0, which says how far the spectrum moves
    for (std::size_t k = 0; k < weights_.size(); ++k)
      resolvents_.col(static_cast<index_t>(k) + 1) = (values.array() + nodes.s[k] * nodes.s[k]).inverse();
  }

  /// W^T (A + s^2)^{-1} W at node k.
  [[nodiscard]] Eigen::Matrix2d of_node(index_t k) const {
    Eigen::Matrix2d b;
    b << sums_(k, 0), sums_(k, 1), sums_(k, 1), sums_(k, 2);
    return b;
  }

  /// The changed trace, unless the spectrum may leave the bounds of the nodes.
  [[nodiscard]] bool change() {
    is_decomposed_ = false;
    z_.noalias() = vectors_.transpose() * w_;
    products_.resize(z_.rows(), 3);
    products_ << z_.col(0).cwiseAbs2(), z_.col(0).cwiseProduct(z_.col(1)), z_.col(1).cwiseAbs2();
    sums_.noalias() = resolvents_.transpose() * products_;
    for (low_rank& p : pending_) {
      p.product.noalias() = p.columns.transpose() * z_;
      for (index_t k = 0; k < sums_.rows(); ++k) {
        const Eigen::Matrix2d q = p.product.middleRows<2>(2 * k);
        const Eigen::Matrix2d less = q.transpose() * p.core[static_cast<std::size_t>(k)] * q;
        sums_.row(k) -= Eigen::RowVector3d(less(0, 0), less(0, 1), less(1, 1));
      }
    }
    // A^{-1/2} A' A^{-1/2} has the eigenvalues of I + M W^T A^{-1} W and ones.
    const Eigen::Matrix2d relative = Eigen::Matrix2d::Identity() + m_ * of_node(0);
    const double half = relative.trace() / 2, determinant = relative.determinant(),
                 root = std::sqrt(std::max(half * half - determinant, 0.0));
    least_ = std::min(half - root, 1.0);
    most_ = std::max(half + root, 1.0);
    if (!(low_ * least_ > room_low_) || !(high_ * most_ < room_high_)) return false;
    const double m2 = m_.determinant();
    double sum = 0;
    for (std::size_t k = 0; k < weights_.size(); ++k) {
      const auto row = sums_.row(static_cast<index_t>(k) + 1);
      sum += weights_[k] * std::log1p(m_(0, 0) * row[0] + 2 * m_(0, 1) * row[1] + m_(1, 1) * row[2] +
                                      m2 * (row[0] * row[2] - row[1] * row[1]));
    }
    changed_ = value_ + sum;
    return true;
  }

  Eigen::MatrixXd a_, vectors_;
  Eigen::MatrixXd resolvents_;  // [P, nodes]: 1 / (eigenvalue + s^2)
  std::vector<double> weights_;
  std::vector<low_rank> pending_;
  double value_ = 0, low_ = 0, high_ = 0, room_low_ = 0, room_high_ = 0;
  bool is_regular_ = false;
  // Of the change that was asked for last.
  Eigen::MatrixX2d w_, z_;
  Eigen::Matrix2d m_;
  Eigen::MatrixX3d products_, sums_;
  double changed_ = 0, least_ = 1, most_ = 1;
  bool is_decomposed_ = false;
};

}  // namespace fewstep
