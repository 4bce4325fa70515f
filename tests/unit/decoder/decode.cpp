// SPDX-License-Identifier: Apache-2.0
// Decoders that read what a sample is for: a mask that puts it into the context's picture.
#include <fewstep/decoder/decode.hpp>

#include "support/differentiable_gaussian.hpp"
#include "support/gaussian_consistency.hpp"
#include "test.hpp"

#include <fewstep/algorithm/direct_reward_gradient.hpp>
#include <fewstep/algorithm/policy_gradient.hpp>
#include <fewstep/loss/last_step_reward.hpp>
#include <fewstep/mdp/rollout.hpp>
#include <fewstep/monitor/held_out_samples.hpp>
#include <fewstep/objective/reinforce.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/reward/per_sample.hpp>
#include <fewstep/sampler/consistency.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

using namespace fewstep;
using namespace fewstep::test;

namespace {

using toy = gaussian_consistency;
using contexts_type = context_rows<std::int32_t>;

/// y = mask x + (1 - mask) picture, mask and picture being those of the context.
struct composite {
  static constexpr std::array<std::array<float, 3>, 3> mask = {{{1, 0, 1}, {0, 0, 1}, {0.5f, 1, 1}}};
  static constexpr std::array<std::array<float, 3>, 3> picture = {{{7, 8, 9}, {-1, -2, -3}, {4, 5, 6}}};

  index_t at_once = 2;
  std::vector<index_t>* parts = nullptr;  ///< rows of each call

  [[nodiscard]] index_t decoded_size(index_t n) const { return n; }
  [[nodiscard]] index_t rows_at_once() const { return at_once; }
  void operator()(cpu_backend&, matrix<const float> x, contexts_type contexts, matrix<float> y) const {
    if (parts != nullptr) parts->push_back(x.rows());
    for (index_t r = 0; r < x.rows(); ++r)
      for (index_t d = 0; d < x.cols(); ++d) {
        const float m = masked(contexts[r], d);
        y(r, d) = m * x(r, d) + (1 - m) * of(picture, contexts[r], d);
      }
  }
  void backward(cpu_backend&, matrix<const float>, contexts_type contexts, matrix<const float> gy,
                matrix<float> gx) const {
    if (parts != nullptr) parts->push_back(-gx.rows());
    for (index_t r = 0; r < gx.rows(); ++r)
      for (index_t d = 0; d < gx.cols(); ++d) gx(r, d) = masked(contexts[r], d) * gy(r, d);
  }

  static float of(const std::array<std::array<float, 3>, 3>& table, std::int32_t context, index_t d) {
    return table[static_cast<std::size_t>(context)][static_cast<std::size_t>(d)];
  }
  static float masked(std::int32_t context, index_t d) { return of(mask, context, d); }
};
static_assert(differentiable_decoder<composite, cpu_backend, std::int32_t>);
static_assert(!decoder<composite, cpu_backend, float>);

/// Reads no contexts.
struct doubled {
  [[nodiscard]] index_t decoded_size(index_t n) const { return n; }
  void operator()(cpu_backend&, matrix<const float> x, matrix<float> y) const {
    std::transform(x.begin(), x.end(), y.begin(), [](float value) { return 2 * value; });
  }
};
static_assert(decoder<doubled, cpu_backend, std::int32_t> && decoder<doubled, cpu_backend, float>);

const std::vector<std::int32_t> prompts = {0, 1, 2};
constexpr float target = 1.5f;

/// Whether sample r shows the picture of its prompt where the mask does.
bool shows_picture(matrix<const float> samples, index_t r, std::int32_t prompt) {
  for (index_t d = 0; d < samples.cols(); ++d)
    if (composite::masked(prompt, d) == 0 && samples(r, d) != composite::of(composite::picture, prompt, d))
      return false;
  return true;
}

}  // namespace

TEST_CASE("decode: every row with its context, in the parts that the decoder asks for") {
  cpu_backend backend({.threads = 1});
  const std::vector<float> x = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const std::vector<std::int32_t> contexts = {0, 1, 2, 1, 0};
  std::vector<float> y(15), gx(15);
  std::vector<index_t> parts;
  composite decoder{2, &parts};
  const contexts_type of_rows = vec<const std::int32_t>{contexts.data(), {5}};
  decode(backend, decoder, {x.data(), {5, 3}}, of_rows, {y.data(), {5, 3}});
  CHECK(y == std::vector<float>{1, 8, 3, -1, -2, 6, 5.5f, 8, 9, -1, -2, 12, 13, 8, 15});
  decode_backward(backend, decoder, {x.data(), {5, 3}}, of_rows, {x.data(), {5, 3}}, {gx.data(), {5, 3}});
  CHECK(gx == std::vector<float>{1, 0, 3, 0, 0, 6, 3.5f, 8, 9, 0, 0, 12, 13, 0, 15});
  CHECK(parts == std::vector<index_t>{2, 2, 1, -2, -2, -1});

  doubled plain;
  decode(backend, plain, {x.data(), {5, 3}}, of_rows, {y.data(), {5, 3}});
  CHECK(y[14] == 30);
  composite none{0};
  CHECK_THROWS_WITH((decode(backend, none, {x.data(), {5, 3}}, of_rows, {y.data(), {5, 3}})),
                    contains("decoder: rows_at_once is 0"));
}

