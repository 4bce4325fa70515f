// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/named_preference_algorithm.hpp>
#include <fewstep/preference/corrupted_examples.hpp>
#include <fewstep/preference/logistic_link.hpp>
#include <fewstep/preference/time_law.hpp>

namespace fewstep {

struct dense_dpo_defaults {
  [[nodiscard]] static preference_algorithm_options options() {
    return {.pairs = {.comparisons = 256, .sharing = noise_sharing::own, .scale = 1.0f}};
  }
  [[nodiscard]] static auto link() { return logistic_link{.beta = 500}; }
  [[nodiscard]] static auto times() { return logit_normal_times{}; }
};

/// DenseDPO: Wu et al. 2025 (arXiv:2506.03517), equation 7: labels of the segments of a clip, inside of one sigmoid.
///
///   -log sigmoid(-beta sum_f l_f (s(first)_f - s(second)_f)),  s(x)_f = |v* - v(x_t)|^2 - |v* - v_ref(x_t)|^2 over
///   segment f,
///
/// s being a mean over the values of the segments that are not tied (its appendix A.3), v* = z - x, and the noise z of
/// each member its own. Labels of the pair_source are 1, -1 or 0 by segment of options.pairs.segments; with one segment
/// it is Flow-DPO (Liu et al. 2025, arXiv:2501.13918). Pairs that keep the motion of a true clip are regenerated_pairs.
/// Called as named_preference_algorithm says.
inline constexpr named_preference_algorithm<dense_dpo_defaults> dense_dpo{};

}  // namespace fewstep
