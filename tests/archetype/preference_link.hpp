// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/preference/link.hpp>

#include <type_traits>

/// The smallest model of fewstep::preference_link, and models that lack one requirement each.
namespace preference_link_archetype {

enum class drop { nothing, call, const_call, result, copy };

template <bool Trivial>
struct copied {};
template <>
struct copied<false> {
  copied() = default;
  copied(const copied&) {}
};

template <drop D = drop::nothing>
struct archetype : copied<D != drop::copy> {
  using ratios = fewstep::member_log_ratios;
  std::conditional_t<D == drop::result, double, fewstep::link_value> operator()(const ratios&) const
      requires(D != drop::call && D != drop::const_call);
  fewstep::link_value operator()(const ratios&) requires(D == drop::const_call);
};

}  // namespace preference_link_archetype
