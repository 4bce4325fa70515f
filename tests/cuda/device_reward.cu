// SPDX-License-Identifier: Apache-2.0
// Rewards that rate on a device.
#include "cuda/support.cuh"

#include <fewstep/advantage/batch.hpp>
#include <fewstep/algorithm/policy_gradient.hpp>
#include <fewstep/cuda.cuh>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/monitor/held_out_samples.hpp>
#include <fewstep/objective/reinforce.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/reward/device_reward.hpp>
#include <fewstep/sampler/consistency.hpp>

#include <cstdint>
#include <span>
#include <vector>

using namespace fewstep;
using namespace fewstep::test;

namespace {

using contexts_type = context_rows<std::int32_t>;

/// out[r] = minus the sum of squares of row r, plus what it was made for.
struct nearness_of_row {
  matrix<const float> samples;
  contexts_type contexts;
  vec<float> out;
  FEWSTEP_HD void operator()(index_t r) const {
    float sum = 0;
    for (index_t d = 0; d < samples.cols(); ++d) sum -= samples.row(r)[d] * samples.row(r)[d];
    out.data[r] = sum + static_cast<float>(contexts[r]);
  }
};

struct on_backend {
  template <class Backend>
  void operator()(Backend& backend, matrix<const float> samples, contexts_type contexts, vec<float> out) const {
    backend.for_each(out.size(), nearness_of_row{samples, contexts, out});
  }
};
struct on_host_side {
  void operator()(matrix<const float> samples, std::span<const std::int32_t> contexts, std::span<float> out) const {
    const vec<const std::int32_t> of_rows{contexts.data(), {samples.rows()}};
    for (index_t r = 0; r < samples.rows(); ++r) nearness_of_row{samples, of_rows, {out.data(), {samples.rows()}}}(r);
  }
};

/// A trainer of 3 x 8 samples of 4096 values.
template <class Backend, class Reward>
struct rig {
  mlp_generator<Backend> model;
  policy_gradient<Backend, mlp_generator<Backend>,
                  policy_gradient_parts<Reward, sgd, reinforce, batch_advantage, consistency_sampler>>
      trainer;

  explicit rig(Backend& backend)
      : model(backend, {.network = {.dimension = 4096, .classes = 3, .hidden = {2}}, .seed = 3}),
        trainer(backend, model, {.reward = Reward{}, .optimizer = sgd{.learning_rate = 1e-3f}},
                {.horizon = 2, .batch = {.prompts = 3, .samples_per_prompt = 8}, .training = {.seed = 2}}) {}

  std::vector<float> run(int updates) {
    std::vector<float> rewards;
    for (int k = 0; k < updates; ++k) {
      (void)trainer.update({0, 1, 2});
      rewards.insert(rewards.end(), trainer.rewards().begin(), trainer.rewards().end());
    }
    return rewards;
  }
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("rewards on a device are those of the host, and those of the CPU", "[cuda]", devices) {
  TestType backend;
  cpu_backend cpu({.threads = 1});
  rig<TestType, on_backend> there(backend);
  rig<TestType, on_host_side> here(backend);
  rig<cpu_backend, on_backend> on_cpu(cpu);
  const auto rewards = there.run(3);
  CHECK(relative_error(rewards, here.run(3)) < 1e-6);
  CHECK(relative_error(rewards, on_cpu.run(3)) < 1e-5);
  // The samples can be had all the same.
  CHECK(relative_error(std::vector<float>(there.trainer.samples().begin(), there.trainer.samples().end()),
                       std::vector<float>(on_cpu.trainer.samples().begin(), on_cpu.trainer.samples().end())) < 1e-5);

  const std::vector<std::int32_t> prompts = {0, 1, 2};
  held_out_samples held_out(backend, there.model, there.trainer.table(), std::span(prompts), 2);
  held_out.draw();
  on_backend reward;
  on_host_side same;
  CHECK(held_out.mean_reward(reward).mean == Approx(held_out.mean_reward(same).mean).epsilon(1e-6));
}

TEST_CASE("a reward on a device gets no sample to the host", "[cuda]") {
  const auto bytes_of_update = [](auto reward) {
    emulated_backend backend;
    rig<emulated_backend, decltype(reward)> r(backend);
    (void)r.run(1);
    const auto before = backend.device().bytes_to_host();
    (void)r.run(1);
    return backend.device().bytes_to_host() - before;
  };
  const auto there = bytes_of_update(on_backend{}), here = bytes_of_update(on_host_side{});
  const std::int64_t samples = 3 * 8, all = samples * 4096 * static_cast<std::int64_t>(sizeof(float));
  CHECK(here - there == all - samples * static_cast<std::int64_t>(sizeof(float)));
  CHECK(there < all / 16);  // scores and a norm
}
