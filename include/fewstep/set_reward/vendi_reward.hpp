// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/preference/set_reward.hpp>
#include <fewstep/set_reward/symmetric_eigen.hpp>

#include <cmath>
#include <string_view>

namespace fewstep {

/// exp(-sum lambda log lambda) of the eigenvalues of K / N, for a positive semidefinite kernel K [N, N] with ones on
/// its diagonal: the effective number of different samples, 1 where all are one and N where none is like another.
/// Source: Friedman and Dieng 2023, the Vendi score, arXiv:2210.02410.
[[nodiscard]] inline double vendi_score(const Eigen::MatrixXd& kernel) {
  double entropy = 0;
  const auto solved = detail::symmetric_eigen(kernel, false);
  for (const double value : solved.eigenvalues()) {
    const double share = value / static_cast<double>(kernel.rows());
    if (share > 0) entropy -= share * std::log(share);
  }
  return std::exp(entropy);
}

/// The set_reward of variety: the Vendi score of the cosine similarities of features. Of a set it keeps the rows,
/// scaled to unit length, and the smaller one of their Gram matrices [N, N] and [P, P], which have the same eigenvalues
/// but for zeros; an exchange updates it in O(N P) or O(P^2), and takes its eigenvalues.
///
/// Throws std::invalid_argument for a row that is not finite or zero, naming it.
class vendi_reward {
 public:
  static constexpr std::string_view name = "vendi_reward";

  [[nodiscard]] double operator()(matrix<const float> features) const { return track(features).value(); }

  class tracked {
   public:
    explicit tracked(matrix<const float> features) : rows_(features.cols(), features.rows()) {
      detail::expect_features(name, features);
      for (index_t i = 0; i < features.rows(); ++i) rows_.col(i) = unit({features.row(i), {features.cols()}}, i);
      if (by_rows())
        gram_ = rows_.transpose() * rows_;
      else
        gram_ = rows_ * rows_.transpose();
      changed_gram_ = gram_;
      value_ = changed_ = score(gram_);
    }

    [[nodiscard]] double value() const { return value_; }
    [[nodiscard]] double value_with(index_t member, vec<const float> row) {
      detail::expect_width(name, row.size(), rows_.rows(), "the set");
      member_ = member;
      row_ = unit(row, member);
      changed_gram_ = gram_;
      if (by_rows()) {
        changed_gram_.col(member).noalias() = rows_.transpose() * row_;
        changed_gram_(member, member) = 1;
        changed_gram_.row(member) = changed_gram_.col(member).transpose();
      } else {
        changed_gram_.noalias() += row_ * row_.transpose() - rows_.col(member) * rows_.col(member).transpose();
      }
      changed_ = score(changed_gram_);
      return changed_;
    }
    void exchange() {
      rows_.col(member_) = row_;
      gram_.swap(changed_gram_);
      value_ = changed_;
    }

   private:
    [[nodiscard]] bool by_rows() const { return rows_.cols() <= rows_.rows(); }
    /// The eigenvalues' sum is N whichever matrix it is.
    [[nodiscard]] double score(const Eigen::MatrixXd& gram) const {
      return vendi_score(gram * (static_cast<double>(gram.rows()) / static_cast<double>(rows_.cols())));
    }
    [[nodiscard]] static Eigen::VectorXd unit(vec<const float> row, index_t i) {
      const Eigen::VectorXd values = as_eigen(row).template cast<double>();
      const double length = values.norm();
      expects(length > 0, [&] {
        return message(name, ": the features of row ", i,
                       " are all 0, which has no cosine similarity to others; check ", "the sample and the encoder");
      });
      return values / length;
    }

    Eigen::MatrixXd rows_;  // [P, N]
    Eigen::MatrixXd gram_, changed_gram_;
    Eigen::VectorXd row_;
    double value_ = 0, changed_ = 0;
    index_t member_ = 0;
  };
  [[nodiscard]] tracked track(matrix<const float> features) const { return tracked(features); }
};

}  // namespace fewstep
