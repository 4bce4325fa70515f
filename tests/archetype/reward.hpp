// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/reward/reward.hpp>

#include <span>

/// The smallest model of fewstep::reward, and models that lack one requirement each.
namespace reward_archetype {

struct prompt {
  int id;
};
using samples_type = fewstep::matrix<const float>;
using contexts_type = std::span<const prompt>;
using out_type = std::span<float>;

enum class drop { nothing, call, result, mutable_samples, mutable_contexts, out };

template <drop D = drop::nothing>
struct archetype {
  archetype() = delete;
  archetype(const archetype&) = delete;
  archetype& operator=(const archetype&) = delete;

  void operator()(samples_type, contexts_type, out_type) requires(D == drop::nothing);
  float operator()(samples_type, contexts_type, out_type) requires(D == drop::result);
  void operator()(fewstep::matrix<float>, contexts_type, out_type) requires(D == drop::mutable_samples);
  void operator()(samples_type, std::span<prompt>, out_type) requires(D == drop::mutable_contexts);
  void operator()(samples_type, contexts_type) requires(D == drop::out);
};

}  // namespace reward_archetype
