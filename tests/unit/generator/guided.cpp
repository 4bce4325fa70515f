// SPDX-License-Identifier: Apache-2.0
#include "support/arrays.hpp"
#include "support/micro_batches.hpp"
#include "support/tiny_text_unet.hpp"
#include "test.hpp"

#include <fewstep/algorithm/policy_gradient.hpp>
#include <fewstep/generator/guided.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/reward/per_sample.hpp>
#include <fewstep/testing/check_generator.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

using fewstep::batch;
using fewstep::cpu_backend;
using fewstep::guided;
using fewstep::index_t;
using fewstep::matrix;
using fewstep::token_list;
using fewstep::vec;
using fewstep::test::same_bits;

namespace {

struct observation {
  float position[2], speed;
};
using observing_mlp =
    fewstep::mlp_generator<cpu_backend, fewstep::edm_consistency, fewstep::observation_conditioning<observation>>;

struct class_case {
  using generator_type = fewstep::mlp_generator<cpu_backend>;
  static generator_type make(cpu_backend& backend) {
    return {backend, {.network = {.dimension = 3, .classes = 4, .hidden = {17, 9}}, .seed = 2}};
  }
  static std::vector<std::int32_t> contexts() { return {0, 1, 2, 3, -1}; }
  static std::int32_t none() { return -1; }
};

struct observation_case {
  using generator_type = observing_mlp;
  static generator_type make(cpu_backend& backend) {
    return {backend, {.network = {.dimension = 3, .hidden = {17, 9}}, .seed = 2}};
  }
  static std::vector<observation> contexts() { return {{{1, 2}, 3}, {{-1, 0.5f}, 0}, {{0, 0}, 0}}; }
  static observation none() { return {{0, 0}, 0}; }
};

struct text_case {
  using generator_type = fewstep::test::tiny_text_unet;
  static generator_type make(cpu_backend& backend) { return fewstep::test::make_tiny_text_unet(backend); }
  static std::vector<token_list> contexts() { return {{{1, 2}}, {{3}}, {}}; }
  static token_list none() { return {}; }
};

/// Rows of all contexts, noise levels from 0.01 to 80.
template <class Case>
struct some_rows {
  using context_type = typename Case::generator_type::context_type;
  index_t count, dimension;
  std::vector<float> x, times, probe;
  std::vector<context_type> contexts;

  some_rows(const typename Case::generator_type& model, index_t rows)
      : count(rows),
        dimension(model.sample_size()),
        x(fewstep::test::normals<float>(rows * dimension, 1)),
        probe(fewstep::test::normals<float>(rows * dimension, 2)) {
    const auto all = Case::contexts();
    for (index_t r = 0; r < rows; ++r) {
      times.push_back(0.01f * std::pow(8000.0f, static_cast<float>(r) / static_cast<float>(rows)));
      contexts.push_back(all[static_cast<std::size_t>(r) % all.size()]);
    }
  }
  [[nodiscard]] batch<context_type> rows() const {
    return {{x.data(), {count, dimension}}, {times.data(), {count}}, {contexts.data(), {count}}};
  }
  void forget_contexts() { std::fill(contexts.begin(), contexts.end(), Case::none()); }
};

template <class Model, class Context>
std::vector<float> predicted(cpu_backend& backend, Model& model, const batch<Context>& rows) {
  auto workspace = model.make_workspace(backend, 0);
  std::vector<float> o(static_cast<std::size_t>(rows.x.size()));
  model.predict(backend, rows, {o.data(), rows.x.extents}, workspace);
  return o;
}

/// Gradients of sum(probe * o).
template <class Model, class Rows>
std::vector<float> gradients(cpu_backend& backend, Model& model, const Rows& in, const std::vector<float>& probe) {
  auto workspace = model.make_workspace(backend, in.count);
  std::vector<float> o(in.x.size());
  std::fill(model.gradients().begin(), model.gradients().end(), 0.0f);
  model.forward(backend, in.rows(), {o.data(), {in.count, in.dimension}}, workspace);
  model.backward(backend, in.rows(), {probe.data(), {in.count, in.dimension}}, workspace);
  return {model.gradients().begin(), model.gradients().end()};
}

std::vector<float> scaled(const std::vector<float>& values, float factor) {
  std::vector<float> result;
  for (const float value : values) result.push_back(factor * value);
  return result;
}

}  // namespace

