// SPDX-License-Identifier: Apache-2.0
#include "../../examples/text_to_emoji/run_loop.hpp"

#include "support/temporary_directory.hpp"
#include "test.hpp"

#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/io/checkpoint.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/reward/per_sample.hpp>

#include <limits>
#include <stdexcept>

bool text_to_emoji::interrupted() { return false; }

namespace {

using text_to_emoji::run_steps;

struct trainer_stub {
  std::int64_t number = 0;
  bool whole = true;
  [[nodiscard]] std::int64_t index() const { return number; }
  [[nodiscard]] bool is_whole() const { return whole; }
};

}  // namespace

TEST_CASE("a reward that fails ends a run with a checkpoint of the state before it") {
  fewstep::cpu_backend backend({.threads = 1});
  fewstep::mlp_generator<fewstep::cpu_backend> model(backend, {});
  const bool throws = GENERATE(true, false);
  bool sick = false;
  const auto reward = fewstep::per_sample([&](fewstep::vec<const float> x, std::int32_t) {
    if (sick && throws) throw std::runtime_error("the reward is ill");
    return sick ? std::numeric_limits<float>::infinity() : x[0];
  });
  auto trainer =
      fewstep::rlcm(backend, model, reward, fewstep::adam{},
                    {.horizon = 3, .batch = {.prompts = 2, .samples_per_prompt = 4}, .training = {.ema_decay = 0.9f}});
  const std::vector<std::int32_t> contexts{0};
  const temporary_directory folder;
  std::vector<std::int64_t> saved;
  const auto save = [&] {
    saved.push_back(trainer.index());
    fewstep::save_checkpoint(folder / "saved", trainer);
  };
  const auto step = [&] {
    sick = trainer.index() == 5;
    trainer.update(contexts);
    fewstep::save_checkpoint(folder / "last", trainer);
  };
  SECTION("between two checkpoints") {
    CHECK_THROWS_WITH(run_steps(trainer, 10, 2, step, save), contains(throws ? "the reward is ill" : "is inf"));
    CHECK(saved == std::vector<std::int64_t>{2, 4, 5});
    CHECK(text_of(folder / "saved") == text_of(folder / "last"));
  }
  SECTION("right after one") {
    CHECK_THROWS(run_steps(trainer, 10, 5, step, save));
    CHECK(saved == std::vector<std::int64_t>{5});
    CHECK_THROWS(run_steps(trainer, 10, 5, step, save));  // resumed, and ill still
    CHECK(saved == std::vector<std::int64_t>{5});
  }
}

TEST_CASE("what a step that failed may have moved is not saved") {
  trainer_stub trainer{.number = 3};
  std::vector<std::int64_t> saved;
  const auto save = [&] { saved.push_back(trainer.index()); };
  const auto run = [&](const auto& step) { CHECK_THROWS_WITH(run_steps(trainer, 10, 100, step, save), "failed"); };
  SECTION("the training has begun") {
    run([&] {
      if (++trainer.number == 6) {
        --trainer.number;
        trainer.whole = false;
        throw std::runtime_error("failed");
      }
    });
    CHECK(saved.empty());
  }
  SECTION("the update was made, but not its row of the table") {
    run([&] {
      if (++trainer.number == 6) throw std::runtime_error("failed");
    });
    CHECK(saved.empty());
  }
  SECTION("nothing was made yet") {
    trainer.number = 0;
    run([] { throw std::runtime_error("failed"); });
    CHECK(saved.empty());
  }
}

TEST_CASE("a checkpoint that cannot be written hides no failure of a step") {
  trainer_stub trainer{.number = 3};
  const auto step = [&] {
    if (++trainer.number < 6) return;
    --trainer.number;
    throw std::runtime_error("failed");
  };
  CHECK_THROWS_WITH(run_steps(trainer, 10, 100, step, [] { throw std::runtime_error("the disk is full"); }), "failed");
}
