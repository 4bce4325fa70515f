// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/named_preference_algorithm.hpp>
#include <fewstep/preference/corrupted_examples.hpp>
#include <fewstep/preference/time_law.hpp>
#include <fewstep/preference/utility_link.hpp>

namespace fewstep {

struct diffusion_kto_defaults {
  [[nodiscard]] static preference_algorithm_options options() {
    return {.pairs = {.comparisons = 8, .sharing = noise_sharing::own, .scale = 1.0f}};
  }
  [[nodiscard]] static auto link() { return utility_link{.beta = 1000}; }
  [[nodiscard]] static auto times() { return uniform_times{}; }
};

/// Diffusion-KTO: Li et al. 2024 (arXiv:2404.04465), equation 8, with the constants of its code: samples that were
/// judged good or bad one by one (a judged_source; of pairs both members count), and the utility of utility_link, of
/// log-ratios M_ref - M. Called as named_preference_algorithm says.
inline constexpr named_preference_algorithm<diffusion_kto_defaults> diffusion_kto{};

}  // namespace fewstep
