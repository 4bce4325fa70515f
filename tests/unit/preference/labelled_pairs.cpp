// SPDX-License-Identifier: Apache-2.0
#include "support/nearness.hpp"
#include "support/processes.hpp"
#include "support/temporary_directory.hpp"
#include "test.hpp"

#include <fewstep/algorithm/ddim_inpo.hpp>
#include <fewstep/algorithm/diffusion_dpo.hpp>
#include <fewstep/algorithm/sampled_pairs.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/io/checkpoint.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/preference/labelled_pairs.hpp>
#include <fewstep/preference/mixed_pairs.hpp>
#include <fewstep/preference/pair_judge.hpp>
#include <fewstep/preference/pareto_label.hpp>
#include <fewstep/preference/recorded_pairs.hpp>
#include <fewstep/process/external_reward.hpp>
#include <fewstep/reward/per_sample.hpp>
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/sampler/ddim.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <vector>

using namespace fewstep;

namespace {

using context = std::int32_t;
using model_type = mlp_generator<cpu_backend>;
model_type make_model(cpu_backend& backend) {
  return {backend, {.network = {.dimension = 3, .classes = 9, .hidden = {8}}, .seed = 4}};
}

const auto value = [](index_t d) { return per_sample([d](vec<const float> x, const context&) { return x[d]; }); };

/// An update's pairs, and their labels.
struct drawn {
  std::vector<float> first, second, labels;
  std::vector<context> contexts;

  template <class Source>
  drawn(Source& source, std::int64_t update, index_t n, index_t segments = 1)
      : first(static_cast<std::size_t>(3 * n)),
        second(first.size()),
        labels(static_cast<std::size_t>(n * segments), 7.0f),
        contexts(static_cast<std::size_t>(n)) {
    detail::ask_for_pairs(source, update, {first.data(), {n, 3}}, {second.data(), {n, 3}}, std::span(contexts),
                          {labels.data(), {n, segments}});
  }
  friend bool operator==(const drawn&, const drawn&) = default;
};

/// Pair i has (i, 1, 0) first and (2, i, 0) second.
const auto counted = [](std::int64_t, matrix<float> first, matrix<float> second, std::span<context> contexts) {
  for (index_t i = 0; i < first.rows(); ++i) {
    first(i, 0) = second(i, 1) = static_cast<float>(i);
    first(i, 1) = 1, second(i, 0) = 2;
    first(i, 2) = second(i, 2) = 0;
    contexts[static_cast<std::size_t>(i)] = static_cast<context>(i);
  }
};

}  // namespace

TEST_CASE("a sample dominates that is lower in no reward and higher in one") {
  using rewards = std::vector<float>;
  const auto label = [](const rewards& a, const rewards& b, float tie = 0) { return pareto_label(a, b, tie); };
  CHECK(label({1, 2}, {1, 1}) == 1);
  CHECK(label({1, 1}, {1, 2}) == -1);
  CHECK(label({1, 2}, {2, 1}) == 0);
  CHECK(label({1, 2}, {1, 2}) == 0);
  CHECK(label({3}, {2}) == 1);
  CHECK(label({3, 1}, {2, 1.5f}, 0.5f) == 1);
  CHECK(label({3, 1}, {2.5f, 1.5f}, 0.5f) == 0);
  CHECK_THROWS_WITH(label({1, NAN}, {1, 1}), contains("reward 1 is nan for the first and 1 for the second"));
  CHECK_THROWS_WITH(label({1, 2}, {1}), contains("the first has 2 rewards and the second 1"));
}

TEST_CASE("pairs are judged by a reward, by several, or by a rule of pairs") {
  labelled_pairs one(counted, reward_judge(value(0)));
  CHECK(drawn(one, 0, 5).labels == std::vector<float>{-1, -1, 0, 1, 1});
  labelled_pairs close(counted, reward_judge({.tie = 1}, value(0)));
  CHECK(drawn(close, 0, 5).labels == std::vector<float>{-1, 0, 0, 0, 1});
  labelled_pairs both(counted, reward_judge(value(0), value(1)));  // (i, 1) against (2, i)
  CHECK(drawn(both, 0, 5).labels == std::vector<float>{0, -1, -1, 0, 0});
  labelled_pairs rule(counted, per_pair([](vec<const float> a, vec<const float> b, context c) {
                        return c == 3 ? 0.0f : a[1] > b[1] ? 1.0f : -1.0f;
                      }));
  CHECK(drawn(rule, 0, 5).labels == std::vector<float>{1, -1, -1, 0, -1});

  CHECK_THROWS_WITH(drawn(one, 0, 2, 3), contains("reward_judge: labels of 3 segments are asked for"));
  CHECK_THROWS_WITH(drawn(rule, 0, 2, 3), contains("per_pair: labels of 3 segments are asked for"));
  labelled_pairs broken(counted, reward_judge(per_sample([](vec<const float> x, context) { return 1 / (x[0] - 3); })));
  CHECK_THROWS_WITH(drawn(broken, 0, 5), contains("reward_judge: pair 3 of 5: pareto_label: reward 0 is inf"));
  CHECK_THROWS_WITH(reward_judge({.tie = -1}, value(0)), contains("tie is -1"));
}

