// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/preference/time_law.hpp>

#include <cstdint>
#include <type_traits>

/// The smallest model of fewstep::time_law, and models that lack one requirement each.
namespace time_law_archetype {

enum class drop { nothing, call, const_call, result, number };

template <drop D = drop::nothing>
struct archetype {
  using random = fewstep::random_stream;
  template <class P>
  std::conditional_t<D == drop::result, double, float> operator()(const P&, const random&, std::uint64_t) const
      requires(D == drop::nothing || D == drop::result);
  template <class P>
  float operator()(const P&, const random&, std::uint64_t) requires(D == drop::const_call);
  template <class P>
  float operator()(const P&, const random&) const requires(D == drop::number);
};

}  // namespace time_law_archetype
