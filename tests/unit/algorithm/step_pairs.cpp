// SPDX-License-Identifier: Apache-2.0
// PSO and SPO: members that were added to the family.
#include "support/arrays.hpp"
#include "support/micro_batches.hpp"
#include "support/temporary_directory.hpp"
#include "test.hpp"

#include <fewstep/algorithm/pso.hpp>
#include <fewstep/algorithm/spo.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/flow_matching.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/generator/row_generator.hpp>
#include <fewstep/io/checkpoint.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/preference/pareto_rewards.hpp>
#include <fewstep/reward/per_sample.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

using namespace fewstep;
using fewstep::test::same_bits;

namespace {

using context = std::int32_t;
using small_model = mlp_generator<cpu_backend>;
small_model make_mlp(cpu_backend& backend) { return {backend, {.network = {.dimension = 5, .classes = 2}, .seed = 1}}; }

const auto first_value = [](float gain) {
  return per_step{[gain](int, vec<const float>, vec<const float> next, context) { return gain * next[0]; }};
};
const auto value = [](index_t d) { return per_sample([d](vec<const float> x, context) { return x[d]; }); };

/// What the judge was shown of a step, candidate by candidate.
struct seen_step {
  int step;
  std::vector<float> x, next;
};
struct watching {
  std::vector<seen_step>* seen;
  void operator()(const rated_step& s, std::span<const context>, std::span<float> out) const {
    seen->push_back({s.step, {s.x.begin(), s.x.end()}, {s.next.begin(), s.next.end()}});
    for (index_t i = 0; i < s.next.rows(); ++i) out[static_cast<std::size_t>(i)] = s.next(i, 0);
  }
};

const std::vector<context> prompts = {0, 1};

/// o = w x, coordinate by coordinate.
struct diagonal {
  using context_type = context;
  static constexpr index_t size = 4;
  [[nodiscard]] index_t sample_size() const { return size; }
  void forward(vec<const float> w, const network_row<context>& in, vec<float> o) const {
    for (index_t i = 0; i < size; ++i) o[i] = w[i] * in.x[i];
  }
  void backward(vec<const float>, const network_row<context>& in, vec<const float> g, vec<float> w_gradient) const {
    for (index_t i = 0; i < size; ++i) w_gradient[i] += g[i] * in.x[i];
  }
};
using linear_model = row_generator<diagonal, flow_matching>;
linear_model make_linear(float w) { return {diagonal{}, std::vector<float>(diagonal::size, w), flow_matching{}}; }

/// The trainer's gradient against central differences of the loss in double, of the rows that its source makes.
template <class Trainer, class... Contexts>
void check_gradient(cpu_backend& backend, linear_model& model, Trainer& trainer, double w, double reference,
                    double beta, const Contexts&... contexts) {
  auto& source = trainer.source();
  source.collect(backend, model, {0, 0}, contexts...);
  const index_t count = source.comparisons();
  source.prepare(backend, model, 2 * count);
  const auto rows = source.rows(backend, model, 0, 2 * count);
  const auto loss = [&](const std::vector<double>& at) {
    double sum = 0;
    for (index_t c = 0; c < count; ++c) {
      double z = 0;
      for (index_t r : {2 * c, 2 * c + 1})
        for (index_t d = 0; d < diagonal::size; ++d) {
          const double x = static_cast<double>(rows.rows.x(r, d)), t = static_cast<double>(rows.target(r, d));
          const double off = t - at[static_cast<std::size_t>(d)] * x, off_reference = t - reference * x;
          z += beta * static_cast<double>(rows.labels(r, 0)) * static_cast<double>(rows.scale[r]) *
               (off_reference * off_reference - off * off) / diagonal::size;
        }
      if (rows.labels(2 * c, 0) != 0) sum += std::log1p(std::exp(-z));
    }
    return sum / static_cast<double>(count);
  };
  std::vector<double> expected, at(diagonal::size, w);
  for (double& each : at) {
    const double before = each, step = 1e-5;
    each = before + step;
    const double high = loss(at);
    each = before - step;
    expected.push_back((high - loss(at)) / (2 * step));
    each = before;
  }
  const preference_report report = trainer.update(contexts...);
  CHECK(report.ties < 0.7);
  double norm = 0;
  for (const double g : expected) norm = std::max(norm, std::abs(g));
  REQUIRE(norm > 1e-3);
  for (std::size_t d = 0; d < expected.size(); ++d)
    CHECK(std::abs(static_cast<double>(model.gradients()[static_cast<index_t>(d)]) - expected[d]) < 1e-4 * norm);
}

}  // namespace