TEST_CASE("another process judges pairs") {
  external_reward first_values({.command = test::shell(R"(while read -r word rows columns; do
    i=0; while [ $i -lt $rows ]; do read -r context; i=$((i + 1)); done
    head -c $((4 * rows * columns)) | od -A n -v -t f4 -w$((4 * columns)) | while read -r x rest; do echo "$x"; done
    echo end
  done)")});
  labelled_pairs source(counted, reward_judge(std::ref(first_values)));
  CHECK(drawn(source, 0, 5).labels == std::vector<float>{-1, -1, 0, 1, 1});
}

TEST_CASE("sampled pairs are two samples of a prompt, a function of the update and of the model") {
  cpu_backend backend({.threads = 1});
  model_type model = make_model(backend);
  const std::vector<context> prompts{5, 8};
  const auto make = [&](bool shared) {
    return sampled_pairs(backend, model, consistency_sampler{}, prompts,
                         {.pairs = 40, .steps = 2, .shared_initial_noise = shared, .seed = 3});
  };
  auto source = make(false), again = make(false);
  const drawn at_7(source, 7, 40);
  CHECK(at_7 == drawn(again, 7, 40));
  CHECK(!(at_7 == drawn(again, 8, 40)));
  CHECK(std::set(at_7.contexts.begin(), at_7.contexts.end()) == std::set(prompts.begin(), prompts.end()));
  CHECK(std::set(at_7.first.begin(), at_7.first.end()).size() == 120);
  CHECK(at_7.first != at_7.second);
  auto quiet = sampled_pairs(backend, model, ddim_sampler{.eta = 0}, prompts,
                             {.pairs = 40, .steps = 2, .shared_initial_noise = true});
  const drawn alike(quiet, 7, 40);
  CHECK(alike.first == alike.second);

  for (float& w : model.parameters()) w *= 1.5f;
  CHECK(!(at_7 == drawn(source, 7, 40)));
  CHECK_THROWS_WITH(drawn(source, 0, 8), contains("8 pairs of samples of 3 values are asked for, but 40 pairs of 3"));
  CHECK_THROWS_WITH(sampled_pairs(backend, model, consistency_sampler{}, std::vector<context>{}),
                    contains("there are 0 prompts"));
}

TEST_CASE("a mixture has its share of each source in every update") {
  mixed_pairs half(recorded_pairs(pair_records<context>{{7, 7, 7}, {8, 8, 8}, {3}, {-1}}, 3),
                   labelled_pairs(counted, reward_judge(value(0))), {.share = 0.4f});
  const drawn five(half, 2, 5);
  CHECK(five.labels == std::vector<float>{-1, -1, -1, -1, 0});
  CHECK(five.contexts == std::vector<context>{3, 3, 0, 1, 2});
  CHECK(five.first == std::vector<float>{7, 7, 7, 7, 7, 7, 0, 1, 0, 1, 1, 0, 2, 1, 0});
  mixed_pairs winners(counted, counted, {.share = 0.5f});
  CHECK(drawn(winners, 0, 4).labels == std::vector<float>(4, 1.0f));
  CHECK_THROWS_WITH(drawn(half, 0, 1), contains("a share of 0.4 of 1 pairs is 0"));
  CHECK_THROWS_WITH(mixed_pairs(counted, counted, {.share = 1}), contains("share is 1"));
}

TEST_CASE("trainers take mixtures and pairs that are labelled on the fly, and resume to the bit") {
  const temporary_directory folder;
  cpu_backend backend({.threads = 1});
  const auto with = [&](float share, const auto& then) {
    model_type model = make_model(backend), base = make_model(backend);
    const pair_records<context> records{{0, 0, 1, 1, 1, 0}, {1, 2, 0, 0, 3, 0}, {3, 4}, {1, 1}};
    const std::vector<context> prompts{5, 8};
    mixed_pairs source(recorded_pairs(records, 3),
                       labelled_pairs(sampled_pairs(backend, model, consistency_sampler{}, prompts, {.pairs = 6}),
                                      reward_judge(value(0), value(1))),
                       {.share = share});
    auto trainer = diffusion_dpo(backend, model, std::move(source),
                                 preference_parts{.optimizer = sgd{.learning_rate = 0.1f},
                                                  .reference = frozen_reference(base),
                                                  .link = logistic_link{.beta = 3}},
                                 {.pairs = {.comparisons = 8}});
    then(trainer, model);
  };
  std::vector<float> expected;
  with(0.25f, [&](auto& trainer, auto& model) {
    for (int i = 0; i < 4; ++i) {
      if (i == 2) save_checkpoint(folder / "two", trainer);
      const preference_report report = trainer.update();
      CHECK(report.ties < 1);
      if (i == 0) CHECK(report.loss == std::log(2.0));
    }
    expected.assign(model.parameters().begin(), model.parameters().end());
  });
  with(0.25f, [&](auto& trainer, auto& model) {
    load_checkpoint(folder / "two", trainer);
    for (int i = 2; i < 4; ++i) trainer.update();
    CHECK(std::equal(expected.begin(), expected.end(), model.parameters().begin()));
  });
  with(0.2f, [&](auto& trainer, auto&) {
    CHECK_THROWS_WITH(load_checkpoint(folder / "two", trainer), contains("source.share = 0.25, but this run has 0.2"));
  });

  model_type model = make_model(backend), base = make_model(backend);
  auto inpo = ddim_inpo(backend, model, base, labelled_pairs(counted, reward_judge(value(0))),
                        preference_parts{.optimizer = sgd{}, .reference = frozen_reference(base)},
                        {.pairs = {.pairs = {.comparisons = 5}}});
  CHECK(inpo.update().ties == 0.2);
}
