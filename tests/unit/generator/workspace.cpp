// SPDX-License-Identifier: Apache-2.0
// Generators without a workspace, wherever the library asks a generator.
#include "test.hpp"

#include <fewstep/algorithm/consistency_training.hpp>
#include <fewstep/algorithm/draft.hpp>
#include <fewstep/algorithm/rlcm_hybrid.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/guided.hpp>
#include <fewstep/mdp/policy.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/regularizer/kl_to_reference.hpp>
#include <fewstep/reward/differentiable_per_sample.hpp>
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/testing/check_generator.hpp>

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

using namespace fewstep;

namespace {

/// o = w in(t) x + b, and b + 1 in class 1.
struct plain_line {
  using context_type = std::int32_t;
  float parameter[2] = {0.5f, 0.1f}, gradient[2] = {};

  [[nodiscard]] index_t sample_size() const { return 2; }
  [[nodiscard]] edm_consistency preconditioner() const { return {.sigma_max = 5}; }
  [[nodiscard]] static std::int32_t unconditional() { return 0; }
  [[nodiscard]] vec<float> parameters() { return {parameter, {2}}; }
  [[nodiscard]] vec<float> gradients() { return {gradient, {2}}; }
  [[gnu::noinline]] void predict(cpu_backend&, batch<std::int32_t> rows, matrix<float> o) const {
    for (index_t r = 0; r < rows.rows(); ++r)
      for (index_t d = 0; d < 2; ++d)
        o(r, d) = parameter[0] * preconditioner()(rows.times[r]).in * rows.x(r, d) + parameter[1] +
                  static_cast<float>(rows.contexts[r]);
  }
  [[gnu::noinline]] void backward(cpu_backend&, batch<std::int32_t> rows, matrix<const float> o_gradient) {
    for (index_t r = 0; r < rows.rows(); ++r)
      for (index_t d = 0; d < 2; ++d) {
        gradient[0] += o_gradient(r, d) * preconditioner()(rows.times[r]).in * rows.x(r, d);
        gradient[1] += o_gradient(r, d);
      }
  }
  void backward(cpu_backend& backend, batch<std::int32_t> rows, matrix<const float> o_gradient,
                matrix<float> x_gradient) {
    for (index_t r = 0; r < rows.rows(); ++r)
      for (index_t d = 0; d < 2; ++d)
        x_gradient(r, d) = o_gradient(r, d) * parameter[0] * preconditioner()(rows.times[r]).in;
    backward(backend, rows, o_gradient);
  }
};

/// The same with a workspace that nobody needs.
struct line_with_workspace : plain_line {
  struct workspace_type {};
  [[nodiscard]] workspace_type make_workspace(cpu_backend&, index_t) const { return {}; }
  [[nodiscard]] std::size_t workspace_bytes(const cpu_backend&, index_t) const { return 0; }
  void predict(cpu_backend& backend, batch<std::int32_t> rows, matrix<float> o, workspace_type&) const {
    plain_line::predict(backend, rows, o);
  }
  void forward(cpu_backend& backend, batch<std::int32_t> rows, matrix<float> o, workspace_type&) const {
    plain_line::predict(backend, rows, o);
  }
  void backward(cpu_backend& backend, batch<std::int32_t> rows, matrix<const float> o_gradient, workspace_type&) {
    plain_line::backward(backend, rows, o_gradient);
  }
  void backward(cpu_backend& backend, batch<std::int32_t> rows, matrix<const float> o_gradient,
                matrix<float> x_gradient, workspace_type&) {
    plain_line::backward(backend, rows, o_gradient, x_gradient);
  }
};

const std::vector<std::int32_t> contexts{0, 1};

auto judge() {
  return differentiable_per_sample([](auto x, std::int32_t c, vec<float> gradient) {
    gradient[0] = -1, gradient[1] = 1;
    return -x[0] + x[1] + static_cast<float>(c);
  });
}

/// Parameters and a sample after a little of every training.
template <class Model>
std::vector<float> trained() {
  cpu_backend backend({.threads = 1});
  Model model, reference;
  consistency_training training(backend, model, sgd{.learning_rate = 1e-2f}, {.steps = 2, .batch = 16});
  auto halves = [](std::int64_t, matrix<float> x, std::span<std::int32_t>) { std::fill(x.begin(), x.end(), 0.5f); };
  while (!training.finished()) training.step(halves);
  auto hybrid = rlcm_hybrid(backend, model,
                            policy_gradient_parts{.reward = judge(),
                                                  .optimizer = sgd{.learning_rate = 1e-2f},
                                                  .regularizer = kl_to_reference<Model>(reference, {})},
                            {.horizon = 3, .batch = {.prompts = 2, .samples_per_prompt = 8}});
  for (int i = 0; i < 3; ++i) CHECK(hybrid.update(contexts).ratio_deviation == 0);
  guided twice(backend, model, {.scale = 2});
  auto direct = draft(backend, twice, judge(), sgd{.learning_rate = 1e-2f},
                      {.horizon = 3, .steps_with_gradient = 2, .batch = {.prompts = 2, .samples_per_prompt = 8}});
  for (int i = 0; i < 3; ++i) direct.update(contexts);
  policy acting(backend, model, consistency_sampler{}.table(model.preconditioner(), 2));
  const auto action = acting.act(1, 0);
  return {model.parameter[0], model.parameter[1], action.data[0], action.data[1]};
}

}  // namespace

TEST_CASE("a generator without a workspace trains and acts as one with an empty workspace") {
  const std::vector<float> plain = trained<plain_line>();
  CHECK(plain == trained<line_with_workspace>());
  CHECK(plain[0] != 0.5f);
}

TEST_CASE("check_generator accepts a generator without a workspace, with its gradient by the state and guided") {
  cpu_backend backend({.threads = 1});
  plain_line model;
  CHECK_NOTHROW(check_generator(backend, model, contexts));
  guided twice(backend, model, {.scale = 2});
  CHECK_NOTHROW(check_generator(backend, twice, contexts));
}

TEST_CASE("a generator without a workspace takes no memory for one") {
  const cpu_backend backend({.threads = 1});
  CHECK(fewstep::detail::workspace_bytes(backend, plain_line{}, 1000) == 0);
}
