// SPDX-License-Identifier: Apache-2.0
#include <fewstep/core/random.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/image/jpeg_reward.hpp>
#include <fewstep/testing/benchmark_run.hpp>

#include <cstdint>
#include <vector>

namespace {

using namespace fewstep;

/// The JPEG reward of 64 pictures of side x side. Half a gradient and half noise: a picture that is neither the
/// cheapest nor the dearest to encode.
void compressibility(benchmark::State& state) {
  const index_t pictures = 64, side = state.range(0);
  const int threads = static_cast<int>(state.range(1));
  cpu_backend backend({.threads = threads});
  cpu_tensor<float, 2> samples(backend, {pictures, side * side * 3});
  for (index_t r = 0; r < pictures; ++r) {
    float* values = samples.view().row(r);
    const index_t n = samples.extent(1);
    fill_normal({1, stream::evaluation}, static_cast<std::uint64_t>(r), 0, values, n);
    for (index_t i = 0; i < n; ++i)
      values[i] = i < n / 2 ? 2.0f * static_cast<float>(i) / static_cast<float>(n) : 0.3f * values[i];
  }
  const std::vector<int> contexts(static_cast<std::size_t>(pictures));
  std::vector<float> rewards(contexts.size());
  const jpeg_compressibility reward{.threads = threads};
  run_benchmark(state, backend, {.items = static_cast<double>(pictures)},
                [&] { reward(matrix<const float>(samples.view()), std::span<const int>(contexts), rewards); });
}
BENCHMARK(compressibility)
    ->Name("jpeg/compressibility")
    ->ArgNames({"side", "threads"})
    ->ArgsProduct({{32, 256}, {1, 2}})
    ->UseRealTime();

}  // namespace
