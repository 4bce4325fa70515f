// SPDX-License-Identifier: Apache-2.0
// States in 16 bits on a device: the CPU's numbers, exact ratios, and an error where there is no number.
#include "cuda/history.cuh"
#include "cuda/support.cuh"
#include "support/nearness.hpp"

#include <fewstep/advantage/batch.hpp>
#include <fewstep/algorithm/policy_gradient.hpp>
#include <fewstep/cuda.cuh>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/mdp/state_storage.hpp>
#include <fewstep/objective/clipped_surrogate.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/reward/per_sample.hpp>
#include <fewstep/sampler/consistency.hpp>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

using namespace fewstep;
using namespace fewstep::test;

namespace {

/// A trainer on a small perceptron of `dimension`.
template <class Backend>
struct rig {
  using generator_type = mlp_generator<Backend>;
  using parts =
      policy_gradient_parts<per_sample<nearness>, adam, clipped_surrogate, batch_advantage, consistency_sampler>;
  Backend& backend;
  generator_type model;
  policy_gradient<Backend, generator_type, parts> trainer;

  rig(Backend& b, state_storage as, int minibatches, index_t dimension = 5, float largest = 4, float rate = 3e-3f)
      : backend(b),
        model(b, {.network = {.dimension = dimension, .classes = 3, .hidden = {16}},
                  .preconditioner = {.sigma_min = 0.1f, .sigma_max = largest},
                  .seed = 1}),
        trainer(b, model,
                parts{.reward = per_sample(nearness{}),
                      .optimizer = {.learning_rate = rate},
                      .objective = {.clip_range = 0.02f},
                      .sampler = {.last = last_step::reference}},
                {.horizon = 3,
                 .optimizer_steps = minibatches,
                 .store_states_as = as,
                 .batch = {.prompts = 3, .samples_per_prompt = 7},
                 .training = {.seed = 5}}) {}

  /// Reports' figures and parameters after some updates.
  std::vector<float> run(int updates) {
    using r = update_report;
    return history_of(backend, model, trainer, updates, {&r::reward_mean, &r::loss, &r::ratio_mean, &r::gradient_norm});
  }
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("a device stores and loads 16 bits as the CPU does", "[cuda]", devices) {
  constexpr index_t rows = 64, columns = 1024;
  std::vector<float> numbers;
  for (std::uint32_t i = 0; i < rows * columns; ++i) numbers.push_back(std::bit_cast<float>(i * 65521u));
  for (const state_storage as : {state_storage::float16, state_storage::bfloat16}) {
    std::vector<float> expected = numbers;
    std::vector<std::uint16_t> patterns(numbers.size());
    std::vector<float> beyond(rows);
    const detail::packed_states on_cpu{{patterns.data(), {rows, columns}}, as, beyond.data()};
    for (index_t i = 0; i < rows; ++i) on_cpu.store(i, expected.data() + i * columns);

    TestType backend;
    auto x = to_device(backend, numbers);
    tensor<std::uint16_t, 2, TestType> stored(backend, {rows, columns});
    tensor<float, 1, TestType> beyond_there(backend, {rows});
    tensor<float, 2, TestType> loaded(backend, {rows, columns});
    backend.for_each(rows, detail::store_states{{stored.view(), as, beyond_there.data()}, {x.data(), {rows, columns}}});
    backend.for_each(rows, detail::load_states{stored.view(), as, nullptr, 0, loaded.view()});
    CHECK(to_host(backend, stored.data(), stored.size()) == patterns);
    CHECK(same_bits(to_host(backend, x), expected));
    CHECK(same_bits(to_host(backend, loaded.data(), loaded.size()), expected));
    const auto there = to_host(backend, beyond_there);
    for (index_t i = 0; i < rows; ++i)
      CHECK((there[static_cast<std::size_t>(i)] != 0) == (beyond[static_cast<std::size_t>(i)] != 0));
  }
}

TEMPLATE_LIST_TEST_CASE("ratios of the first replay of states in 16 bits are exactly 1 on a device", "[cuda]",
                        devices) {
  // Rows of a thread, a warp, a block and several segments; addresses on packets and not.
  for (const index_t dimension : {5, 16, 515, 4100})
    for (const state_storage as : {state_storage::float16, state_storage::bfloat16})
      for (const int minibatches : {1, 2}) {
        if (dimension > 1000 && minibatches > 1) continue;  // the emulation takes its time
        TestType backend;
        rig<TestType> r(backend, as, minibatches, dimension, 4, 0);
        for (int k = 0; k < 2; ++k) {
          const update_report report = r.trainer.update({0, 1, 2});
          CAPTURE(dimension, name_of(as), minibatches, k);
          check_first_replay(report);
        }
      }
}

TEMPLATE_LIST_TEST_CASE(
    "updates on states in 16 bits on a device are those of the CPU but for their rounding, recorded "
    "or not",
    "[cuda]", devices) {
  for (const state_storage as : {state_storage::float16, state_storage::bfloat16})
    for (const int minibatches : {1, 2}) {
      cpu_backend cpu({.threads = 1});
      rig<cpu_backend> on_cpu(cpu, as, minibatches);
      TestType backend, unrecorded({.graphs = false});
      rig<TestType> on_device(backend, as, minibatches), piece_by_piece(unrecorded, as, minibatches);
      const auto history = on_device.run(4);
      CHECK(same_bits(history, piece_by_piece.run(4)));
      // A number near the middle of two neighbours may be rounded otherwise where its last bit differs.
      CHECK(relative_error(history, on_cpu.run(4)) < (as == state_storage::float16 ? 1e-3 : 1e-2));
    }
}

TEMPLATE_LIST_TEST_CASE("a state beyond float16 stops an update on a device, each time anew", "[cuda]", devices) {
  TestType backend;
  rig<TestType> r(backend, state_storage::float16, 1, 5, 60000.0f);
  for (int k = 0; k < 4; ++k)  // recorded in the end
    CHECK_THROWS_WITH(r.trainer.update({0, 1, 2}), contains("policy_gradient: a state of sample ") &&
                                                       contains("store_states_as is float16, which holds up to 65504"));
  CHECK(r.trainer.index() == 0);
  rig<TestType> wide(backend, state_storage::bfloat16, 1, 5, 60000.0f);
  CHECK(wide.trainer.update({0, 1, 2}).ratio_mean == 1);
}
