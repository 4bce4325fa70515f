// SPDX-License-Identifier: Apache-2.0
// The update as a user of the library writes it; see count.sh.
#include "problem.hpp"

#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/reward/per_sample.hpp>

#include <cstdint>
#include <vector>

int main(int argc, char** argv) {
  return problem::run(argc, argv, [](auto& backend, auto& model, int updates) {
    auto reward =
        fewstep::per_sample([](fewstep::vec<const float> x, std::int32_t) { return problem::reward_of(x.data); });
    auto trainer = fewstep::rlcm(backend, model, reward, problem::optimizer,
                                 {.horizon = problem::horizon,
                                  .batch = {.prompts = problem::samples, .samples_per_prompt = 1},
                                  .training = {.seed = problem::seed}});
    for (int i = 0; i < updates; ++i) trainer.update(problem::classes);
  });
}