TEST_CASE("PSO and SPO have their published numbers where no others are given") {
  cpu_backend backend({.threads = 1});
  small_model model = make_mlp(backend), reference = make_mlp(backend);
  const preference_parts parts{.optimizer = sgd{}, .reference = frozen_reference(reference)};
  const auto on_line = pso(backend, model, value(0), parts);
  CHECK(on_line.options().optimizer_steps == 12);
  CHECK(on_line.options().training.max_gradient_norm == 1);
  auto steps = spo(backend, model, first_value(1), parts);
  CHECK(steps.parts().link.beta == 10);
  CHECK(steps.options().optimizer_steps == steps.source().table().trained);
  CHECK(steps.source().table().first_trained == 4);
  CHECK(steps.source().table().horizon() == 20);
  CHECK(steps.source().comparisons() == 10 * steps.source().table().trained);
  auto off_line = pso_offline(
      backend, model, [](std::int64_t, matrix<float>, matrix<float>, std::span<context>) {}, parts);
  CHECK(off_line.source().comparisons() == 4);
  CHECK(off_line.parts().link.beta == 5);
  CHECK_THROWS_WITH(off_line.update(), contains("listed_times: there are none; list the times"));
}

TEST_CASE("PSO and SPO: at the reference margins are exactly 0, and micro-batches and threads change no bit") {
  std::optional<std::vector<float>> of_pso, of_spo;
  for (const int threads : {1, 2}) {
    cpu_backend backend({.threads = threads});
    small_model model = make_mlp(backend), reference = make_mlp(backend);
    const preference_parts parts{.optimizer = sgd{.learning_rate = 0}, .reference = frozen_reference(reference)};
    const auto check = [&](auto trainer, std::optional<std::vector<float>>& expected) {
      const preference_report report = trainer.update(prompts);
      CHECK(report.loss == std::log(2.0));
      CHECK(report.margin == 0);
      CHECK(report.ties < 0.5);
      CHECK(report.gradient_norm > 0);
      const std::vector<float> gradient{model.gradients().begin(), model.gradients().end()};
      if (!expected) expected = gradient;
      CHECK(same_bits(gradient, *expected));
    };
    for (const index_t blocks : {1, 3}) {
      const auto make_pso = [&](std::size_t budget) {
        return pso(backend, model, value(0), parts,
                   {.pairs = {.batch = {.prompts = 24}},
                    .update = {.optimizer_steps = 1, .training = {.memory_budget = budget}}});
      };
      check(make_pso(test::budget_for(blocks, row_block_of(model), make_pso)), of_pso);
      const auto make_spo = [&](std::size_t budget) {
        return spo(backend, model, first_value(9), parts,
                   {.pairs = {.prompts = 18, .horizon = 8},
                    .update = {.optimizer_steps = 1, .training = {.memory_budget = budget}}});
      };
      check(make_spo(test::budget_for(blocks, row_block_of(model), make_spo)), of_spo);
    }
  }
}

TEST_CASE("gradients of PSO and SPO are those of central differences in double") {
  cpu_backend backend({.threads = 1});
  linear_model model = make_linear(0.3f), reference = make_linear(0.2f);
  const preference_parts parts{
      .optimizer = sgd{.learning_rate = 0}, .reference = frozen_reference(reference), .link = logistic_link{.beta = 5}};
  auto on_line = pso(
      backend, model, value(0), parts,
      {.pairs = {.batch = {.prompts = 40}}, .update = {.optimizer_steps = 1, .training = {.max_gradient_norm = 1e9f}}},
      ddim_sampler{});
  check_gradient(backend, model, on_line, 0.3f, 0.2f, 5, prompts);
  auto steps = spo(backend, model, first_value(5), parts,
                   {.pairs = {.prompts = 20, .horizon = 7},
                    .update = {.optimizer_steps = 1, .training = {.max_gradient_norm = 1e9f}}});
  check_gradient(backend, model, steps, 0.3f, 0.2f, 5, prompts);
  const auto shifted = [](std::int64_t, matrix<float> winners, matrix<float> losers, std::span<context>) {
    for (index_t i = 0; i < winners.size(); ++i)
      winners.data[i] = 0.1f * static_cast<float>(i % 7), losers.data[i] = -0.1f * static_cast<float>(i % 5);
  };
  auto off_line = pso_offline(backend, model, shifted, parts,
                              {.pairs = {.comparisons = 30}, .update = {.training = {.max_gradient_norm = 1e9f}}},
                              listed_times{{0.25f, 0.5f, 0.75f, 1}});
  check_gradient(backend, model, off_line, 0.3f, 0.2f, 5);
  std::set<float> times;
  const auto rows = off_line.source().rows(backend, model, 0, 60);
  for (index_t r = 0; r < 60; ++r) {
    times.insert(rows.rows.times[r]);
    CHECK(rows.scale[r] == 1);
  }
  CHECK(times == std::set{0.25f, 0.5f, 0.75f, 1.0f});
}

