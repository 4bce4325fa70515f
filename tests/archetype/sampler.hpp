// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/sampler/sampler.hpp>

/// The smallest model of fewstep::sampler, and models that lack one requirement each.
namespace sampler_archetype {

using fewstep::edm_consistency;
using fewstep::step_table;

enum class drop { nothing, table, const_table, result, network_calls };

template <drop D = drop::nothing>
struct archetype {
  archetype() = delete;
  archetype(const archetype&) = delete;
  archetype& operator=(const archetype&) = delete;

  step_table table(const edm_consistency&, int) const requires(D == drop::nothing);
  step_table table(const edm_consistency&, int) requires(D == drop::const_table);
  float table(const edm_consistency&, int) const requires(D == drop::result);
  step_table table(const edm_consistency&) const requires(D == drop::network_calls);
};

}  // namespace sampler_archetype
