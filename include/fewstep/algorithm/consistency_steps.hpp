// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/generator/generator.hpp>
#include <fewstep/generator/preconditioning.hpp>
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/sampler/lcm.hpp>
#include <fewstep/sampler/sampler.hpp>

namespace fewstep::detail {

/// The sampler of a consistency model, LCM's where it has discrete timesteps; final_sigma is of last_step::stochastic.
template <class Generator>
[[nodiscard]] auto consistency_steps([[maybe_unused]] const Generator& model, last_step last = last_step::mask,
                                     float final_sigma = 0.05f) {
  if constexpr (!has_preconditioner<Generator>) {
    return consistency_sampler{};  // the trainer says what is missing
  } else if constexpr (discrete_preconditioning<decltype(model.preconditioner())>) {
    return lcm_sampler{.last = last, .final_sigma = final_sigma};
  } else {
    return consistency_sampler{.last = last, .final_sigma = final_sigma};
  }
}

}  // namespace fewstep::detail
