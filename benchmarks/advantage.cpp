// SPDX-License-Identifier: Apache-2.0
#include <fewstep/advantage/batch.hpp>
#include <fewstep/advantage/group.hpp>
#include <fewstep/advantage/prompt_buffer.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/testing/benchmark_run.hpp>

#include <cstdint>
#include <vector>

namespace {

using namespace fewstep;

/// Rewards of a batch, 8 samples a prompt, turned into advantages.
template <class Advantage>
void advantage_of_batch(benchmark::State& state) {
  cpu_backend backend({.threads = 1});
  const auto n = static_cast<std::size_t>(state.range(0));
  std::vector<float> rewards(n), advantages(n);
  std::vector<std::int32_t> prompts(n);
  for (std::size_t i = 0; i < n; ++i) {
    rewards[i] = random_stream{1, stream::evaluation}.normal(i);
    prompts[i] = static_cast<std::int32_t>(i / 8);
  }
  Advantage advantage;
  run_benchmark(state, backend, {.items = static_cast<double>(n)}, [&] { advantage(rewards, prompts, advantages); });
}

void sizes(benchmark::internal::Benchmark* b) { b->ArgName("samples")->Arg(64)->Arg(4096)->UseRealTime(); }
BENCHMARK(advantage_of_batch<prompt_buffer_advantage>)->Name("advantage/prompt_buffer")->Apply(sizes);
BENCHMARK(advantage_of_batch<group_advantage>)->Name("advantage/group")->Apply(sizes);
BENCHMARK(advantage_of_batch<batch_advantage>)->Name("advantage/batch")->Apply(sizes);

}  // namespace
