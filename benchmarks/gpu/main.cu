// SPDX-License-Identifier: Apache-2.0
// Benchmarks of cuda_backend. Google Benchmark's arguments, with other defaults: medians of five runs in a table for
// people; --benchmark_out=FILE also writes all figures as JSON, and --benchmark_format gives Google Benchmark's own
// output. What is measured stands at the top of each file beside this one.
#include "../table_reporter.hpp"
#include "timing.cuh"

#include <cstdio>
#include <string_view>

namespace {

class checked_table : public table_reporter {
 public:
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) failed = failed || has_failed(run);
    table_reporter::ReportRuns(runs);
  }
  bool failed = false;
};

/// What a reader must know of how figures came about; false where there is no GPU.
bool describe_gpu() {
  if (gpu::emulated) {
    benchmark::AddCustomContext("gpu", "none: an emulation on the CPU, whose times mean nothing");
    return true;
  }
  int count = 0;
  const cudaError_t found = cudaGetDeviceCount(&count);
  if (found != cudaSuccess || count == 0) {
    std::fprintf(stderr, "fewstep_gpu_benchmarks needs a GPU, and there is none that CUDA can use (%s)\n",
                 cudaGetErrorString(found));
    return false;
  }
  cudaDeviceProp properties{};
  int driver = 0, runtime = 0, clock = 0, memory_clock = 0;
  fewstep::detail::check_cuda(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
  fewstep::detail::check_cuda(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  fewstep::detail::check_cuda(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
  (void)cudaDeviceGetAttribute(&clock, cudaDevAttrClockRate, 0);
  (void)cudaDeviceGetAttribute(&memory_clock, cudaDevAttrMemoryClockRate, 0);
  using fewstep::message;
  benchmark::AddCustomContext("gpu", properties.name);
  benchmark::AddCustomContext("multiprocessors", std::to_string(properties.multiProcessorCount));
  benchmark::AddCustomContext("l2_bytes", std::to_string(properties.l2CacheSize));
  benchmark::AddCustomContext("highest_clock_mhz", std::to_string(clock / 1000));
  benchmark::AddCustomContext("memory_clock_mhz", std::to_string(memory_clock / 1000));
  benchmark::AddCustomContext("cuda_driver", message(driver / 1000, '.', driver % 1000 / 10));
  benchmark::AddCustomContext("cuda_runtime", message(runtime / 1000, '.', runtime % 1000 / 10));
  benchmark::AddCustomContext("nvcc",
                              message(__CUDACC_VER_MAJOR__, '.', __CUDACC_VER_MINOR__, '.', __CUDACC_VER_BUILD__));
  std::printf("%s, %d multiprocessors, %d MB of L2 cache, CUDA %d.%d\n", properties.name,
              properties.multiProcessorCount, properties.l2CacheSize >> 20, runtime / 1000, runtime % 1000 / 10);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> arguments{argv[0]};
  if (!gpu::emulated) arguments.insert(arguments.end(), {"--benchmark_repetitions=5", "--benchmark_min_time=0.02"});
  bool own_table = true, only_lists = false;
  for (int i = 1; i < argc; ++i) {
    arguments.emplace_back(argv[i]);
    own_table = own_table && !arguments.back().starts_with("--benchmark_format");
    only_lists = only_lists || arguments.back().starts_with("--benchmark_list_tests");
  }
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  int count = static_cast<int>(pointers.size());
  pointers.push_back(nullptr);

  benchmark::Initialize(&count, pointers.data());
  if (benchmark::ReportUnrecognizedArguments(count, pointers.data())) return 2;
  if (!only_lists && !describe_gpu()) return 1;
  checked_table table;
  if (benchmark::RunSpecifiedBenchmarks(own_table ? &table : nullptr) == 0) {
    std::fprintf(stderr, "no benchmark has a name that matches '%s'; --benchmark_list_tests lists them all\n",
                 benchmark::GetBenchmarkFilter().c_str());
    return 1;
  }
  return table.failed ? 1 : 0;
}
