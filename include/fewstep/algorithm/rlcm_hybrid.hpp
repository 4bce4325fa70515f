// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/named_algorithm.hpp>
#include <fewstep/algorithm/not_given.hpp>
#include <fewstep/algorithm/policy_gradient_options.hpp>
#include <fewstep/algorithm/policy_gradient_parts.hpp>
#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/decoder/decoder.hpp>
#include <fewstep/loss/last_step_reward.hpp>

#include <concepts>
#include <utility>

namespace fewstep {

/// RLCM's, and the reward through the last step with a weight of 1.
struct rlcm_hybrid_defaults : rlcm_defaults {
  template <class Backend, class Generator, class Given>
  [[nodiscard]] static auto parts(Backend& backend, const Generator& model, const Given& given,
                                  const policy_gradient_options& o) {
    auto usual = rlcm_defaults::parts(backend, model, given, o);
    if constexpr (std::same_as<decltype(Given::auxiliary), not_given>) {
      constexpr bool can_be_asked_twice =
          std::copy_constructible<decltype(Given::reward)> && std::copy_constructible<decltype(Given::decoder)>;
      static_assert(can_be_asked_twice,
                    "fewstep::rlcm_hybrid: reward and decoder are asked by the trainer and by the last step, and one "
                    "of them cannot be copied; share the reward with std::ref(reward), or give .auxiliary = "
                    "last_step_reward(...)");
      if constexpr (can_be_asked_twice) {
        identity_decoder none;
        return policy_gradient_parts{
            .objective = std::move(usual.objective),
            .advantage = std::move(usual.advantage),
            .sampler = std::move(usual.sampler),
            .auxiliary = last_step_reward(backend, given.reward, {.rewards = o.batch.rewards},
                                          detail::given_or(std::as_const(given.decoder), std::as_const(none)))};
      } else {
        return usual;
      }
    } else {
      return usual;
    }
  }
};

/// RLCM with the gradient that its last call lacks: the first H - 1 calls are stochastic and learn from the policy
/// gradient; through the deterministic last one goes the gradient of the reward itself,
///
///   ascend RLCM's surrogate + weight mean r(decode(f(x_{H-1}, tau_{H-1}))),
///
/// so every call learns. For rewards with a gradient (differentiable_reward); the loss of the last step has copies of
/// reward and decoder, or shares what is given by std::ref. The two terms have units of their own: an advantage is
/// standardised, a reward is not, so the weight is the reward's to choose (1 over its standard deviation weighs them
/// alike): .auxiliary = last_step_reward(backend, std::ref(reward), {.weight = 1e-2f}). As the hybrid policy gradient
/// of few-step distilled models (RTDMD, 2026), which publishes a weight of 1e-4 with a margin. Called as
/// named_algorithm says.
inline constexpr named_algorithm<rlcm_hybrid_defaults> rlcm_hybrid{};

}  // namespace fewstep