TEMPLATE_TEST_CASE("a guided generator keeps the promises of a generator", "", class_case, observation_case,
                   text_case) {
  const auto [threads, scale] = GENERATE(std::pair{1, 5.0f}, std::pair{2, -0.5f});
  cpu_backend backend({.threads = threads});
  auto model = TestType::make(backend);
  guided with_guidance(backend, model, {.scale = scale});
  static_assert(fewstep::generator<decltype(with_guidance), cpu_backend>);
  CAPTURE(threads, scale);
  CHECK_NOTHROW(check_generator(backend, with_guidance, TestType::contexts()));
}

TEMPLATE_TEST_CASE("a guided generator is two evaluations of the one network", "", class_case, observation_case,
                   text_case) {
  cpu_backend backend({.threads = 2});
  auto model = TestType::make(backend);
  some_rows<TestType> in(model, 70);
  const float scale = 3.5f;
  guided with_guidance(backend, model, {.scale = scale});
  const auto o = predicted(backend, with_guidance, in.rows());
  const auto gradient = gradients(backend, with_guidance, in, in.probe);
  const auto of_conditional = predicted(backend, model, in.rows());
  const auto by_conditional = gradients(backend, model, in, scaled(in.probe, scale));
  in.forget_contexts();
  const auto of_unconditional = predicted(backend, model, in.rows());
  const auto by_unconditional = gradients(backend, model, in, scaled(in.probe, 1 - scale));
  CHECK(fewstep::test::relative_error(of_unconditional, of_conditional) > 0.01);

  std::vector<double> expected, expected_gradient;
  for (std::size_t i = 0; i < o.size(); ++i) {
    const auto c = static_cast<double>(of_conditional[i]), u = static_cast<double>(of_unconditional[i]);
    expected.push_back(u + static_cast<double>(scale) * (c - u));
  }
  for (std::size_t i = 0; i < gradient.size(); ++i)
    expected_gradient.push_back(static_cast<double>(by_conditional[i]) + static_cast<double>(by_unconditional[i]));
  CHECK(fewstep::test::relative_error(o, expected) < 1e-6);
  CHECK(fewstep::test::relative_error(gradient, expected_gradient) < 1e-4);
}

TEMPLATE_TEST_CASE("guidance of scale 1 gives the conditional bits, of scale 0 the unconditional outputs", "",
                   class_case, observation_case, text_case) {
  cpu_backend backend({.threads = 1});
  auto model = TestType::make(backend);
  some_rows<TestType> in(model, 70);
  guided all(backend, model, {.scale = 1}), nothing(backend, model, {.scale = 0});
  CHECK(same_bits(predicted(backend, all, in.rows()), predicted(backend, model, in.rows())));
  CHECK(same_bits(gradients(backend, all, in, in.probe), gradients(backend, model, in, in.probe)));
  CHECK(all.workspace_bytes(backend, 64) == model.workspace_bytes(backend, 64));
  const auto o = predicted(backend, nothing, in.rows());
  const auto gradient = gradients(backend, nothing, in, in.probe);
  in.forget_contexts();
  CHECK(o == predicted(backend, model, in.rows()));
  CHECK(fewstep::test::relative_error(gradient, gradients(backend, model, in, in.probe)) < 1e-5);
}

TEMPLATE_TEST_CASE("guidance reads contexts where they lie, whichever row they are of", "", class_case,
                   observation_case, text_case) {
  cpu_backend backend({.threads = 2});
  auto model = TestType::make(backend);
  guided with_guidance(backend, model, {.scale = 3});
  some_rows<TestType> in(model, 70);
  // Contexts by number, in another order than the rows; every seventh row has the one that asks for nothing.
  const auto all = TestType::contexts();
  const auto none = TestType::none();
  std::vector<std::int32_t> which;
  for (index_t r = 0; r < in.count; ++r) {
    const auto number = static_cast<std::int32_t>(r * r) % static_cast<std::int32_t>(all.size());
    which.push_back(r % 7 == 6 ? -1 : number);
    in.contexts[static_cast<std::size_t>(r)] = r % 7 == 6 ? none : all[static_cast<std::size_t>(number)];
  }
  batch<typename some_rows<TestType>::context_type> by_number = in.rows();
  by_number.contexts = {all.data(), which.data(), in.count, &none};
  CHECK(same_bits(predicted(backend, with_guidance, by_number), predicted(backend, with_guidance, in.rows())));
  CHECK(same_bits(predicted(backend, model, by_number), predicted(backend, model, in.rows())));
}

