// SPDX-License-Identifier: Apache-2.0
#include "support/affine_toy.hpp"
#include "support/arrays.hpp"
#include "support/micro_batches.hpp"
#include "test.hpp"

#include <fewstep/algorithm/d3po.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/reward/per_sample.hpp>
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/sampler/ddim.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <vector>

using namespace fewstep;
using fewstep::test::affine_toy;
using fewstep::test::same_bits;

namespace {

using small_model = mlp_generator<cpu_backend>;
small_model make_mlp(cpu_backend& backend) { return {backend, {.network = {.dimension = 5, .classes = 2}, .seed = 1}}; }

struct first_value {
  template <class Context>
  float operator()(vec<const float> x, const Context&) const {
    return x[0];
  }
};

template <class Model>
std::vector<float> gradient_of(Model& model) {
  return {model.gradients().begin(), model.gradients().end()};
}

const std::vector<std::int32_t> prompts = {0, 1};

}  // namespace

TEST_CASE("D3PO: at the reference margins are exactly 0, and micro-batches and threads change no bit") {
  std::optional<std::vector<float>> expected;
  for (const int threads : {1, 2}) {
    cpu_backend backend({.threads = threads});
    small_model model = make_mlp(backend), reference = make_mlp(backend);
    const auto make = [&](std::size_t budget) {
      return d3po(backend, model, per_sample(first_value{}),
                  preference_parts{.optimizer = sgd{.learning_rate = 0}, .reference = frozen_reference(reference)},
                  {.pairs = {.horizon = 4, .batch = {.prompts = 3, .samples_per_prompt = 4}},
                   .update = {.optimizer_steps = 1, .training = {.memory_budget = budget}}});
    };
    for (const index_t blocks : {1, 2, 4}) {
      auto trainer = make(test::budget_for(blocks, row_block_of(model), make));
      const preference_report report = trainer.update(prompts);
      CHECK(report.loss == std::log(2.0));
      CHECK(report.margin == 0);
      CHECK(report.ties == 0);
      CHECK(report.gradient_norm > 0);
      if (!expected) expected = gradient_of(model);
      CHECK(same_bits(gradient_of(model), *expected));
    }
  }
}

TEST_CASE("D3PO compares every two samples of a prompt at each of their trained steps, and the samples begin alike") {
  cpu_backend backend({.threads = 1});
  small_model model = make_mlp(backend);
  trajectory_pairs source(backend, model, per_sample(first_value{}), ddim_sampler{},
                          {.horizon = 4, .batch = {.prompts = 3, .samples_per_prompt = 4}});
  const int trained = source.table().trained;
  REQUIRE(trained == 4);
  REQUIRE(source.comparisons() == 3 * 6 * trained);
  source.prepare(backend, model, 2 * source.comparisons());
  source.collect(backend, model, {7, 0}, prompts);
  const auto rows = source.rows(backend, model, 0, 2 * source.comparisons());
  std::set<std::pair<std::int32_t, std::int32_t>> pairs;
  for (index_t c = 0; c < source.comparisons(); ++c) {
    const std::int32_t first = rows.rows.contexts.which[2 * c], second = rows.rows.contexts.which[2 * c + 1];
    CHECK(first < second);
    CHECK(first / 4 == second / 4);
    pairs.insert({first, second});
    const float more =
        source.rewards()[static_cast<std::size_t>(first)] - source.rewards()[static_cast<std::size_t>(second)];
    CHECK(rows.labels(2 * c, 0) == (more > 0 ? 1.0f : -1.0f));
    CHECK(rows.labels(2 * c + 1, 0) == -rows.labels(2 * c, 0));
    const auto step = static_cast<std::size_t>(c % trained);
    CHECK(rows.rows.times[2 * c] == source.table().rows[step].time);
    CHECK(rows.rows.times[2 * c + 1] == rows.rows.times[2 * c]);
    if (step == 0)
      CHECK(same_bits(rows.rows.x.row(2 * c), rows.rows.x.row(2 * c + 1), 5));
    else
      CHECK(!same_bits(rows.rows.x.row(2 * c), rows.rows.x.row(2 * c + 1), 5));
  }
  CHECK(pairs.size() == 18);
}

