// SPDX-License-Identifier: Apache-2.0
// Options that ask for more than there is are refused by sentences, before anything of that size is made or counted.
#include "support/gaussian_consistency.hpp"
#include "test.hpp"

#include <fewstep/algorithm/consistency_training.hpp>
#include <fewstep/algorithm/draft.hpp>
#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/generator/guided.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/mdp/replay.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/reward/differentiable_per_sample.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

using namespace fewstep;
using fewstep::test::gaussian_consistency;

namespace {

constexpr int huge = 1 << 30, largest = std::numeric_limits<int>::max();

auto judge() {
  return differentiable_per_sample([](auto sample, std::int32_t, vec<float> gradient) {
    for (float& g : gradient) g = 0;
    return sample[0];
  });
}

template <class Generator>
void refused_by_all(Generator& model, int horizon, int prompts, int together, std::size_t budget,
                    const std::string& sentence) {
  cpu_backend backend({.threads = 1});
  CAPTURE(horizon, prompts, together, budget);
  const auto begin = std::chrono::steady_clock::now();
  CHECK_THROWS_WITH(rlcm(backend, model, judge(), sgd{},
                         {.horizon = horizon,
                          .batch = {.prompts = prompts, .samples_per_prompt = together},
                          .training = {.memory_budget = budget}}),
                    contains(sentence));
  CHECK_THROWS_WITH(draft(backend, model, judge(), sgd{},
                          {.horizon = horizon,
                           .batch = {.prompts = prompts, .samples_per_prompt = together},
                           .training = {.memory_budget = budget}}),
                    contains(sentence));
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(10));
}

}  // namespace

TEST_CASE("numbers of samples and steps that no budget holds are refused before they are looked at") {
  cpu_backend backend({.threads = 1});
  gaussian_consistency model;
  mlp_generator<cpu_backend> network(backend, {.network = {.dimension = 3, .classes = 2}});
  guided doubled(backend, network, {.scale = 3});
  const std::size_t usual = std::size_t{1} << 30, any = std::numeric_limits<std::size_t>::max();
  const auto all = [&](int horizon, int prompts, int together, std::size_t budget, const std::string& sentence) {
    refused_by_all(model, horizon, prompts, together, budget, sentence);
    refused_by_all(network, horizon, prompts, together, budget, sentence);
    refused_by_all(doubled, horizon, prompts, together, budget, sentence);
  };
  all(3, huge, huge, usual, "1073741824 bytes are too few; the states of 1152921504606846976 samples over 3 steps");
  all(3, huge, huge, any, "alone need more than can be counted");
  all(largest, largest, largest, any, "alone need more than can be counted");
  all(1000000000, 1, 1, usual, "the states of 1 samples over 1000000000 steps alone need");
  all(1000000000, 1, 1, std::size_t{1} << 35, "the states of 1 samples over 1000000000 steps alone need");
}

TEST_CASE("one table for each call that may be jumped from is within the budget too") {
  cpu_backend backend({.threads = 1});
  gaussian_consistency model;
  CHECK_THROWS_WITH(refl(backend, model, judge(), sgd{}, {.horizon = 100000, .jump_from = 0, .batch = {.prompts = 1}}),
                    contains("memory_budget: 1073741824 bytes are too few"));
}

TEST_CASE("networks and batches of more elements than can be counted are refused") {
  cpu_backend backend({.threads = 1});
  constexpr index_t wide = index_t{1} << 33, most = std::numeric_limits<index_t>::max();
  const auto network = [&](index_t dimension, index_t classes, std::vector<index_t> hidden) {
    return mlp_generator<cpu_backend>(
        backend, {.network = {.dimension = dimension, .classes = classes, .hidden = std::move(hidden)}});
  };
  CHECK_THROWS_AS(network(2, 2, {wide, wide}), std::length_error);
  CHECK_THROWS_AS(network(most, 2, {4}), std::length_error);
  CHECK_THROWS_AS(network(most / 2 + 1, most / 2 + 1, {4}), std::length_error);
  gaussian_consistency model;
  CHECK_THROWS_AS((consistency_training(backend, model, sgd{}, {.batch = most / 2})), std::length_error);
  CHECK_THROWS_WITH(
      (consistency_training(backend, model, sgd{}, {.steps = std::numeric_limits<std::int64_t>::max(), .batch = 1})),
      contains("steps in 3 stages cannot be counted"));
  using path = trajectory<cpu_backend, std::int32_t>;
  CHECK_THROWS_WITH(path(backend, consistency_sampler{}.table(model.preconditioner(), 3), most / 2, 3),
                    contains("samples, which have numbers of 32 bits; use fewer"));
  CHECK(path::bytes(largest, most, most) == saturated_size::most);
}

TEST_CASE("minibatches are as equal as can be, whatever the numbers") {
  for (const index_t rows : {7, 12, 100})
    for (const int parts : {1, 3, 7}) {
      const replay_order order({1, rows, 0}, parts);
      for (int k = 0; k < parts; ++k) {
        CHECK(order.minibatch(k).first == rows * k / parts);
        CHECK(order.minibatch(k).second == rows * (k + 1) / parts);
      }
    }
}
