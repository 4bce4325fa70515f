// SPDX-License-Identifier: Apache-2.0
// What a caller does not give is the algorithm's own, number by number and part by part; what is given wins.
#include "support/affine_toy.hpp"
#include "test.hpp"

#include <fewstep/algorithm/ddpo.hpp>
#include <fewstep/algorithm/draft.hpp>
#include <fewstep/algorithm/grpo.hpp>
#include <fewstep/algorithm/rebel.hpp>
#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/algorithm/rlcm_hybrid.hpp>
#include <fewstep/loss/last_step_reward.hpp>
#include <fewstep/optimizer/sgd.hpp>

#include <array>
#include <concepts>
#include <cstdint>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

using namespace fewstep;
using namespace fewstep::test;

namespace {

using process = affine_toy::process;

/// Of each sample from a point, with its gradient.
struct squared_distance {
  static constexpr float to = 0.5f;

  template <class Context>
  void operator()(matrix<const float> x, std::span<const Context>, std::span<float> out) const {
    for (index_t r = 0; r < x.rows(); ++r) {
      float& sum = out[static_cast<std::size_t>(r)] = 0;
      for (index_t d = 0; d < x.cols(); ++d) sum -= (x(r, d) - to) * (x(r, d) - to);
    }
  }
  template <class Context>
  void value_and_gradient(matrix<const float> x, std::span<const Context> contexts, std::span<float> out,
                          matrix<float> gradient) const {
    (*this)(x, contexts, out);
    for (index_t i = 0; i < x.size(); ++i) gradient.data[i] = -2 * (x.data[i] - to);
  }
};

const std::vector<std::int32_t> contexts{0, 1, 2, 3};

/// Numbers of a paper, in the order of number_of.
using published_numbers = std::array<float, 6>;
constexpr std::array<const char*, 6> names{
    "horizon", "optimizer_steps", "prompts", "samples_per_prompt", "shared_initial_noise", "max_gradient_norm"};

published_numbers numbers_of(const policy_gradient_options& o) {
  return {static_cast<float>(o.horizon),
          static_cast<float>(o.optimizer_steps),
          static_cast<float>(o.batch.prompts),
          static_cast<float>(o.batch.samples_per_prompt),
          o.batch.shared_initial_noise ? 1.0f : 0.0f,
          o.training.max_gradient_norm};
}
/// Options that say one number and nothing else.
policy_gradient_options with_one(std::size_t i, float value) {
  const int number = static_cast<int>(value);
  switch (i) {
    case 0:
      return {.horizon = number};
    case 1:
      return {.optimizer_steps = number};
    case 2:
      return {.batch = {.prompts = number}};
    case 3:
      return {.batch = {.samples_per_prompt = number}};
    case 4:
      return {.batch = {.shared_initial_noise = value > 0}};
    default:
      return {.training = {.max_gradient_norm = value}};
  }
}

template <class Algorithm>
void falls_back_on(const std::string& name, process of, const Algorithm& algorithm, const published_numbers& expected) {
  CAPTURE(name);
  cpu_backend backend({.threads = 1});
  affine_toy model(of);
  const auto with = [&](const policy_gradient_options& o) {
    return numbers_of(algorithm(backend, model, squared_distance{}, sgd{}, o).options());
  };
  CHECK(with({}) == expected);
  CHECK(with({.batch = {.rewards = {.at_most = 0.25f}}, .training = {.ema_decay = 0.5f, .seed = 9}}) == expected);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (name == "ddpo_sf" && i == 1) continue;  // which allows no other
    const float other = i == 4 ? 1 - expected[i] : i == 0 ? 6 : i == 1 ? 3 : expected[i] + 2;
    published_numbers changed = expected;
    changed[i] = other;
    CAPTURE(names[i]);
    CHECK(with(with_one(i, other)) == changed);
  }
}

/// Bits of the parameters after some updates.
template <class Make>
float trained(process of, const Make& make) {
  cpu_backend backend({.threads = 1});
  affine_toy model(of);
  auto trainer = make(backend, model);
  for (int k = 0; k < 3; ++k) trainer.update(contexts);
  return model.theta;
}

