// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/settings.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/preference/feature_set.hpp>
#include <fewstep/preference/set_reward.hpp>
#include <fewstep/set_reward/gaussian_statistics.hpp>
#include <fewstep/set_reward/root_trace.hpp>
#include <fewstep/set_reward/symmetric_eigen.hpp>

#include <string_view>
#include <utility>

namespace fewstep {

/// The squared Fréchet distance of two Gaussians, |m - m'|^2 + tr(C + C' - 2 (C'^{1/2} C C'^{1/2})^{1/2}): FID over
/// features of pictures, FAD of sounds. Covariances may be singular. Source: Dowson and Landau 1982; Heusel et al.
/// 2017, arXiv:1706.08500.
[[nodiscard]] inline double frechet_distance(const gaussian_statistics& a, const gaussian_statistics& b) {
  detail::expect_width("frechet_distance", a.mean.size(), b.mean.size(), "the other set");
  const Eigen::MatrixXd root = symmetric_sqrt(b.covariance);
  const Eigen::MatrixXd product = root * a.covariance * root;
  return (a.mean - b.mean).squaredNorm() + a.covariance.trace() + b.covariance.trace() -
         2 * detail::symmetric_eigen(product, false).eigenvalues().cwiseMax(0.0).cwiseSqrt().sum();
}

struct frechet_reward_options {
  double ridge = 0;  ///< added to the variance of every feature of both sets, where a covariance is singular

  static constexpr std::string_view name = "frechet_reward";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("ridge", ridge, at_least(0));
  }
};

/// The set_reward -(Fréchet distance) to exemplars, whatever they were made of: true samples, good ones, or texts whose
/// features share the pictures' space (feature_set::of_texts).
///
///   frechet_reward nearness(feature_set(std::ref(encoder), pictures));
///   frechet_reward nearness(feature_set::of_texts(alignment, captions), {.ridge = 1e-3});
///
/// Of a set it keeps the rows, mean and covariance, which an exchange updates in O(P^2), and the root_trace of
/// R C R with R the root of the exemplars' covariance, which gives the reward of an exchange in O(P^2).
///
/// Throws std::invalid_argument for features of another width, fewer than two rows, one that is not finite, and a
/// singular covariance of the exemplars or of a set whose members are exchanged, saying how many rows it takes.
class frechet_reward {
 public:
  explicit frechet_reward(const feature_set& exemplars, frechet_reward_options o = {})
      : frechet_reward(gaussian_statistics::of(exemplars.view()), o) {}
  explicit frechet_reward(gaussian_statistics exemplars, frechet_reward_options o = {})
      : options_(checked(o)), exemplars_(std::move(exemplars)) {
    detail::expect_regular(name, "the exemplars", exemplars_, options_.ridge);
    exemplars_.covariance.diagonal().array() += options_.ridge;
    root_ = symmetric_sqrt(exemplars_.covariance);
  }

  static constexpr std::string_view name = frechet_reward_options::name;
  template <class Visitor>
  void settings(Visitor& visit) const {
    options_.settings(visit);
    visit("exemplars", exemplars_.rows);
    visit("features", exemplars_.mean.size());
    visit("exemplar_norm", exemplars_.mean.norm());
    visit("exemplar_variance", exemplars_.covariance.trace());
  }

  [[nodiscard]] const gaussian_statistics& exemplars() const { return exemplars_; }

  /// Minus the distance of the rows' Gaussian.
  [[nodiscard]] double operator()(matrix<const float> features) const {
    const gaussian_statistics s = of_set(features);
    const Eigen::MatrixXd product = root_ * s.covariance * root_;
    return of(s.mean, s.covariance.trace(),
              detail::symmetric_eigen(product, false).eigenvalues().cwiseMax(0.0).cwiseSqrt().sum());
  }

  class tracked {
   public:
    tracked(const frechet_reward& reward, matrix<const float> features)
        : reward_(&reward),
          rows_(as_eigen(features).template cast<double>().transpose()),
          set_(reward.of_set(features)),
          variance_(set_.covariance.trace()),
          root_(reward.root_ * set_.covariance * reward.root_),
          core_(set_.exchange_core()),
          value_(reward.of(set_.mean, variance_, root_.value())),
          w_(set_.mean.size(), 2),
          rooted_(set_.mean.size(), 2) {}

    [[nodiscard]] double value() const { return value_; }
    [[nodiscard]] double value_with(index_t member, vec<const float> row) {
      detail::expect_width(name, row.size(), set_.mean.size(), "the set");
      member_ = member;
      w_.col(0) = rows_.col(member) - set_.mean;
      w_.col(1) = as_eigen(row).template cast<double>() - set_.mean;
      rooted_.noalias() = reward_->root_ * w_;
      changed_variance_ = variance_ + (w_.transpose() * w_).cwiseProduct(core_).sum();
      const double mean =
          (set_.mean + (w_.col(1) - w_.col(0)) / static_cast<double>(set_.rows) - reward_->exemplars_.mean)
              .squaredNorm();
      changed_ = reward_->of(mean, changed_variance_, root_.value_with(rooted_, core_));
      return changed_;
    }
    void exchange() {
      rows_.col(member_) = w_.col(1) + set_.mean;
      set_.exchange(w_);
      root_.accept();
      variance_ = changed_variance_;
      value_ = changed_;
    }
    /// Of the set as it stands; the covariance has the ridge.
    [[nodiscard]] const gaussian_statistics& statistics() const { return set_; }

   private:
    const frechet_reward* reward_;
    Eigen::MatrixXd rows_;  // [P, N]
    gaussian_statistics set_;
    double variance_;
    root_trace root_;
    Eigen::Matrix2d core_;
    double value_;
    Eigen::MatrixX2d w_, rooted_;
    double changed_variance_ = 0, changed_ = 0;
    index_t member_ = 0;
  };
  /// Throws for a singular covariance, in whose empty directions exchanges could not be told apart.
  [[nodiscard]] tracked track(matrix<const float> features) const {
    detail::expect_regular(name, "the set", of_set(features), 0);
    return {*this, features};
  }

 private:
  [[nodiscard]] gaussian_statistics of_set(matrix<const float> features) const {
    detail::expect_width(name, features.cols(), exemplars_.mean.size(), "the exemplars");
    gaussian_statistics s = gaussian_statistics::of(features);
    s.covariance.diagonal().array() += options_.ridge;
    return s;
  }
  [[nodiscard]] double of(const Eigen::VectorXd& mean, double variance, double root) const {
    return of((mean - exemplars_.mean).squaredNorm(), variance, root);
  }
  [[nodiscard]] double of(double distance_of_means, double variance, double root) const {
    return 2 * root - distance_of_means - variance - exemplars_.covariance.trace();
  }

  frechet_reward_options options_;
  gaussian_statistics exemplars_;
  Eigen::MatrixXd root_;
};

}  // namespace fewstep