TEST_CASE("rewards that differ by no more than the tie teach nothing") {
  cpu_backend backend({.threads = 1});
  small_model model = make_mlp(backend), reference = make_mlp(backend);
  const auto ties = [&](float tie) {
    return d3po(backend, model, per_sample(first_value{}),
                preference_parts{.optimizer = sgd{.learning_rate = 0}, .reference = frozen_reference(reference)},
                {.pairs = {.horizon = 4, .tie = tie, .batch = {.prompts = 8}}, .update = {.optimizer_steps = 2}})
        .update(prompts)
        .ties;
  };
  CHECK(ties(0) == 0);
  CHECK(ties(1e6f) == 1);
  const double some = ties(0.5f);
  CHECK(some > 0);
  CHECK(some < 1);
}

// Yang et al. 2023, equations 9 and 10: where labels follow a Bradley-Terry model of a reward k a of the action, and
// the reference is N(0, sigma^2), the loss is least at pi = pi_ref exp(k a / beta) / Z = N(sigma^2 k / beta, sigma^2).
// With 50,000 pairs the minimum is off by 0.017 (one deviation, from the Fisher information .07 a pair): beyond .1 once
// in 10^8.
TEST_CASE("the minimum of the loss on Bradley-Terry labels is the reference tilted by the reward") {
  constexpr index_t pairs = 50'000;
  constexpr float k = 0.6f, beta = 0.5f, sigma = 1.2f;
  std::vector<float> actions(2 * pairs), labels(2 * pairs);
  const std::vector<float> scale(2 * pairs, 0.5f / (sigma * sigma)), reference(2 * pairs, 0.0f);
  const random_stream random{17, stream::user};
  for (index_t i = 0; i < pairs; ++i) {
    const auto at = static_cast<std::size_t>(2 * i);
    const auto number = static_cast<std::uint64_t>(i);
    actions[at] = sigma * random.normal(number, 0, 0);
    actions[at + 1] = sigma * random.normal(number, 0, 1);
    const float p = 1 / (1 + std::exp(-k * (actions[at] - actions[at + 1])));
    labels[at] = random.uniform(number, 1) <= p ? 1.0f : -1.0f;
    labels[at + 1] = -labels[at];
  }
  cpu_backend backend({.threads = 2});
  std::vector<preference_score> scores(pairs);
  const preference_loss<logistic_link> loss{{.beta = beta}, {}, 1, 0};
  const auto slope = [&](double theta) {
    std::vector<float> o(2 * pairs, static_cast<float>(theta));
    score_preferences(backend, scored_preferences<logistic_link>{.o = {o.data(), {2 * pairs, 1}},
                                                                 .target = {actions.data(), {2 * pairs, 1}},
                                                                 .reference = {reference.data(), {2 * pairs, 1}},
                                                                 .scale = scale.data(),
                                                                 .labels = {labels.data(), {2 * pairs, 1}},
                                                                 .loss = &loss,
                                                                 .scores = scores.data()});
    double sum = 0;
    for (const float g : o) sum += static_cast<double>(g);
    return sum;
  };
  double low = 0, high = 4;
  for (int i = 0; i < 16; ++i) ((slope((low + high) / 2) > 0) ? high : low) = (low + high) / 2;
  CHECK(std::abs(low - static_cast<double>(sigma * sigma * k / beta)) < 0.1);
}