TEST_CASE("a trajectory goes on from one of the candidates of each step, of which best and worst are compared") {
  cpu_backend backend({.threads = 1});
  small_model model = make_mlp(backend);
  std::vector<seen_step> seen;
  constexpr index_t d = 5, p = 8;
  step_pairs source(backend, model, watching{&seen}, ddim_sampler{},
                    {.prompts = p, .horizon = 9, .first_compared = 2, .candidates = 4, .least_gap = 0.05f});
  const int trained = source.table().trained;
  source.prepare(backend, model, 2 * source.comparisons());
  source.collect(backend, model, {7, 3}, prompts);
  REQUIRE(seen.size() == static_cast<std::size_t>(4 * trained));
  REQUIRE(seen[0].step == 2);
  const auto row = [](const std::vector<float>& all, index_t i) {
    return std::vector(all.begin() + i * d, all.begin() + (i + 1) * d);
  };
  std::set<int> chosen;
  for (std::size_t k = 0; k < seen.size(); k += 4)
    for (index_t i = 0; i < p; ++i) {
      std::set<std::vector<float>> candidates;
      for (std::size_t j = 0; j < 4; ++j) {
        CHECK(seen[k + j].step == static_cast<int>(2 + k / 4));
        CHECK(seen[k + j].x == seen[k].x);
        candidates.insert(row(seen[k + j].next, i));
        if (k + 4 < seen.size() && row(seen[k + 4].x, i) == row(seen[k + j].next, i))
          chosen.insert(static_cast<int>(j));
      }
      CHECK(candidates.size() == 4);
      if (k + 4 < seen.size()) CHECK(candidates.count(row(seen[k + 4].x, i)) == 1);
    }
  CHECK(chosen == std::set{0, 1, 2, 3});

  const auto rows = source.rows(backend, model, 0, 2 * source.comparisons());
  std::set<std::pair<float, std::int32_t>> places;
  int ties = 0;
  for (index_t c = 0; c < source.comparisons(); ++c) {
    CHECK(same_bits(rows.rows.x.row(2 * c), rows.rows.x.row(2 * c + 1), d));
    const std::int32_t prompt = rows.rows.contexts.which[2 * c];
    CHECK(prompt == c % p);
    places.insert({rows.rows.times[2 * c], prompt});
    // which step it is, by its time; then the pair is the best and the worst of what the judge saw there
    std::size_t k = 2;
    while (source.table().rows[k].time != rows.rows.times[2 * c]) ++k;
    const step_row& step = source.table().rows[k];
    CHECK(same_bits(rows.rows.x.row(2 * c), seen[4 * (k - 2)].x.data() + prompt * d, d));
    float best = -1e9f, worst = 1e9f;
    for (std::size_t j = 0; j < 4; ++j) {
      const float score = seen[4 * (k - 2) + j].next[static_cast<std::size_t>(prompt * d)];
      best = std::max(best, score), worst = std::min(worst, score);
    }
    const auto next = [&](index_t r) { return step.a * rows.rows.x(r, 0) + step.b * rows.target(r, 0); };
    CHECK(next(2 * c) == Approx(best).margin(1e-5));
    CHECK(next(2 * c + 1) == Approx(worst).margin(1e-5));
    // softmax(best) - softmax(worst)
    const double high = 1 / (1 + std::exp(static_cast<double>(worst - best))), gap = high - (1 - high);
    CHECK(rows.labels(2 * c, 0) == (gap > 0.05 ? 1.0f : 0.0f));
    CHECK(rows.labels(2 * c + 1, 0) == -rows.labels(2 * c, 0));
    ties += rows.labels(2 * c, 0) == 0 ? 1 : 0;
  }
  CHECK(places.size() == static_cast<std::size_t>(source.comparisons()));
  CHECK(ties > 0);
  CHECK(ties < source.comparisons());
}

