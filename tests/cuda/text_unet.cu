// SPDX-License-Identifier: Apache-2.0
// The whole network on a device: outputs and gradients of the CPU, and the same bits for a picture in any batch.
#include "cuda/support.cuh"
#include "support/tiny_text_unet.hpp"

#include <fewstep/advantage/batch.hpp>
#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/cuda.cuh>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/reward/per_sample.hpp>

#include <optional>
#include <vector>

using namespace fewstep;
using namespace fewstep::test;

namespace {

constexpr index_t size = 8 * 8 * 3;

/// The rows on a device.
template <class Backend>
struct device_rows {
  index_t count;
  tensor<float, 1, Backend> x, times, probe;
  tensor<token_list, 1, Backend> texts;

  device_rows(Backend& backend, const text_rows& all)
      : count(all.count),
        x(to_device(backend, all.x)),
        times(to_device(backend, all.times)),
        probe(to_device(backend, all.probe)),
        texts(to_device(backend, all.texts)) {}
  batch<token_list> rows() const { return {{x.data(), {count, size}}, times.view(), texts.view()}; }
  matrix<const float> gradient() const { return {probe.data(), {count, size}}; }
};

template <class Backend>
std::vector<float> predict(Backend& backend, text_unet<Backend>& model, batch<token_list> rows) {
  auto workspace = model.make_workspace(backend, 0);
  tensor<float, 2, Backend> o(backend, {rows.rows(), size});
  model.predict(backend, rows, o.view(), workspace);
  return to_host(backend, o.data(), o.size());
}

/// Outputs of forward, and gradients of sum(o * probe) from calls of `part` rows.
template <class Backend>
std::vector<float> trained(Backend& backend, text_unet<Backend>& model, batch<token_list> rows,
                           matrix<const float> probe, index_t part) {
  auto workspace = model.make_workspace(backend, part);
  tensor<float, 2, Backend> o(backend, {rows.rows(), size});
  const vec<float> g = model.gradients();
  backend.for_each(g.size(), detail::fill<float>{g.data, 0.0f});
  for (index_t first = 0; first < rows.rows(); first += part) {
    const index_t n = std::min(part, rows.rows() - first);
    model.forward(backend, rows.subview(first, n), o.view().subview(first, n), workspace);
    model.backward(backend, rows.subview(first, n), probe.subview(first, n), workspace);
  }
  auto result = to_host(backend, o.data(), o.size());
  const auto gradients = to_host(backend, g.data, g.size());
  result.insert(result.end(), gradients.begin(), gradients.end());
  return result;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("text_unet on a device: outputs and gradients are those of the CPU", "[cuda]", devices) {
  for (const bool adapted : {false, true}) {
    const auto lora = adapted ? std::optional(lora_options{.rank = 3, .alpha = 5}) : std::nullopt;
    const text_rows all(3, size, 3);
    cpu_backend cpu({.threads = 1});
    auto on_cpu = make_tiny_text_unet(cpu, lora);
    TestType backend;
    auto on_device = make_tiny_text_unet(backend, lora);
    const device_rows<TestType> rows(backend, all);
    const auto expected = trained(cpu, on_cpu, all.rows(), all.gradient(), 3);
    const auto actual = trained(backend, on_device, rows.rows(), rows.gradient(), 3);
    const auto outputs = static_cast<std::ptrdiff_t>(3 * size);
    const auto part = [&](const std::vector<float>& v, bool gradients) {
      return std::vector<float>(gradients ? v.begin() + outputs : v.begin(), gradients ? v.end() : v.begin() + outputs);
    };
    CHECK(relative_error(part(actual, false), part(expected, false)) < 1e-5);
    CHECK(relative_error(part(actual, true), part(expected, true)) < 1e-4);
  }
}

TEMPLATE_LIST_TEST_CASE("text_unet on a device: a picture has the same bits in any batch, forward those of predict",
                        "[cuda]", devices) {
  const text_rows all(5, size, 3);
  TestType backend;
  auto model = make_tiny_text_unet(backend, {}, 2);
  CHECK(model.row_block() == 2);
  const device_rows<TestType> rows(backend, all);
  const auto o = predict(backend, model, rows.rows());
  for (const index_t first : {index_t{1}, index_t{4}}) {
    const auto alone = predict(backend, model, rows.rows().subview(first, 1));
    CHECK(same_bits(alone.data(), o.data() + first * size, size));
  }
  const auto whole = trained(backend, model, rows.rows(), rows.gradient(), 5);
  CHECK(same_bits(whole.data(), o.data(), 5 * size));
  CHECK(same_bits(trained(backend, model, rows.rows(), rows.gradient(), 2), whole));
}

TEMPLATE_LIST_TEST_CASE("text_unet on a device: RLCM has ratios of exactly 1, in any micro-batches", "[cuda]",
                        devices) {
  memory_plan plan;
  const auto run = [&plan](std::size_t budget) {
    TestType backend;
    auto model = make_tiny_text_unet(backend, {}, 2);
    auto redness = per_sample([](vec<const float> x, const token_list&) { return x[0] - x[1]; });
    auto trainer =
        rlcm(backend, model,
             policy_gradient_parts{
                 .reward = redness, .optimizer = adam{.learning_rate = 1e-3f}, .advantage = batch_advantage{}},
             {.horizon = 2, .batch = {.prompts = 1, .samples_per_prompt = 5}, .training = {.memory_budget = budget}});
    plan = trainer.memory();
    const std::vector<token_list> contexts{{{1, 2}}, {{3}}};
    for (int k = 0; k < 3; ++k) {
      const update_report report = trainer.update(contexts);
      CHECK(report.ratio_mean == 1);
      CHECK(report.ratio_deviation == 0);
    }
    return to_host(backend, model.parameters().data, model.parameters().size());
  };
  const auto whole = run(std::size_t{1} << 30);
  CHECK(plan.rows == 6);
  CHECK(same_bits(run(plan.total() - plan.workspace / 8), whole));
  CHECK(plan.rows < 6);
}