template <class Algorithm>
void has_one_meaning(process of, const Algorithm& algorithm) {
  using options = typename Algorithm::options_type;
  const options o{.horizon = 6, .batch = {.prompts = 3, .samples_per_prompt = 4}, .training = {.seed = 7}};
  const squared_distance judge;
  const sgd rule{.learning_rate = 1e-2f};
  const auto in_short = [&](const options& with) {
    return trained(of, [&](auto& backend, auto& model) { return algorithm(backend, model, judge, rule, with); });
  };
  const float by_name = trained(of, [&](auto& backend, auto& model) {
    return algorithm(backend, model, Algorithm::defaults::mandatory(judge, rule), o);
  });
  CHECK(in_short(o) == by_name);
  auto other = o;
  other.training.seed = 8;
  CHECK(in_short(other) != by_name);
}

}  // namespace

TEST_CASE("a number that is not given is the algorithm's published one, whatever else is given") {
  //                                               horizon, steps, prompts, samples, shared noise, norm
  falls_back_on("rlcm", process::edm, rlcm, {8, 1, 16, 1, 0, 5});
  falls_back_on("rlcm_hybrid", process::edm, rlcm_hybrid, {8, 1, 16, 1, 0, 5});
  falls_back_on("rebel", process::edm, rebel, {8, 1, 16, 2, 0, 0});
  falls_back_on("ddpo", process::edm, ddpo, {50, 4, 64, 1, 0, 1});
  falls_back_on("ddpo_sf", process::edm, ddpo_sf, {50, 1, 64, 1, 0, 1});
  falls_back_on("grpo", process::edm, grpo, {10, 2, 8, 24, 0, 1});
  falls_back_on("cps_grpo", process::edm, cps_grpo, {4, 2, 8, 24, 0, 1});
  falls_back_on("flow_grpo", process::flow, flow_grpo, {10, 2, 8, 24, 0, 1});
  falls_back_on("dance_grpo", process::flow, dance_grpo, {16, 2, 8, 12, 1, 1});
  falls_back_on("mix_grpo", process::flow, mix_grpo, {25, 2, 8, 12, 0, 1});
  falls_back_on("flow_grpo_fast", process::flow, flow_grpo_fast, {10, 2, 8, 24, 1, 1});
  falls_back_on("flow_dppo", process::flow, flow_dppo, {10, 2, 8, 24, 0, 1});
  falls_back_on("grpo_guard", process::flow, grpo_guard, {10, 2, 8, 24, 0, 1});
}

TEST_CASE("a number of a direct gradient that is not given is the published one, whatever else is given") {
  cpu_backend backend({.threads = 1});
  affine_toy model(process::edm);
  constexpr float none = std::numeric_limits<float>::infinity();
  const auto of = [&](const auto& algorithm, const direct_reward_gradient_options& given) {
    const auto o = algorithm(backend, model, squared_distance{}, sgd{}, given).options();
    return std::array<float, 7>{static_cast<float>(o.horizon),
                                static_cast<float>(*o.jump_from),
                                o.weight,
                                o.margin,
                                static_cast<float>(o.batch.prompts),
                                static_cast<float>(o.batch.samples_per_prompt),
                                o.training.max_gradient_norm};
  };
  using numbers = std::array<float, 7>;
  CHECK(of(draft, {}) == numbers{4, 3, 1, none, 16, 1, 5});
  CHECK(of(draft, {.horizon = 3}) == numbers{3, 2, 1, none, 16, 1, 5});
  CHECK(of(draft, {.weight = 2}) == numbers{4, 3, 2, none, 16, 1, 5});
  CHECK(of(draft, {.batch = {.samples_per_prompt = 2}}) == numbers{4, 3, 1, none, 16, 2, 5});
  CHECK(of(refl, {}) == numbers{40, 30, 1e-3f, 2, 16, 1, 5});
  CHECK(of(refl, {.horizon = 8}) == numbers{8, 6, 1e-3f, 2, 16, 1, 5});
  CHECK(of(refl, {.margin = 1}) == numbers{40, 30, 1e-3f, 1, 16, 1, 5});
  CHECK(of(refl, {.batch = {.prompts = 4}}) == numbers{40, 30, 1e-3f, 2, 4, 1, 5});
  CHECK(of(refl, {.training = {.max_gradient_norm = 0}}) == numbers{40, 30, 1e-3f, 2, 16, 1, 0});
}

TEST_CASE("options that nobody has completed have no number to read") {
  const policy_gradient_options o{.horizon = 3};
  CHECK(o.horizon == 3);
  CHECK_FALSE(o.batch.prompts.is_given());
  CHECK_THROWS_AS(o.batch.samples(), std::logic_error);
  CHECK_THROWS_WITH(o.batch.prompts.value(), contains("options() of the trainer"));
}

