// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/advantage/step_advantage.hpp>
#include <fewstep/backend/cpu/backend.hpp>

#include <cstdint>

/// The smallest model of fewstep::step_advantage, and models that lack one requirement each.
namespace step_advantage_archetype {

using fewstep::cpu_backend;
using fewstep::earned_steps;
using fewstep::matrix;

enum class drop { nothing, weigh, learn, result };

template <drop D = drop::nothing>
struct archetype {
  void weigh(cpu_backend&, const earned_steps<std::int32_t>&,
             matrix<float>) requires(D == drop::nothing || D == drop::learn);
  float weigh(cpu_backend&, const earned_steps<std::int32_t>&, matrix<float>) requires(D == drop::result);
  void learn(cpu_backend&, const earned_steps<std::int32_t>&) requires(D != drop::learn);
};

}  // namespace step_advantage_archetype
