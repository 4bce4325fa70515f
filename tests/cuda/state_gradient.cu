// SPDX-License-Identifier: Apache-2.0
// Gradients by the state on a device, and what goes back through them: those of the CPU.
#include "cuda/support.cuh"
#include "support/differentiable_gaussian.hpp"
#include "support/tiny_text_unet.hpp"

#include <fewstep/algorithm/draft.hpp>
#include <fewstep/cuda.cuh>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/loss/consistency_regularizer.hpp>
#include <fewstep/loss/last_step_reward.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/testing/check_generator.hpp>

#include <vector>

using namespace fewstep;
using namespace fewstep::test;

namespace {

template <class Backend>
mlp_generator<Backend> make_mlp(Backend& backend) {
  return {backend, {.network = {.dimension = 3, .classes = 4, .hidden = {16, 16}}, .seed = 3}};
}

/// Gradients by state and parameters of sum(o * probe) for rows of states, times and contexts.
template <class Backend, class Generator, class Context>
std::vector<float> gradients(Backend& backend, Generator& model, const std::vector<float>& x,
                             const std::vector<float>& times, const std::vector<Context>& contexts,
                             const std::vector<float>& probe, bool of_states) {
  const auto n = static_cast<index_t>(times.size()), size = model.sample_size();
  const auto device_x = to_device(backend, x), device_times = to_device(backend, times),
             device_probe = to_device(backend, probe);
  const auto device_contexts = to_device(backend, contexts);
  const batch<Context> rows{{device_x.data(), {n, size}}, device_times.view(), device_contexts.view()};
  const matrix<const float> o_gradient{device_probe.data(), {n, size}};
  tensor<float, 2, Backend> o(backend, {n, size}), x_gradient(backend, {n, size});
  auto workspace = model.make_workspace(backend, n);
  const vec<float> g = model.gradients();
  backend.for_each(g.size(), detail::fill<float>{g.data, 0.0f});
  model.forward(backend, rows, o.view(), workspace);
  if (of_states)
    model.backward(backend, rows, o_gradient, x_gradient.view(), workspace);
  else
    model.backward(backend, rows, o_gradient, workspace);
  auto result = to_host(backend, g.data, g.size());
  if (of_states) {
    const auto by_state = to_host(backend, x_gradient.data(), x_gradient.size());
    result.insert(result.begin(), by_state.begin(), by_state.end());
  }
  return result;
}

/// The device's gradients are the CPU's, and those of the parameters have the bits that they have alone.
template <class Backend, class OnCpu, class OnDevice, class Context>
void compare(cpu_backend& cpu, OnCpu& on_cpu, Backend& backend, OnDevice& on_device, const std::vector<float>& x,
             const std::vector<float>& times, const std::vector<Context>& contexts, const std::vector<float>& probe) {
  const auto expected = gradients(cpu, on_cpu, x, times, contexts, probe, true),
             actual = gradients(backend, on_device, x, times, contexts, probe, true),
             alone = gradients(backend, on_device, x, times, contexts, probe, false);
  const auto states = static_cast<std::ptrdiff_t>(x.size());
  const auto part = [&](const std::vector<float>& v, bool of_parameters) {
    return std::vector<float>(of_parameters ? v.begin() + states : v.begin(),
                              of_parameters ? v.end() : v.begin() + states);
  };
  CHECK(relative_error(part(actual, false), part(expected, false)) < 1e-4);
  CHECK(relative_error(part(actual, true), part(expected, true)) < 1e-4);
  CHECK(same_bits(part(actual, true), alone));
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("an mlp_generator's gradient by the state is the CPU's", "[cuda]", devices) {
  constexpr index_t rows = 5;
  cpu_backend cpu({.threads = 1});
  auto on_cpu = make_mlp(cpu);
  TestType backend;
  auto on_device = make_mlp(backend);
  compare(cpu, on_cpu, backend, on_device, normals<float>(3 * rows, 1), {0.002f, 0.1f, 1, 7, 80},
          std::vector<std::int32_t>{0, 1, 2, 3, 0}, normals<float>(3 * rows, 2));
}

TEMPLATE_LIST_TEST_CASE("a text_unet's gradient by the state is the CPU's", "[cuda]", devices) {
  const text_rows all(3, 8 * 8 * 3, 3);
  cpu_backend cpu({.threads = 1});
  auto on_cpu = make_tiny_text_unet(cpu);
  TestType backend;
  auto on_device = make_tiny_text_unet(backend);
  compare(cpu, on_cpu, backend, on_device, all.x, all.times, all.texts, all.probe);
}

TEMPLATE_LIST_TEST_CASE("a direct reward gradient with losses beside it is the CPU's", "[cuda]", devices) {
  const auto run = [](auto& backend) {
    auto model = make_mlp(backend);
    auto trainer = draft(
        backend, model,
        direct_reward_gradient_parts{
            .reward = differentiable_quadratic{1.5f},
            .optimizer = sgd{.learning_rate = 1e-3f},
            .auxiliary = auxiliary_losses(last_step_reward(backend, differentiable_quadratic{0}, {.weight = 0.3f}),
                                          consistency_regularizer(backend, {.weight = 0.2f}))},
        {.horizon = 3, .steps_with_gradient = 3, .batch = {.prompts = 4, .samples_per_prompt = 2}});
    std::vector<double> told;
    for (int k = 0; k < 2; ++k) {
      const update_report report = trainer.update(std::vector<std::int32_t>{0, 1, 2});
      told.insert(told.end(), {report.reward_mean, report.loss, report.gradient_norm});
    }
    auto result = to_host(backend, model.gradients().data, model.gradients().size());
    result.insert(result.end(), told.begin(), told.end());
    return result;
  };
  cpu_backend cpu({.threads = 1});
  const auto expected = run(cpu);
  TestType backend;
  const auto actual = run(backend);
  CHECK(relative_error(actual, expected) < 1e-3);
  TestType again;
  CHECK(same_bits(run(again), actual));
}
