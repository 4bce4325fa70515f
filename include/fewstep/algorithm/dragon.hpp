// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/diffusion_kto.hpp>
#include <fewstep/algorithm/named_preference_algorithm.hpp>
#include <fewstep/algorithm/part_of.hpp>
#include <fewstep/algorithm/sampled_pairs.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/published.hpp>
#include <fewstep/preference/judged_samples.hpp>
#include <fewstep/preference/labelled_pairs.hpp>
#include <fewstep/preference/logistic_link.hpp>
#include <fewstep/preference/time_law.hpp>

#include <utility>
#include <vector>

namespace fewstep {

struct dragon_options {
  corrupted_pairs_options pairs{};    ///< of an update; 256 where nothing else is said
  published<int> steps{};             ///< network calls of a sample; else 40
  bool shared_initial_noise = false;  ///< whether the members of a pair begin alike
  preference_optimization_options update{};
};

struct dragon_defaults {
  [[nodiscard]] static preference_algorithm_options options() {
    return {.pairs = {.comparisons = 256, .sharing = noise_sharing::shared}};
  }
  [[nodiscard]] static auto link() { return logistic_link{.beta = 2000}; }
  [[nodiscard]] static auto times() { return uniform_times{}; }
};

struct dragon_kto_defaults : diffusion_kto_defaults {
  [[nodiscard]] static preference_algorithm_options options() {
    preference_algorithm_options o = diffusion_kto_defaults::options();
    o.pairs.comparisons = 256;
    return o;
  }
};

namespace detail {

/// Both forms of DRAGON: `Algorithm` on samples that the model makes, of which `Members` are one comparison.
template <class Defaults, int Members>
struct dragon_algorithm {
  template <class Backend, class Generator, class Sampler, class Context, class Judge, class Parts,
            class Times = decltype(Defaults::times())>
  [[nodiscard]] auto operator()(Backend& backend, Generator& model, const Sampler& sampler,
                                std::vector<Context> prompts, Judge&& judge, Parts&& parts,
                                const dragon_options& o = {}, Times times = Defaults::times()) const {
    const corrupted_pairs_options pairs = with_defaults(o.pairs, Defaults::options().pairs);
    const index_t comparisons = pairs.comparisons.value(), made = comparisons * Members / 2;
    expects(2 * made == comparisons * Members, [&] {
      return message("dragon: pairs.comparisons is ", comparisons, ", but samples come in pairs; use an even number");
    });
    sampled_pairs samples(backend, model, sampler, std::move(prompts),
                          {.pairs = made,
                           .steps = o.steps.or_else(40),
                           .shared_initial_noise = o.shared_initial_noise,
                           .seed = o.update.training.seed});
    const auto judged = [&] {
      if constexpr (Members == 2)
        return labelled_pairs(std::move(samples), part_of<Judge>(judge));
      else
        return judged_samples(std::move(samples), part_of<Judge>(judge));
    };
    return named_preference_algorithm<Defaults>{}(backend, model, judged(), std::forward<Parts>(parts),
                                                  {.pairs = pairs, .update = o.update}, std::move(times));
  }
};

}  // namespace detail

/// DRAGON, distributional rewards for generators: Bai et al. 2025 (arXiv:2504.15217).
///
///   for each update: draw prompts, sample two of each with the model as it is, share them out between demonstrations
///   D+ and others D- by what the judge says of them, and descend the loss of Diffusion-DPO on the pairs, noised to a
///   time and by a noise that the members share (equation 14 of arXiv:2311.12908).
///
///   set_judge judge(std::ref(encoder), frechet_reward(exemplars));      a reward of sets
///   reward_judge judge(std::ref(reward));                               one of single samples: pair by pair
///   auto trainer = dragon(backend, model, consistency_sampler{}, prompts, judge,
///                         preference_parts{.optimizer = adamw{}, .reference = frozen_reference(base)},
///                         {.pairs = {.comparisons = 64}, .steps = 4});
///   while (trainer.index() < 100) trainer.update();
///
/// `judge` is a pair_judge; the model samples itself and must outlive the trainer. 40 network calls a sample are the
/// paper's; no code has been published, and beta (2000) and the number of pairs (256) are Diffusion-DPO's and that of
/// the paper's pretraining. What is sampled is a function of seed, update and parameters, so a resumed run has the same
/// bits.
inline constexpr detail::dragon_algorithm<dragon_defaults, 2> dragon{};

/// The same with unpaired demonstrations, by the loss of Diffusion-KTO: samples one by one, of which `judge` says which
/// are good (threshold_judge). An even number of comparisons; both members of a pair that is sampled are judged.
inline constexpr detail::dragon_algorithm<dragon_kto_defaults, 1> dragon_kto{};

}  // namespace fewstep
