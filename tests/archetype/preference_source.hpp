// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/preference/preference_source.hpp>

#include <cstdint>
#include <span>
#include <type_traits>

/// The smallest model of fewstep::preference_source, and models that lack one requirement each.
namespace preference_source_archetype {

enum class drop { nothing, call, result, step };

template <class Context, drop D = drop::nothing>
struct archetype {
  archetype() = delete;
  archetype(const archetype&) = delete;
  archetype& operator=(const archetype&) = delete;

  using samples = fewstep::matrix<float>;
  std::conditional_t<D == drop::result, int, void> operator()(std::int64_t, samples, samples,
                                                              std::span<Context>) requires(D != drop::call &&
                                                                                           D != drop::step);
  void operator()(samples, samples, std::span<Context>) requires(D == drop::step);
};

}  // namespace preference_source_archetype
