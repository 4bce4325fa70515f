// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>
#include <fewstep/preference/set_reward.hpp>

#include <type_traits>
#include <utility>
#include <vector>

namespace fewstep {

/// The set_reward of an instance reward: the mean of value(row) over the rows of a set, value being a function of one
/// sample's features. It is additive, so a greedy swap by it gives of each pair the better member. Keeps the values of
/// the members; an exchange asks for one.
///
///   mean_of brightness([](vec<const float> f) { return f[0]; });
template <class Value>
class mean_of {
 public:
  explicit mean_of(Value value) : value_(std::move(value)) {}

  [[nodiscard]] double operator()(matrix<const float> features) const { return track(features).value(); }

  class tracked {
   public:
    tracked(const mean_of& reward, matrix<const float> features) : reward_(&reward) {
      for (index_t i = 0; i < features.rows(); ++i) {
        values_.push_back(reward.of(vec<const float>(features.row(i), {features.cols()})));
        sum_ += values_.back();
      }
    }
    [[nodiscard]] double value() const { return sum_ / static_cast<double>(values_.size()); }
    [[nodiscard]] double value_with(index_t member, vec<const float> row) {
      member_ = static_cast<std::size_t>(member);
      given_ = reward_->of(row);
      return (sum_ + (given_ - values_[member_])) / static_cast<double>(values_.size());
    }
    void exchange() { sum_ += given_ - std::exchange(values_[member_], given_); }

   private:
    const mean_of* reward_;
    std::vector<double> values_;
    double sum_ = 0, given_ = 0;
    std::size_t member_ = 0;
  };
  [[nodiscard]] tracked track(matrix<const float> features) const {
    detail::expect_features("mean_of", features);
    return {*this, features};
  }

 private:
  [[nodiscard]] double of(vec<const float> row) const { return static_cast<double>(value_(row)); }

  Value value_;
};

}  // namespace fewstep
