// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <string_view>
#include <vector>

namespace fewstep {

/// Rates a set of samples as a whole, by features[N, P] of its members, a row each: how near their distribution is to
/// another one, how varied they are. Higher is better.
///
/// Semantics the compiler cannot check: the order of the rows does not matter, and the result is finite.
///
/// Smallest model, the spread of the first feature:
///   [](matrix<const float> f) { ... return double }
///
/// Models: frechet_reward and vendi_reward (fewstep/set_reward, which needs Eigen), mean_of, std::ref of one. Source:
/// Bai et al. 2025, DRAGON, arXiv:2504.15217, whose rewards are of single samples or of distributions.
template <class R>
concept set_reward = requires(const R& r, matrix<const float> features) {
  { r(features) } -> std::convertible_to<double>;
};

/// A set whose members are exchanged one by one, with what a reward keeps of it: r.track(features) gives one.
///
///   double value() const;                        of the set as it stands
///   double value_with(index_t i, vec<const float> row);    were `row` in member i's place; changes nothing
///   void exchange();                             makes the exchange that value_with was asked for last
template <class T>
concept tracked_set = requires(T& t, const T& ct, index_t member, vec<const float> row) {
  { ct.value() } -> std::convertible_to<double>;
  { t.value_with(member, row) } -> std::convertible_to<double>;
  { t.exchange() } -> std::same_as<void>;
};

/// A set_reward that has a cheaper way to exchange a member than to rate the set anew. Others are rated anew.
template <class R>
concept tracking_set_reward = set_reward<R> && requires(const R& r, matrix<const float> features) {
  { r.track(features) } -> tracked_set;
};

namespace detail {

/// Throws std::invalid_argument, in the name of `who`, unless features[N, P] are some rows of finite numbers.
inline void expect_features(std::string_view who, matrix<const float> features) {
  expects(features.rows() > 0 && features.cols() > 0, [&] {
    return message(who, ": the set has ", features.rows(), " rows of ", features.cols(),
                   " features; give at least one of each");
  });
  for (index_t i = 0; i < features.rows(); ++i) {
    const float* row = features.row(i);
    const float* bad = std::find_if(row, row + features.cols(), [](float v) { return !std::isfinite(v); });
    expects(bad == row + features.cols(), [&] {
      return message(who, ": feature ", bad - row, " of row ", i, " is ", *bad,
                     "; it must be finite: check the sample and the encoder");
    });
  }
}
inline void expect_width(std::string_view who, index_t given, index_t wanted, std::string_view of_what) {
  expects(given == wanted, [&] {
    return message(who, ": the features have ", given, " values, but those of ", of_what, " have ", wanted,
                   "; make both with one encoder");
  });
}

/// The tracked_set of a reward that is no tracking_set_reward: its rows, which are rated anew.
template <set_reward R>
class recomputed_set {
 public:
  recomputed_set(const R& reward, matrix<const float> features)
      : reward_(&reward),
        rows_(features.begin(), features.end()),
        shape_{features.rows(), features.cols()},
        value_(rate()),
        changed_(value_) {}

  [[nodiscard]] double value() const { return value_; }
  [[nodiscard]] double value_with(index_t member, vec<const float> row) {
    member_ = member;
    row_.assign(row.begin(), row.end());
    swap_row();
    changed_ = rate();
    swap_row();
    return changed_;
  }
  void exchange() {
    swap_row();
    value_ = changed_;
  }

 private:
  [[nodiscard]] double rate() const {
    return static_cast<double>((*reward_)(matrix<const float>{rows_.data(), {shape_[0], shape_[1]}}));
  }
  void swap_row() { std::swap_ranges(row_.begin(), row_.end(), rows_.begin() + member_ * shape_[1]); }

  const R* reward_;
  std::vector<float> rows_, row_;
  index_t shape_[2], member_ = 0;
  double value_, changed_;
};

template <set_reward R>
[[nodiscard]] auto track(const R& reward, matrix<const float> features) {
  if constexpr (requires {
                  { reward.get() } -> set_reward;
                })
    return track(reward.get(), features);  // std::ref of one
  else if constexpr (tracking_set_reward<R>)
    return reward.track(features);
  else
    return recomputed_set<R>(reward, features);
}

/// Whether R models set_reward; where it does not, the compiler says what is missing.
template <class R>
consteval bool require_set_reward() {
  static_assert(set_reward<R>,
                "fewstep::set_reward: double operator()(matrix<const float> features) const is missing; it rates a "
                "set of samples by their features, a row each");
  return set_reward<R>;
}

}  // namespace detail

}  // namespace fewstep
