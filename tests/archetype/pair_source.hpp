// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/preference/pair_source.hpp>

#include <cstdint>
#include <span>
#include <type_traits>

/// The smallest models of fewstep::pair_source with labels and of fewstep::judged_source, and models that lack one
/// requirement each.
namespace pair_source_archetype {

enum class drop { nothing, call, result, labels };

template <class Context, drop D = drop::nothing>
struct pairs {
  pairs() = delete;

  using samples = fewstep::matrix<float>;
  std::conditional_t<D == drop::result, int, void> operator()(std::int64_t, samples, samples, std::span<Context>,
                                                              samples) requires(D != drop::call && D != drop::labels);
  void operator()(std::int64_t, samples, samples, std::span<Context>,
                  std::span<std::int8_t>) requires(D == drop::labels);
};

template <class Context, drop D = drop::nothing>
struct judged {
  judged() = delete;

  using samples = fewstep::matrix<float>;
  std::conditional_t<D == drop::result, int, void> operator()(std::int64_t, samples, std::span<Context>,
                                                              samples) requires(D != drop::call && D != drop::labels);
  void operator()(std::int64_t, samples, std::span<Context>) requires(D == drop::labels);
};

}  // namespace pair_source_archetype
