// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/named_preference_algorithm.hpp>
#include <fewstep/preference/logistic_link.hpp>
#include <fewstep/preference/time_law.hpp>

namespace fewstep {

struct diffusion_dpo_defaults {
  [[nodiscard]] static preference_algorithm_options options() { return {.pairs = {.comparisons = 2048}}; }
  [[nodiscard]] static auto link() { return logistic_link{.beta = 2000}; }
  [[nodiscard]] static auto times() { return uniform_times{}; }
};

/// Diffusion-DPO: Wallace et al. 2023 (arXiv:2311.12908), equation 14, as its code has it.
///
///   for each update: take pairs, noise both members of each by one noise to one time, drawn uniformly, and descend
///   -log sigmoid(-(beta / 2) (M(w) - M_ref(w) - M(l) + M_ref(l))),  M the mean squared error of the network's output.
///
/// beta is 2000 where no link is given (as published for Stable Diffusion 1.5; 5000 for SDXL, and in the code), and
/// AdamW's rate was 2e-5. Few-step models are asked at listed_times. Called as named_preference_algorithm says.
inline constexpr named_preference_algorithm<diffusion_dpo_defaults> diffusion_dpo{};

}  // namespace fewstep