TEST_CASE("an algorithm makes the same bits by its two parts and by parts with names") {
  has_one_meaning(process::edm, rlcm);
  has_one_meaning(process::edm, rlcm_hybrid);
  has_one_meaning(process::edm, rebel);
  has_one_meaning(process::edm, ddpo);
  has_one_meaning(process::edm, ddpo_sf);
  has_one_meaning(process::edm, grpo);
  has_one_meaning(process::edm, cps_grpo);
  has_one_meaning(process::flow, flow_grpo);
  has_one_meaning(process::flow, dance_grpo);
  has_one_meaning(process::flow, mix_grpo);
  has_one_meaning(process::flow, flow_grpo_fast);
  has_one_meaning(process::flow, flow_dppo);
  has_one_meaning(process::flow, grpo_guard);
  has_one_meaning(process::edm, draft);
  has_one_meaning(process::edm, refl);
}

TEST_CASE("a part that is given wins, also where it is what the library has elsewhere") {
  cpu_backend backend({.threads = 1});
  affine_toy flow(process::flow), model(process::edm);
  const squared_distance judge;
  CHECK(mix_grpo(backend, flow, judge, sgd{}).table().trained == 4);
  auto without_window =
      mix_grpo(backend, flow, policy_gradient_parts{.reward = judge, .optimizer = sgd{}, .selection = all_steps{}});
  CHECK(without_window.table().trained == 24);
  auto without_loss = rlcm_hybrid(
      backend, model, policy_gradient_parts{.reward = judge, .optimizer = sgd{}, .auxiliary = no_auxiliary_loss{}});
  static_assert(std::same_as<std::remove_cvref_t<decltype(without_loss.parts().auxiliary)>, no_auxiliary_loss>);
  auto plain = rlcm(backend, model, judge, sgd{});
  CHECK(plain.parts().advantage.clip == 10);
  CHECK(ddpo(backend, model, judge, sgd{}, {.horizon = 4}).parts().advantage.clip == 5);
  auto as_in_rlcm =
      ddpo(backend, model,
           policy_gradient_parts{.reward = judge, .optimizer = sgd{}, .advantage = prompt_buffer_advantage{}},
           {.horizon = 4});
  CHECK(as_in_rlcm.parts().advantage.clip == 10);
  const auto to_its_end =
      draft(backend, model,
            direct_reward_gradient_parts{.reward = judge, .optimizer = sgd{}, .sampler = consistency_sampler{}});
  CHECK_FALSE(to_its_end.options().jump_from.has_value());
}

namespace {

/// Twice the sample.
struct doubled {
  [[nodiscard]] index_t decoded_size(index_t size) const { return size; }
  void operator()(cpu_backend&, matrix<const float> x, matrix<float> y) const {
    for (index_t i = 0; i < x.size(); ++i) y.data[i] = 2 * x.data[i];
  }
  void backward(cpu_backend&, matrix<const float>, matrix<const float> g, matrix<float> to) const {
    for (index_t i = 0; i < g.size(); ++i) to.data[i] = 2 * g.data[i];
  }
};

}  // namespace

TEST_CASE("the last step of a hybrid sees what the decoder makes of a sample, and shares a reward that is shared") {
  cpu_backend backend({.threads = 1});
  affine_toy model(process::edm), other(process::edm);
  squared_distance judge;
  const policy_gradient_options o{.horizon = 3, .batch = {.prompts = 4}, .training = {.seed = 2}};
  auto decoded = rlcm_hybrid(
      backend, model,
      policy_gradient_parts{.reward = std::ref(judge), .optimizer = sgd{.learning_rate = 0}, .decoder = doubled{}}, o);
  decoded.update(contexts);
  const std::span<const float> of_last_step = decoded.parts().auxiliary.rewards();
  REQUIRE(of_last_step.size() == decoded.rewards().size());
  for (std::size_t i = 0; i < of_last_step.size(); ++i) CHECK(of_last_step[i] == Approx(decoded.rewards()[i]));
  auto plain = rlcm_hybrid(backend, other, judge, sgd{.learning_rate = 0}, o);
  plain.update(contexts);
  CHECK(plain.rewards()[0] != decoded.rewards()[0]);
}
