// SPDX-License-Identifier: Apache-2.0
#include "learner.hpp"

#include "text_to_emoji/option_checks.hpp"

#include <fewstep/core/error.hpp>

#include <array>
#include <string_view>

namespace paper {
namespace {

/// What a method is trained with unless it is asked for.
struct method_defaults {
  std::string_view name;
  decltype(&make_learner) make;
  int horizon, prompts, samples, optimizer_steps;
  bool takes_kl = true;
};

/// 64 pictures an update for all; network calls and optimizer steps as published, or nearly so.
constexpr std::array<method_defaults, 14> methods{{{"rlcm", make_consistency_learner, 8, 64, 1, 1},
                                                   {"reinforce", make_consistency_learner, 8, 64, 1, 1},
                                                   {"rebel", make_consistency_learner, 8, 32, 2, 1},
                                                   {"grpo", make_consistency_learner, 8, 8, 8, 2},
                                                   {"cps_grpo", make_consistency_learner, 8, 8, 8, 2},
                                                   {"flow_dppo", make_consistency_learner, 8, 8, 8, 2},
                                                   {"rlcm_hybrid", make_direct_learner, 8, 64, 1, 1},
                                                   {"draft", make_direct_learner, 4, 64, 1, 1, false},
                                                   {"refl", make_direct_learner, 8, 64, 1, 1, false},
                                                   {"ddpo", make_diffusion_learner, 50, 64, 1, 4},
                                                   {"ddpo_sf", make_diffusion_learner, 50, 64, 1, 1},
                                                   {"flow_grpo", make_flow_learner, 10, 8, 8, 2},
                                                   {"mix_grpo", make_flow_learner, 10, 8, 8, 2},
                                                   {"grpo_guard", make_flow_learner, 10, 8, 8, 2}}};

const method_defaults& defaults_of(const std::string& name) {
  std::string names;
  for (const auto& m : methods) {
    if (m.name == name) return m;
    names += fewstep::message(names.empty() ? "" : ", ", m.name);
  }
  throw std::invalid_argument(fewstep::message("there is no method '", name, "'; use one of ", names));
}

}  // namespace

train_settings settled(train_settings s) {
  const auto& method = defaults_of(s.method);
  using text_to_emoji::expect_at_least;
  expect_at_least("--updates", s.updates, 0);
  expect_at_least("--seconds", s.seconds, 0);
  expect_at_least("--horizon", s.horizon, 0);
  expect_at_least("--prompts", s.prompts, 0);
  expect_at_least("--samples", s.samples, 0);
  expect_at_least("--optimizer-steps", s.optimizer_steps, 0);
  text_to_emoji::expect_positive("--learning-rate", s.learning_rate);
  expect_at_least("--kl", s.kl, 0);
  expect_at_least("--guidance", s.guidance, 0);
  expect_at_least("--evaluations", s.evaluations, 1);
  expect_at_least("--evaluation-prompts", s.evaluation_prompts, 2);
  expect_at_least("--evaluation-samples", s.evaluation_samples, 2);
  text_to_emoji::expect_threads(s.threads);
  expect_at_least("--checkpoint-every", s.checkpoint_every, 1);
  fewstep::expects(s.updates > 0 || s.seconds > 0,
                   "the run has no end; say how long it is by --seconds, by --updates, or both");
  fewstep::expects(s.guidance == 1.0f || method.make == make_diffusion_learner, [&] {
    return fewstep::message("--guidance is ", s.guidance, ", but ", s.method,
                            " trains a model that is not guided; leave it at 1, or use ddpo");
  });
  fewstep::expects(s.kl == 0.0f || method.takes_kl, [&] {
    return fewstep::message("--kl is ", s.kl, ", which ", s.method,
                            " does not take, for it has no policy; leave it at 0");
  });
  if (s.label.empty()) s.label = s.method;
  if (s.reward_model.empty()) s.reward_model = default_reward_model(s.reward);
  if (s.horizon == 0) s.horizon = method.horizon;
  if (s.prompts == 0) s.prompts = method.prompts;
  if (s.samples == 0) s.samples = method.samples;
  if (s.optimizer_steps == 0) s.optimizer_steps = method.optimizer_steps;
  return s;
}

std::unique_ptr<learner> make_learner(fewstep::cpu_backend& host, const train_settings& s, const prompt_texts& prompts,
                                      const task_reward& reward) {
  return defaults_of(s.method).make(host, s, prompts, reward);
}

}  // namespace paper
