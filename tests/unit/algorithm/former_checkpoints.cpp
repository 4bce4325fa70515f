// SPDX-License-Identifier: Apache-2.0
// Checkpoints that a development version before 0.1.0 wrote, when options were not in groups, after one update each
// (tests/data/checkpoints_before_groups).
#include "support/nearness.hpp"
#include "support/temporary_directory.hpp"
#include "test.hpp"

#include <fewstep/algorithm/consistency_training.hpp>
#include <fewstep/algorithm/draft.hpp>
#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/io/checkpoint.hpp>
#include <fewstep/optimizer/adam.hpp>

#include <algorithm>
#include <filesystem>
#include <string>

using namespace fewstep;
using fewstep::test::nearness_to;

namespace {

std::filesystem::path former(const std::string& algorithm) {
  return std::filesystem::path(__FILE__).parent_path() / "../../data/checkpoints_before_groups" /
         (algorithm + ".safetensors");
}

/// Loads the file and sees that all of its state has come over, whatever its settings are called.
template <class Trainer>
void takes_over(const std::string& algorithm, Trainer& trainer) {
  load_checkpoint(former(algorithm), trainer);
  CHECK(trainer.index() == 1);
  const temporary_directory directory;
  save_checkpoint(directory / "c", trainer);
  const auto then = safetensors_file::load(former(algorithm)), now = safetensors_file::load(directory / "c");
  int compared = 0;
  for (const std::string& name : then.names()) {
    if (!now.contains(name)) continue;  // a setting with another name
    CAPTURE(name);
    const auto a = then.bytes(name), b = now.bytes(name);
    CHECK(std::equal(a.begin(), a.end(), b.begin(), b.end()));
    ++compared;
  }
  for (const char* name : {"parameters", "average", "optimizer.first", "optimizer.second", "optimizer.steps"})
    CHECK(now.contains(name));
  CHECK(then.names().size() == now.names().size());
  CHECK(compared > 20);
}

mlp_generator<cpu_backend> model_on(cpu_backend& backend) { return {backend, {.network = {.hidden = {4}}, .seed = 1}}; }

}  // namespace

TEST_CASE("a policy gradient goes on from a checkpoint of before options were in groups") {
  cpu_backend backend({.threads = 1});
  auto model = model_on(backend);
  const auto with = [&](int prompts, float ema_decay) {
    return rlcm(
        backend, model, nearness_to{}, adam{},
        {.horizon = 2, .batch = {.prompts = prompts, .samples_per_prompt = 2}, .training = {.ema_decay = ema_decay}});
  };
  auto trainer = with(2, 0.5f);
  takes_over("rlcm", trainer);
  trainer.update({0});
  CHECK(trainer.index() == 2);
  auto other = with(3, 0.5f), without = with(2, 0.25f);
  CHECK_THROWS_WITH(load_checkpoint(former("rlcm"), other),
                    contains("was made with prompts_per_update = 2, but this run has 3"));
  CHECK_THROWS_WITH(load_checkpoint(former("rlcm"), without),
                    contains("was made with average_decay = 0.5, but this run has 0.25"));
  CHECK_THROWS_WITH(load_checkpoint(former("rlcm"), other), contains("; it is called batch.prompts today"));
  CHECK_THROWS_WITH(load_checkpoint(former("rlcm"), without), contains("; it is called training.ema_decay today"));
}

TEST_CASE("a direct reward gradient goes on from a checkpoint of before options were in groups") {
  cpu_backend backend({.threads = 1});
  auto model = model_on(backend);
  auto trainer =
      draft(backend, model, nearness_to{}, adam{}, {.horizon = 2, .batch = {.prompts = 2, .samples_per_prompt = 2}});
  takes_over("draft", trainer);
}

TEST_CASE("a consistency training goes on from a checkpoint with former names") {
  cpu_backend backend({.threads = 1});
  auto model = model_on(backend);
  consistency_training trainer(backend, model, adam{}, {.steps = 9, .batch = 4, .ema_decay = 0.9f});
  takes_over("consistency_training", trainer);
}

TEST_CASE("a checkpoint of another trainer is refused with the version that wrote it and what to do") {
  cpu_backend backend({.threads = 1});
  auto model = model_on(backend);
  auto trainer =
      draft(backend, model, nearness_to{}, adam{}, {.horizon = 2, .batch = {.prompts = 2, .samples_per_prompt = 2}});
  const std::string remedy = "a development version of fewstep before 0.1.0 wrote it, and this is " +
                             detail::library_version() + "; resume with that, or start a new run";
  CHECK_THROWS_WITH(load_checkpoint(former("rlcm"), trainer),
                    contains("has no value 'steps_with_gradient'; " + remedy));
  CHECK(trainer.index() == 0);
}
