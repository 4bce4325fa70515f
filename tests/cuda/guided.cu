// SPDX-License-Identifier: Apache-2.0
// Guidance on a device: the outputs, gradients and updates of the CPU, recorded or not.
#include "cuda/support.cuh"
#include "support/nearness.hpp"

#include <fewstep/advantage/batch.hpp>
#include <fewstep/algorithm/ddpo.hpp>
#include <fewstep/cuda.cuh>
#include <fewstep/generator/guided.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/reward/per_sample.hpp>

#include <algorithm>
#include <cstdint>
#include <vector>

using namespace fewstep;
using namespace fewstep::test;

namespace {

const std::vector<std::int32_t> classes{0, 1, 2};

template <class Backend>
mlp_generator<Backend, edm_denoiser> network(Backend& backend) {
  return {backend, {.network = {.dimension = 5, .classes = 3, .hidden = {16, 24}}, .seed = 1}};
}

/// Parameters, samples and figures after some updates of DDPO with guidance.
template <class Backend>
std::vector<float> learned(Backend& backend) {
  auto generator = network(backend);
  guided model(backend, generator, {.scale = 3.0f});
  auto trainer = ddpo(
      backend, model,
      policy_gradient_parts{
          .reward = per_sample(nearness{}), .optimizer = adamw{.learning_rate = 1e-3f}, .advantage = batch_advantage{}},
      {.horizon = 3, .optimizer_steps = 1, .batch = {.prompts = 3, .samples_per_prompt = 7}});
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

TEMPLATE_LIST_TEST_CASE("guidance on a device is that of the CPU, in batches of any size", "[cuda]", devices) {
  constexpr index_t rows = 600, size = 5;  // more than are evaluated at a time
  const auto x = normals<float>(rows * size, 2), probe = normals<float>(rows * size, 3);
  std::vector<float> times;
  std::vector<std::int32_t> contexts;
  for (index_t r = 0; r < rows; ++r) {
    times.push_back(0.1f + 0.01f * static_cast<float>(r));
    contexts.push_back(static_cast<std::int32_t>(r % 4) - 1);
  }
  /// Outputs, and gradients of sum(o * probe) from calls of `part` rows.
  const auto evaluated = [&](auto& backend, index_t part) {
    auto generator = network(backend);
    guided model(backend, generator, {.scale = 3.0f});
    const auto on_device = to_device(backend, x), at = to_device(backend, times), g = to_device(backend, probe);
    const auto under = to_device(backend, contexts);
    const batch<std::int32_t> all{{on_device.data(), {rows, size}}, at.view(), under.view()};
    auto o = to_device(backend, x);
    auto few = model.make_workspace(backend, 0), workspace = model.make_workspace(backend, part);
    model.predict(backend, all, {o.data(), {rows, size}}, few);
    auto result = to_host(backend, o);
    for (index_t first = 0; first < rows; first += part) {
      const index_t n = std::min(part, rows - first);
      model.forward(backend, all.subview(first, n), {o.data() + first * size, {n, size}}, workspace);
      model.backward(backend, all.subview(first, n), {g.data() + first * size, {n, size}}, workspace);
    }
    CHECK(same_bits(to_host(backend, o), result));
    const auto gradients = to_host(backend, model.gradients().data, model.gradients().size());
    result.insert(result.end(), gradients.begin(), gradients.end());
    return result;
  };
  cpu_backend cpu({.threads = 1});
  TestType backend;
  const auto whole = evaluated(backend, rows);
  CHECK(relative_error(whole, evaluated(cpu, rows)) < 1e-5);
  CHECK(same_bits(evaluated(backend, 512), whole));
}

TEMPLATE_LIST_TEST_CASE("guided updates on a device are those of the CPU, recorded or not", "[cuda]", devices) {
  cpu_backend cpu({.threads = 1});
  TestType recording, plain({.graphs = false});
  const auto recorded = learned(recording);
  CHECK(relative_error(recorded, learned(cpu)) < 1e-4);
  CHECK(same_bits(recorded, learned(plain)));
}