TEST_CASE("a guided generator has what its network has") {
  cpu_backend backend({.threads = 1});
  auto model = text_case::make(backend);
  guided with_guidance(backend, model);
  CHECK(with_guidance.scale() == 5.0f);
  CHECK(with_guidance.sample_size() == model.sample_size());
  CHECK(with_guidance.row_block() == model.row_block());
  CHECK(with_guidance.parameters().data == model.parameters().data);
  CHECK(with_guidance.gradients().data == model.gradients().data);
  CHECK(with_guidance.encode("red moon") == model.encode("red moon"));
  CHECK_THROWS_WITH(with_guidance.encode("red mon"), contains("'mon' (unknown)"));
  CHECK(with_guidance.encode("red mon", fewstep::missing_words::leave_out) == model.encode("red"));
  CHECK(&with_guidance.words() == &model.words());
  CHECK(&with_guidance.layout() == &model.layout());
  CHECK(&with_guidance.unguided() == &model);
  const std::vector<token_list> unknown{{{99}}};
  CHECK_THROWS_WITH(with_guidance.expect_known(unknown), contains("token 99"));
}

TEST_CASE("a guided generator refuses what it cannot use") {
  cpu_backend backend({.threads = 1});
  auto model = class_case::make(backend);
  CHECK_THROWS_WITH(guided(backend, model, {.scale = INFINITY}), contains("guided: scale is inf"));
  guided with_guidance(backend, model);
  some_rows<class_case> in(model, 33);
  in.contexts[3] = 4;
  auto workspace = with_guidance.make_workspace(backend, 32);
  std::vector<float> o(in.x.size());
  const matrix<float> out{o.data(), {33, 3}};
  CHECK_THROWS_WITH(with_guidance.predict(backend, in.rows(), out, workspace), contains("row 3 has the class 4"));
  CHECK_THROWS_WITH(with_guidance.forward(backend, in.rows(), out, workspace),
                    contains("guided: forward got 33 rows but the workspace was made for 32"));
  CHECK_THROWS_WITH(with_guidance.backward(backend, in.rows(), out, workspace), contains("guided: backward"));
}

namespace {

auto make_trainer(cpu_backend& backend, guided<cpu_backend, class_case::generator_type>& model, std::size_t budget) {
  const auto judge = fewstep::per_sample([](vec<const float> x, std::int32_t) { return x[0] - x[1] * x[1]; });
  return fewstep::policy_gradient(
      backend, model,
      fewstep::policy_gradient_parts{.reward = judge, .optimizer = fewstep::adam{.learning_rate = 1e-2f}},
      {.horizon = 4, .batch = {.prompts = 20, .samples_per_prompt = 3}, .training = {.memory_budget = budget}});
}

}  // namespace

TEST_CASE("a guided policy's ratios are exactly 1, and no memory budget changes a bit of its updates") {
  const std::vector<std::int32_t> contexts{0, 1, 2, 3};
  std::vector<float> expected;
  for (const index_t blocks : {1, 2, 6}) {
    cpu_backend backend({.threads = 2});
    auto model = class_case::make(backend);
    guided with_guidance(backend, model, {.scale = 4});
    const std::size_t budget = fewstep::test::budget_for(
        blocks, 32, [&](std::size_t bytes) { return make_trainer(backend, with_guidance, bytes); });
    auto trainer = make_trainer(backend, with_guidance, budget);
    CHECK(trainer.memory().rows == 32 * blocks);
    for (int k = 0; k < 3; ++k) {
      const auto report = trainer.update(contexts);
      CHECK(report.ratio_mean == 1.0);
      CHECK(report.ratio_deviation == 0.0);
      CHECK(report.gradient_norm > 0.0);
    }
    const std::vector<float> parameters(model.parameters().begin(), model.parameters().end());
    if (expected.empty()) expected = parameters;
    CHECK(same_bits(parameters, expected));
  }
}
