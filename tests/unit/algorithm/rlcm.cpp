// SPDX-License-Identifier: Apache-2.0
#include "support/gaussian_consistency.hpp"
#include "test.hpp"

#include <fewstep/advantage/group.hpp>
#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/objective/reinforce.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/reward/per_sample.hpp>

#include <type_traits>
#include <vector>

using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::test::gaussian_consistency;

namespace {

/// A generator with discrete timesteps: the same with another preconditioning.
struct latent_consistency : gaussian_consistency {
  [[nodiscard]] fewstep::lcm preconditioner() const { return {}; }
};

const auto judge = fewstep::per_sample([](fewstep::vec<const float> x, std::int32_t) { return x[0]; });
const std::vector<std::int32_t> contexts = {0, 1};

}  // namespace

TEST_CASE("rlcm's defaults are the published settings, but for the last step and the clip range") {
  cpu_backend backend({.threads = 1});
  gaussian_consistency model;
  auto trainer = fewstep::rlcm(backend, model, judge, fewstep::adam{});
  CHECK(trainer.options().horizon == 8);
  CHECK(trainer.options().batch.prompts == 16);
  CHECK(trainer.options().batch.samples_per_prompt == 1);
  CHECK(trainer.options().reduction == fewstep::reduction::mean);
  CHECK(trainer.options().inner_epochs == 1);
  CHECK(trainer.options().optimizer_steps == 1);
  CHECK(trainer.options().training.max_gradient_norm == 5.0f);
  CHECK(trainer.parts().optimizer.learning_rate == 1e-4f);
  CHECK(trainer.parts().advantage.capacity == 16);
  CHECK(trainer.parts().advantage.min_count == 16);
  CHECK(trainer.parts().advantage.clip == 10.0f);
  CHECK(trainer.table().trained == 7);
  CHECK(trainer.table().result == fewstep::emitted::clean);
  // Three dimensions.
  CHECK(trainer.parts().objective.clip_range.low == Approx(std::log(1.2) / 3));
}

TEST_CASE("rlcm takes the published clip range and last step where they are asked for") {
  cpu_backend backend({.threads = 1});
  gaussian_consistency model;
  const auto with = [&](float clip_range) {
    return fewstep::rlcm(
        backend, model,
        fewstep::policy_gradient_parts{.reward = judge,
                                       .optimizer = fewstep::adam{},
                                       .objective = fewstep::clipped_surrogate{.clip_range = clip_range},
                                       .sampler = fewstep::consistency_sampler{.last = fewstep::last_step::reference}});
  };
  auto trainer = with(1e-4f);
  CHECK(trainer.parts().objective.clip_range == 1e-4f);
  CHECK(trainer.table().trained == 8);
  CHECK_THROWS_WITH(with(1.5f), contains("clip_range is 1.5"));
}

TEST_CASE("rlcm with one network call needs a stochastic last step") {
  cpu_backend backend({.threads = 1});
  gaussian_consistency model;
  CHECK_THROWS_WITH(fewstep::rlcm(backend, model, judge, fewstep::adam{}, {.horizon = 1}),
                    contains("horizon is 1 but last_step is mask; use horizon >= 2 or last_step::stochastic"));
  auto trainer = fewstep::rlcm(
      backend, model,
      fewstep::policy_gradient_parts{.reward = judge,
                                     .optimizer = fewstep::adam{},
                                     .sampler = fewstep::consistency_sampler{.last = fewstep::last_step::stochastic}},
      {.horizon = 1});
  CHECK(trainer.update(contexts).ratio_mean == 1.0);
}

TEST_CASE("rlcm samples a generator with discrete timesteps by the LCM rule") {
  cpu_backend backend({.threads = 1});
  latent_consistency model;
  auto trainer = fewstep::rlcm(backend, model, judge, fewstep::adam{}, {.horizon = 4});
  std::vector<float> times;
  for (const auto& row : trainer.table().rows) times.push_back(row.time);
  CHECK(times == std::vector<float>{999, 759, 519, 279});
}

TEST_CASE("rlcm updates with another advantage, and its report counts its updates") {
  cpu_backend backend({.threads = 1});
  gaussian_consistency model;
  auto trainer = fewstep::rlcm(
      backend, model,
      fewstep::policy_gradient_parts{
          .reward = judge, .optimizer = fewstep::adam{.learning_rate = 0.01f}, .advantage = fewstep::group_advantage{}},
      {.horizon = 2, .batch = {.prompts = 4, .samples_per_prompt = 16}});
  const float before = model.mean;
  double first = 0, last = 0;
  for (const auto& report : trainer.run(contexts, 60)) {
    if (report.index == 0) first = report.reward_mean;
    last = report.reward_mean;
    CHECK(report.ratio_mean == 1.0);
    CHECK(report.zero_variance == 0);
  }
  CHECK(trainer.index() == 60);
  CHECK(model.mean > before + 0.2f);
  CHECK(last > first);
}

TEST_CASE("with one optimizer step per rollout rlcm makes the bits of REINFORCE, with several ratios are clipped") {
  for (const int optimizer_steps : {1, 4}) {
    cpu_backend backend({.threads = 1});
    gaussian_consistency clipped, plain;
    const fewstep::adam optimizer{.learning_rate = 0.05f};
    const fewstep::policy_gradient_options o{
        .horizon = 4, .optimizer_steps = optimizer_steps, .batch = {.samples_per_prompt = 4}, .training = {.seed = 3}};
    auto trainer = fewstep::rlcm(backend, clipped, judge, optimizer, o);
    fewstep::policy_gradient reference(
        backend, plain,
        fewstep::policy_gradient_parts{.reward = judge, .optimizer = optimizer, .objective = fewstep::reinforce{}}, o);
    for (int k = 0; k < 5; ++k) {
      const auto report = trainer.update(contexts);
      reference.update(contexts);
      CHECK((report.clip_fraction > 0) == (optimizer_steps > 1));
      if (k > 0) CHECK((clipped.mean == plain.mean) == (optimizer_steps == 1));
    }
    CHECK(clipped.mean > 0.31f);
  }
}
