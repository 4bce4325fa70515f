// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Everything that needs a C++20 compiler, OpenMP (or FEWSTEP_NO_OPENMP) and nothing else. Components of their own are
/// fewstep/{io,model_file}/*.hpp (nlohmann_json), fewstep/image/*.hpp (libjpeg, libpng) and fewstep/eigen.hpp (Eigen).

// The concepts.
#include <fewstep/advantage/advantage.hpp>
#include <fewstep/backend/backend.hpp>
#include <fewstep/decoder/decode.hpp>
#include <fewstep/decoder/decoder.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/mdp/particle_process.hpp>
#include <fewstep/objective/objective.hpp>
#include <fewstep/objective/trajectory_objective.hpp>
#include <fewstep/optimizer/optimizer.hpp>
#include <fewstep/regularizer/regularizer.hpp>
#include <fewstep/reward/reward.hpp>
#include <fewstep/reward_model/preference_source.hpp>
#include <fewstep/sampler/sampler.hpp>
#include <fewstep/sampler/step_selection.hpp>

// Their models, and the algorithms.
#include <fewstep/advantage/batch.hpp>
#include <fewstep/advantage/gae.hpp>
#include <fewstep/advantage/group.hpp>
#include <fewstep/advantage/prompt_buffer.hpp>
#include <fewstep/advantage/value_function.hpp>
#include <fewstep/algorithm/consistency_training.hpp>
#include <fewstep/algorithm/ddpo.hpp>
#include <fewstep/algorithm/direct_reward_gradient.hpp>
#include <fewstep/algorithm/draft.hpp>
#include <fewstep/algorithm/grpo.hpp>
#include <fewstep/algorithm/policy_gradient.hpp>
#include <fewstep/algorithm/rebel.hpp>
#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/algorithm/rlcm_hybrid.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/guided.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/generator/rescaled.hpp>
#include <fewstep/generator/text_unet.hpp>
#include <fewstep/loss/auxiliary_loss.hpp>
#include <fewstep/loss/consistency_regularizer.hpp>
#include <fewstep/loss/last_step_reward.hpp>
#include <fewstep/mdp/generator_particles.hpp>
#include <fewstep/mdp/open_rollout.hpp>
#include <fewstep/mdp/policy.hpp>
#include <fewstep/mdp/prompts.hpp>
#include <fewstep/monitor/bootstrap.hpp>
#include <fewstep/monitor/diversity.hpp>
#include <fewstep/monitor/early_stopping.hpp>
#include <fewstep/monitor/gradient_variance.hpp>
#include <fewstep/monitor/held_out_samples.hpp>
#include <fewstep/monitor/learning_curves.hpp>
#include <fewstep/objective/clipped_surrogate.hpp>
#include <fewstep/objective/divergence_mask.hpp>
#include <fewstep/objective/guarded_surrogate.hpp>
#include <fewstep/objective/reinforce.hpp>
#include <fewstep/objective/reward_regression.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/optimizer/ema.hpp>
#include <fewstep/optimizer/gradient_norm.hpp>
#include <fewstep/optimizer/parameter_update.hpp>
#include <fewstep/optimizer/schedule.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/regularizer/kl_to_reference.hpp>
#include <fewstep/reward/async.hpp>
#include <fewstep/reward/device_reward.hpp>
#include <fewstep/reward/differentiable_per_sample.hpp>
#include <fewstep/reward/differentiable_reward.hpp>
#include <fewstep/reward/per_sample.hpp>
#include <fewstep/reward/weighted_sum.hpp>
#include <fewstep/reward_model/alignment_reward.hpp>
#include <fewstep/reward_model/contrastive_training.hpp>
#include <fewstep/reward_model/labelling_rule.hpp>
#include <fewstep/reward_model/preference_reward.hpp>
#include <fewstep/reward_model/preference_training.hpp>
#include <fewstep/reward_model/retrieval.hpp>
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/sampler/cps.hpp>
#include <fewstep/sampler/dance_sde.hpp>
#include <fewstep/sampler/ddim.hpp>
#include <fewstep/sampler/flow_sde.hpp>
#include <fewstep/sampler/lcm.hpp>
#include <fewstep/sampler/scored_part.hpp>
#include <fewstep/testing/check_generator.hpp>
