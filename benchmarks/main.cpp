// SPDX-License-Identifier: Apache-2.0
#include "table_reporter.hpp"

#include <benchmark/benchmark.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

/// Google Benchmark's arguments, with other defaults: medians of five runs in a table for people. An explicit
/// --benchmark_format gives Google Benchmark's own output.
int main(int argc, char** argv) {
  std::vector<std::string> arguments{argv[0], "--benchmark_repetitions=5", "--benchmark_min_time=0.05"};
  bool own_table = true;
  for (int i = 1; i < argc; ++i) {
    arguments.emplace_back(argv[i]);
    own_table = own_table && !arguments.back().starts_with("--benchmark_format");
  }
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  int count = static_cast<int>(pointers.size());
  pointers.push_back(nullptr);

#ifndef __OPTIMIZE__
  std::fputs("compiled without optimisation: these times mean nothing\n", stderr);
#endif
  benchmark::Initialize(&count, pointers.data());
  if (benchmark::ReportUnrecognizedArguments(count, pointers.data())) return 1;
  table_reporter table;
  const std::size_t found = benchmark::RunSpecifiedBenchmarks(own_table ? &table : nullptr);
  if (found == 0) {
    std::fprintf(stderr, "no benchmark has a name that matches '%s'; --benchmark_list_tests lists them all\n",
                 benchmark::GetBenchmarkFilter().c_str());
    return 1;
  }
}
