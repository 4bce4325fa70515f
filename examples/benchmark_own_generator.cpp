// SPDX-License-Identifier: Apache-2.0
// Needs Google Benchmark. Try it with --benchmark_filter=policy_gradient.
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/testing/benchmark.hpp>

// Put your own generator here: any struct that models fewstep::generator.
using my_generator = fewstep::mlp_generator<fewstep::cpu_backend>;

int main(int argc, char** argv) {
  fewstep::benchmark_generator(
      "mine", [](fewstep::cpu_backend& backend) { return my_generator(backend, {}); },
      {.batches = {64, 256}, .horizons = {2, 8}, .threads = {1, 2}, .operations = 2.0 * (10 * 64 + 64 * 64 + 64 * 2)});
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
