// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/preference/feature_set.hpp>
#include <fewstep/preference/set_reward.hpp>

#include <type_traits>

/// The smallest models of fewstep::set_reward, tracked_set and feature_encoder, and models that lack one requirement
/// each.
namespace set_reward_archetype {

using features = fewstep::matrix<const float>;

enum class drop { nothing, call, result, constness, value, value_with, exchange, count, encoding };

template <drop D = drop::nothing>
struct archetype {
  archetype() = delete;
  archetype(const archetype&) = delete;
  archetype& operator=(const archetype&) = delete;

  std::conditional_t<D == drop::result, void, float> operator()(features) const
      requires(D != drop::call && D != drop::constness);
  float operator()(features) requires(D == drop::constness);
};

template <drop D = drop::nothing>
struct tracked {
  double value() const requires(D != drop::value);
  double value_with(fewstep::index_t, fewstep::vec<const float>) requires(D != drop::value_with);
  void exchange() requires(D != drop::exchange);
};

template <drop D = drop::nothing>
struct tracking : archetype<D> {
  tracked<D> track(features) const;
};

template <drop D = drop::nothing>
struct encoder {
  encoder() = delete;
  encoder(const encoder&) = delete;
  encoder& operator=(const encoder&) = delete;

  fewstep::index_t features() const requires(D != drop::count);
  void features(fewstep::matrix<const float>, fewstep::matrix<float>) requires(D != drop::encoding);
};

}  // namespace set_reward_archetype
