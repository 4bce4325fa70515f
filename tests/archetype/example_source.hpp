// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/consistency_training.hpp>

#include <cstdint>
#include <span>
#include <type_traits>

/// The smallest model of fewstep::example_source, and models that lack one requirement each.
namespace example_source_archetype {

enum class drop { nothing, call, result, step };

template <drop D = drop::nothing>
struct archetype {
  archetype() = delete;
  archetype(const archetype&) = delete;
  archetype& operator=(const archetype&) = delete;

  using contexts_type = std::span<std::int32_t>;
  std::conditional_t<D == drop::result, int, void> operator()(std::int64_t, fewstep::matrix<float>,
                                                              contexts_type) requires(D != drop::call &&
                                                                                      D != drop::step);
  void operator()(fewstep::matrix<float>, contexts_type) requires(D == drop::step);
};

}  // namespace example_source_archetype
