// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/preference/pair_judge.hpp>

#include <span>
#include <type_traits>

/// The smallest model of fewstep::pair_judge, and models that lack one requirement each.
namespace pair_judge_archetype {

enum class drop { nothing, call, result, labels };

template <class Context, drop D = drop::nothing>
struct archetype {
  using samples = fewstep::matrix<const float>;
  using contexts = std::span<const Context>;
  std::conditional_t<D == drop::result, int, void> operator()(samples, samples, contexts,
                                                              fewstep::matrix<float>) requires(D == drop::nothing ||
                                                                                               D == drop::result);
  void operator()(samples, samples, contexts) requires(D == drop::labels);
};

}  // namespace pair_judge_archetype