TEST_CASE("a policy gradient rates and shows samples in the picture of their context") {
  cpu_backend backend({.threads = 1});
  toy model;
  const auto sum = per_sample([](vec<const float> x, std::int32_t) { return x[0] + x[1] + x[2]; });
  std::vector<index_t> parts;
  policy_gradient trainer(
      backend, model,
      policy_gradient_parts{
          .reward = sum, .optimizer = sgd{}, .objective = reinforce{}, .decoder = composite{4, &parts}},
      {.horizon = 2, .batch = {.prompts = 5, .samples_per_prompt = 3}});
  trainer.update(prompts);
  CHECK(parts == std::vector<index_t>{4, 4, 4, 3});
  for (index_t r = 0; r < 15; ++r) {
    const auto i = static_cast<std::size_t>(r);
    CHECK(shows_picture(trainer.samples(), r, trainer.prompts()[i]));
    CHECK(trainer.rewards()[i] == trainer.samples()(r, 0) + trainer.samples()(r, 1) + trainer.samples()(r, 2));
  }

  held_out_samples held_out(backend, model, trainer.table(), std::span(prompts), 2, 0, composite{});
  const auto drawn = held_out.draw();
  for (index_t r = 0; r < 6; ++r) CHECK(shows_picture(drawn, r, static_cast<std::int32_t>(r / 2)));
}

TEST_CASE("a reward's gradient passes a decoder with the context of every sample") {
  // One call: y = mask (m (1 - s) + s x) + (1 - mask) picture, so dy/dm = mask (1 - s).
  cpu_backend backend({.threads = 1});
  toy model;
  const double share = 1 - toy::shrinking(4);
  const auto slope = [&](matrix<const float> y, index_t r, std::int32_t context) {
    double sum = 0;
    for (index_t d = 0; d < y.cols(); ++d)
      sum += 2 * (static_cast<double>(y(r, d)) - static_cast<double>(target)) *
             static_cast<double>(composite::masked(context, d));
    return sum;
  };
  direct_reward_gradient trainer(
      backend, model,
      direct_reward_gradient_parts{.reward = differentiable_quadratic{target},
                                   .optimizer = sgd{.learning_rate = 0},
                                   .sampler = consistency_sampler{.times = {4}, .last = last_step::stochastic},
                                   .decoder = composite{3}},
      {.horizon = 1, .jump_from = 0, .batch = {.prompts = 20}});
  trainer.update(prompts);
  double expected = 0;
  for (index_t r = 0; r < 20; ++r)
    expected += slope(trainer.samples(), r, trainer.prompts()[static_cast<std::size_t>(r)]) * share / 20;
  CHECK(static_cast<double>(model.gradient) == Approx(expected).epsilon(1e-5));

  // The same through the last call of two, in parts of two samples.
  const step_table table = consistency_sampler{.times = {4, 1}}.table(model.preconditioner(), 2);
  trajectory<cpu_backend, std::int32_t> path(backend, table, 5, toy::dimension);
  for (index_t r = 0; r < 5; ++r) path.set_context(r, prompts[static_cast<std::size_t>(r) % 3]);
  toy::workspace_type workspace;
  cpu_tensor<float, 2> o(backend, {5, toy::dimension});
  rollout(backend, model, workspace, path, o.view(), rollout_noise{3, 0}, reduction::mean, 0, 5);
  last_step_reward loss(backend, differentiable_quadratic{target}, {}, composite{1});
  loss.prepare(backend, model, table, 5, 2);
  model.gradient = 0;
  loss.add_gradient(backend, model, workspace, path, {});
  cpu_tensor<float, 2> shown(backend, {5, toy::dimension});
  composite{5}(backend, path.result(), path.rows(0, 5).contexts, shown.view());
  expected = 0;
  for (index_t r = 0; r < 5; ++r)
    expected += slope(shown.view(), r, path.contexts()[static_cast<std::size_t>(r)]) * (1 - toy::shrinking(1)) / 5;
  CHECK(static_cast<double>(model.gradient) == Approx(expected).epsilon(1e-5));
}
