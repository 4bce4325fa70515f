// SPDX-License-Identifier: Apache-2.0
// Guidance on a device: the outputs, gradients and updates of the CPU, recorded or not.
#include "cuda/support.cuh"

#include <fewstep/advantage/batch.hpp>
#include <fewstep/algorithm/ddpo.hpp>
#include <fewstep/cuda.cuh>
#include <fewstep/generator/check_generator.hpp>
#include <fewstep/generator/guided.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/reward/per_sample.hpp>

#include <cstdint>
#include <vector>

using namespace fewstep;
using namespace fewstep::test;

namespace {

const std::vector<std::int32_t> classes{0, 1, 2};

struct nearness {
  float operator()(vec<const float> x, std::int32_t) const { return -(x[0] - 0.5f) * (x[0] - 0.5f) - x[1] * x[1]; }
};

template <class Backend>
mlp_generator<Backend, edm_denoiser> network(Backend& backend) {
  return {backend, {.network = {.dimension = 5, .classes = 3, .hidden = {16, 24}}, .seed = 1}};
}

/// Parameters, samples and figures after some updates of DDPO with guidance.
template <class Backend>
std::vector<float> learned(Backend& backend) {
  auto generator = network(backend);
  guided model(backend, generator, {.scale = 3.0f});
  auto trainer =
      ddpo(backend, model, per_sample(nearness{}), adamw{.learning_rate = 1e-3f},
           {.horizon = 3, .prompts_per_update = 3, .samples_per_prompt = 7, .optimizer_steps = 1}, batch_advantage{});
  std::vector<float> history;
  for (int k = 0; k < 4; ++k) {
    const update_report report = trainer.update(classes);
    CHECK(report.ratio_mean == 1);
    CHECK(report.ratio_deviation == 0);
    history.push_back(static_cast<float>(report.reward_mean));
    history.push_back(static_cast<float>(report.gradient_norm));
  }
  history.insert(history.end(), trainer.samples().begin(), trainer.samples().end());
  const auto p = to_host(backend, model.parameters().data, model.parameters().size());
  history.insert(history.end(), p.begin(), p.end());
  return history;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("a guided generator on a device keeps the promises of a generator", "[cuda]", devices) {
  TestType backend;
  auto generator = network(backend);
  guided model(backend, generator, {.scale = 3.0f});
  CHECK_NOTHROW(check_generator(backend, model, classes));
}

TEMPLATE_LIST_TEST_CASE("guided updates on a device are those of the CPU, recorded or not", "[cuda]", devices) {
  cpu_backend cpu({.threads = 1});
  TestType recording, plain({.graphs = false});
  const auto recorded = learned(recording);
  CHECK(relative_error(recorded, learned(cpu)) < 1e-4);
  CHECK(same_bits(recorded, learned(plain)));
}
