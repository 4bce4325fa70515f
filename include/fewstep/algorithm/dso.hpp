// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/named_preference_algorithm.hpp>
#include <fewstep/preference/corrupted_examples.hpp>
#include <fewstep/preference/identity_link.hpp>
#include <fewstep/preference/logistic_link.hpp>
#include <fewstep/preference/time_law.hpp>

namespace fewstep {

struct dso_dpo_defaults {
  [[nodiscard]] static preference_algorithm_options options() {
    return {.pairs = {.comparisons = 48, .sharing = noise_sharing::own}};
  }
  [[nodiscard]] static auto link() { return logistic_link{.beta = 500}; }
  [[nodiscard]] static auto times() { return logit_normal_times{.mean = 1, .deviation = 1}; }
};

struct dso_dro_defaults : dso_dpo_defaults {
  [[nodiscard]] static auto link() { return identity_link{.scale = 2}; }
};

/// Direct simulation optimization: Li, Zheng, Rupprecht and Vedaldi 2025 (arXiv:2503.22677), by DPO: pairs of samples
/// of which a simulation found one good and one bad. As diffusion_dpo, but that times are those of flow training, with
/// mean 1, and each member has its own noise. AdamW's rate was 5e-6, on adapters. Called as named_preference_algorithm
/// says.
inline constexpr named_preference_algorithm<dso_dpo_defaults> dso_dpo{};

/// The same by direct reward optimization (DRO), without a reference: M(w) - M(l), as the code has it. A judged_source
/// gives what the paper's section 3 has: (2 o - 1) M of samples with o = 1 for the good ones, in need of no pairs.
///
/// The loss has no least value: stop early, and train few parameters. At the reference its gradient is 4 / beta times
/// that of dso_dpo.
inline constexpr named_preference_algorithm<dso_dro_defaults> dso_dro{};

}  // namespace fewstep
