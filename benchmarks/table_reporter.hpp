// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "units.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

/// One line a benchmark, as soon as it is done: name, arguments, threads, median time, rate, share of the ceiling.
/// It knows the counters of fewstep::run_benchmark. Benchmarks of one subject (the name up to its /) stand together.
class table_reporter : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context& context) override {
    std::printf("%d processors", context.cpu_info.num_cpus);
    if (!context.cpu_info.load_avg.empty()) std::printf(", load average %.2f", context.cpu_info.load_avg.front());
    std::printf(
        "; compiled by %s\n"
        "A rate without a unit counts items. Shares are of a copy that touches as many bytes, or of a loop of "
        "multiply-adds (peak), measured in this "
        "process.\n\n",
        compiler);
    line("benchmark", "arguments", "threads", "median", "rate", "share");
    return true;
  }

  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs)
      if (has_failed(run))
        std::printf("%s: %s\n", run.benchmark_name().c_str(), error_of(run).c_str());
      else if (run.aggregate_name == "median" || (run.run_type == Run::RT_Iteration && run.repetitions <= 1))
        print(run);
    std::fflush(stdout);
  }

 protected:
  // Google Benchmark 1.8 gave the two members other names.
  template <class AnyRun>
  static bool has_failed(const AnyRun& run) {
    if constexpr (requires { run.error_occurred; })
      return run.error_occurred;
    else
      return static_cast<bool>(run.skipped);
  }
  template <class AnyRun>
  static const std::string& error_of(const AnyRun& run) {
    if constexpr (requires { run.error_message; })
      return run.error_message;
    else
      return run.skip_message;
  }

 private:
#if defined(__clang__)
  static constexpr const char* compiler = "clang " __clang_version__;
#else
  static constexpr const char* compiler = "gcc " __VERSION__;
#endif

  static void line(const std::string& name, const std::string& arguments, const std::string& threads,
                   const std::string& median, const std::string& rate, const std::string& share) {
    std::printf("%-28s %-30s %7s %10s %17s  %s\n", name.c_str(), arguments.c_str(), threads.c_str(), median.c_str(),
                rate.c_str(), share.c_str());
  }

  void print(const Run& run) {
    const std::string name = run.run_name.function_name, subject = name.substr(0, name.find('/'));
    if (subject != subject_) std::printf("\n");
    subject_ = subject;
    const auto [arguments, threads] = split(run.run_name.args);
    const double seconds = run.GetAdjustedRealTime() / benchmark::GetTimeUnitMultiplier(run.time_unit);
    line(name, arguments, threads, duration_text(seconds), rate(run), share(run));
  }

  struct benchmark_arguments {
    std::string others, threads = "1";
  };
  /// "rows:64/D:3072/threads:2" as a person writes it.
  static benchmark_arguments split(const std::string& joined) {
    benchmark_arguments result;
    for (std::size_t first = 0; first < joined.size();) {
      const std::size_t last = std::min(joined.find('/', first), joined.size());
      std::string part = joined.substr(first, last - first);
      first = last + 1;
      if (part.starts_with("threads:")) {
        result.threads = part.substr(part.find(':') + 1);
        continue;
      }
      std::replace(part.begin(), part.end(), ':', ' ');
      result.others += (result.others.empty() ? "" : ", ") + part;
    }
    return result;
  }

  static std::string rate(const Run& run) {
    if (const auto found = run.counters.find("FLOP"); found != run.counters.end())
      return scaled_text(found->second.value, "FLOP/s");
    if (const auto found = run.counters.find("bytes"); found != run.counters.end())
      return scaled_text(found->second.value, "B/s");
    if (const auto found = run.counters.find("items"); found != run.counters.end())
      return scaled_text(found->second.value, "/s");
    return "";
  }

  static std::string share(const Run& run) {
    if (const auto found = run.counters.find("of_peak"); found != run.counters.end())
      return three_digits(found->second.value) + " of peak";
    if (const auto found = run.counters.find("of_copy"); found != run.counters.end())
      return three_digits(found->second.value) + " of a copy";
    return "";
  }

  std::string subject_;
};