TEST_CASE("SPO resumes to the bit, and compares its judge and its steps") {
  const temporary_directory folder;
  cpu_backend backend({.threads = 1});
  const auto run = [&](int candidates, const auto& use) {
    small_model model = make_mlp(backend), reference = make_mlp(backend);
    auto trainer =
        spo(backend, model, first_value(9),
            preference_parts{.optimizer = sgd{.learning_rate = 0.01f}, .reference = frozen_reference(reference)},
            {.pairs = {.prompts = 2, .horizon = 7, .candidates = candidates}});
    use(trainer);
    return std::vector<float>{model.parameters().begin(), model.parameters().end()};
  };
  const auto whole = run(3, [&](auto& trainer) {
    for (int i = 0; i < 4; ++i) {
      if (i == 2) save_checkpoint(folder / "two", trainer);
      trainer.update(prompts);
    }
  });
  const auto resumed = run(3, [&](auto& trainer) {
    load_checkpoint(folder / "two", trainer);
    while (trainer.index() < 4) trainer.update(prompts);
  });
  CHECK(same_bits(resumed, whole));
  run(2, [&](auto& trainer) {
    CHECK_THROWS_WITH(load_checkpoint(folder / "two", trainer), contains("candidates = 3, but this run has 2"));
  });
}

TEST_CASE("what step pairs cannot be made of is refused by name") {
  cpu_backend backend({.threads = 1});
  small_model model = make_mlp(backend), reference = make_mlp(backend);
  const preference_parts parts{.optimizer = sgd{}, .reference = frozen_reference(reference)};
  const auto broken = per_step{[](int k, vec<const float>, vec<const float>, context) { return k == 5 ? NAN : 0.0f; }};
  auto trainer = spo(backend, model, broken, parts, {.pairs = {.prompts = 2}});
  CHECK_THROWS_WITH(trainer.update(prompts), contains("the score of candidate 0 of trajectory 0 at step 5 is nan"));
  CHECK_THROWS_WITH(trainer.update(std::vector<context>{}), contains("step_pairs: there are 0 prompts"));
  CHECK_THROWS_WITH(spo(backend, model, broken, parts, {.pairs = {.candidates = 1}}), contains("candidates is 1"));
  CHECK_THROWS_WITH(spo(backend, model, broken, parts, {.pairs = {.horizon = 4}}),
                    contains("step_pairs: first_compared is 4 but"));
  CHECK_THROWS_WITH(spo(backend, model, broken, parts, {}, ddim_sampler{.eta = 0}),
                    contains("none of the 20 steps is stochastic"));
}

TEST_CASE("trajectories are compared by all of several rewards, and reports have their sum") {
  cpu_backend backend({.threads = 1});
  small_model model = make_mlp(backend);
  const auto labels_of = [&](auto reward) {
    trajectory_pairs source(backend, model, reward, consistency_sampler{},
                            {.horizon = 2, .batch = {.prompts = 40, .shared_initial_noise = false}});
    source.prepare(backend, model, 2 * source.comparisons());
    source.collect(backend, model, {3, 0}, prompts);
    const auto rows = source.rows(backend, model, 0, 2 * source.comparisons());
    std::vector<float> all(source.rewards().begin(), source.rewards().end());
    for (index_t r = 0; r < 2 * source.comparisons(); r += 2) all.push_back(rows.labels(r, 0));
    return all;
  };
  const auto one = labels_of(value(0)), other = labels_of(value(1));
  auto rewards = pareto_rewards(value(0), value(1));
  const auto both = labels_of(rewards), shared = labels_of(std::ref(rewards));
  CHECK(both == shared);
  int ties = 0;
  for (std::size_t i = 0; i < 80; ++i) CHECK(both[i] == one[i] + other[i]);
  for (std::size_t i = 80; i < both.size(); ++i) {
    CHECK(both[i] == (one[i] == other[i] ? one[i] : 0.0f));
    ties += both[i] == 0 ? 1 : 0;
  }
  CHECK(ties > 5);
  CHECK(ties < 35);
}
