// SPDX-License-Identifier: Apache-2.0
#include "learner.hpp"

#include <fewstep/core/error.hpp>

namespace paper {

train_settings settled(train_settings s) {
  fewstep::expects(s.method == "rlcm" || s.method == "ddpo",
                   [&] { return fewstep::message("there is no method '", s.method, "'; use rlcm or ddpo"); });
  const bool is_ddpo = s.method == "ddpo";
  fewstep::expects(is_ddpo || s.guidance == 1.0f, [&] {
    return fewstep::message("--guidance is ", s.guidance, " but the method is ", s.method,
                            ", whose model is not guided; leave it at 1, or use ddpo");
  });
  fewstep::expects(s.updates >= 1 && s.checkpoint_every >= 1 && s.evaluation_samples >= 2 && s.final_samples >= 2, [&] {
    return fewstep::message("--updates is ", s.updates, ", --checkpoint-every ", s.checkpoint_every,
                            ", --evaluation-samples ", s.evaluation_samples, ", --final-samples ", s.final_samples,
                            "; the first two must be at least 1, the others 2");
  });
  if (s.horizon == 0) s.horizon = is_ddpo ? 50 : 4;
  if (s.learning_rate == 0.0f) s.learning_rate = is_ddpo ? 3e-4f : 3e-4f;
  if (s.optimizer_steps == 0) s.optimizer_steps = is_ddpo ? 4 : 1;
  if (s.evaluate_every == 0) s.evaluate_every = is_ddpo ? 4 : 20;
  return s;
}

std::filesystem::path model_of(const train_settings& s) {
  return s.models / (s.method == "ddpo" ? "denoiser.safetensors" : "consistency.safetensors");
}

drawing drawing_of(const train_settings& s) {
  return {.by_denoiser = s.method == "ddpo", .steps = s.horizon, .guidance = s.guidance, .eta = 1};
}

std::unique_ptr<learner> make_learner(fewstep::cpu_backend& host, const train_settings& s) {
  return s.method == "ddpo" ? make_ddpo(host, s) : make_rlcm(host, s);
}

}  // namespace paper