// The published code clips both ratios to [.9, 1.1], whichever is preferred: beyond that nothing is learned any more
// (that a winner which has been lost is not won back is tested with the link). The reference here is far from the
// model, so that all ratios are beyond.
TEST_CASE("beyond its range the clip of D3PO's code leaves no gradient, the one by label still lowers likely losers") {
  cpu_backend backend({.threads = 1});
  small_model model = make_mlp(backend), reference(backend, {.network = {.dimension = 5, .classes = 2}, .seed = 99});
  const auto gradient = test::normals<float>(reference.parameters().size(), 5, 3);
  for (index_t i = 0; i < reference.parameters().size(); ++i)
    reference.parameters()[i] += gradient[static_cast<std::size_t>(i)];
  const auto report_with = [&](auto link) {
    auto trainer = d3po(
        backend, model, per_sample(first_value{}),
        preference_parts{.optimizer = sgd{.learning_rate = 0}, .reference = frozen_reference(reference), .link = link},
        {.pairs = {.horizon = 4, .batch = {.prompts = 16}}, .update = {.optimizer_steps = 1}});
    const preference_report report = trainer.update(prompts);
    int outside = 0;
    for (const preference_score& s : trainer.scores()) {
      outside += (s.winner > std::log(1.1) || s.winner < std::log(0.9)) &&
                 (s.loser > std::log(1.1) || s.loser < std::log(0.9));
    }
    return std::pair(report.gradient_norm, static_cast<double>(outside) / static_cast<double>(trainer.scores().size()));
  };
  const auto [two_sided, outside] = report_with(d3po_code_link);
  const auto [by_label, same_outside] = report_with(clipped_link<logistic_link>{.link = {.beta = 0.1f}});
  CHECK(outside == same_outside);
  REQUIRE(outside == 1);
  CHECK(two_sided == 0);
  CHECK(by_label > 0);
}

TEST_CASE("D3PO raises the reward of a model of one parameter") {
  cpu_backend backend({.threads = 1});
  affine_toy model(affine_toy::process::edm, 0.0f), reference(affine_toy::process::edm, 0.0f);
  auto trainer =
      d3po(backend, model, per_sample(first_value{}),
           preference_parts{.optimizer = adam{.learning_rate = 0.02f}, .reference = frozen_reference(reference)},
           {.pairs = {.horizon = 4, .batch = {.prompts = 32}}, .update = {.optimizer_steps = 1}});
  const auto mean = [](std::span<const float> rewards) {
    double sum = 0;
    for (const float r : rewards) sum += static_cast<double>(r) / static_cast<double>(rewards.size());
    return sum;
  };
  trainer.update(std::vector<std::int32_t>{0});
  const double before = mean(trainer.source().rewards());
  for (int i = 0; i < 60; ++i) trainer.update(std::vector<std::int32_t>{0});
  CHECK(mean(trainer.source().rewards()) > before + 0.3);
  CHECK(model.theta > 0.3f);
}

TEST_CASE("D3PO refuses what cannot be compared") {
  cpu_backend backend({.threads = 1});
  small_model model = make_mlp(backend), reference = make_mlp(backend);
  const preference_parts parts{.optimizer = sgd{}, .reference = frozen_reference(reference)};
  CHECK_THROWS_WITH(d3po(backend, model, per_sample(first_value{}), parts,
                         {.pairs = {.horizon = 4, .batch = {.prompts = 1, .samples_per_prompt = 50000}}}),
                    contains("use fewer samples_per_prompt"));
  CHECK_THROWS_WITH(d3po(backend, model, per_sample(first_value{}), parts,
                         {.pairs = {.horizon = 4, .batch = {.samples_per_prompt = 1}}}),
                    contains("batch.samples_per_prompt is 1"));
  CHECK_THROWS_WITH(
      d3po(backend, model, per_sample(first_value{}), parts, {.pairs = {.horizon = 4}}, ddim_sampler{.eta = 0}),
      contains("none of the 4 steps is stochastic"));
  CHECK_THROWS_WITH(d3po(backend, model, per_sample(first_value{}), parts, {.pairs = {.horizon = 4, .tie = -1}}),
                    contains("tie is -1"));
}
