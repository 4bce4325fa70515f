// SPDX-License-Identifier: Apache-2.0
// fewstep_compare THIS OTHER [FILTER [PAIRS]]: runs the benchmarks of two builds in turns and prints for each the ratio
// of median times with a 95 % interval. THIS and OTHER are build folders, or the executables in them.
#include "../units.hpp"
#include "bootstrap.hpp"

#include <fewstep/core/error.hpp>

#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

namespace fs = std::filesystem;
using fewstep::message;

fs::path executable_of(const fs::path& given) {
  const fs::path program = fs::is_directory(given) ? given / "fewstep_bench" : given;
  fewstep::expects(fs::is_regular_file(program), [&] {
    return message("compare: there is no ", program.string(),
                   "; give a build folder in which fewstep_bench was built, or the executable itself");
  });
  return fs::absolute(program);
}

/// Runs the program to its end; what it prints is dropped.
void run(std::vector<std::string> command) {
  std::vector<char*> arguments;
  for (std::string& word : command) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  int status = posix_spawn(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (status != 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
    throw std::runtime_error(
        message("compare: ", command[0], " failed, or none of its benchmarks matches the filter; try it by hand"));
}

/// A file that is gone with the object.
struct temporary_file {
  fs::path path = fs::temp_directory_path() / message("fewstep_compare_", getpid(), ".json");
  ~temporary_file() {
    std::error_code ignored;
    fs::remove(path, ignored);
  }
};

/// Seconds of every benchmark, in the order in which they ran.
std::vector<std::pair<std::string, double>> measured(const fs::path& program, const std::string& filter) {
  const temporary_file output;
  run({program.string(), "--benchmark_filter=" + filter, "--benchmark_repetitions=1", "--benchmark_min_time=0.03",
       "--benchmark_out=" + output.path.string(), "--benchmark_out_format=json"});
  const std::map<std::string, double> units{{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1.0}};
  std::vector<std::pair<std::string, double>> times;
  const nlohmann::json report = nlohmann::json::parse(std::ifstream(output.path));
  for (const auto& entry : report.at("benchmarks"))
    if (!entry.value("error_occurred", false))
      times.emplace_back(entry.at("name"), entry.at("real_time").get<double>() * units.at(entry.at("time_unit")));
  return times;
}

/// Seconds of one benchmark in every run of this build, and of the other.
struct both_times {
  std::string name;
  std::array<std::vector<double>, 2> seconds;

  [[nodiscard]] bool in_both() const { return seconds[0].size() == seconds[1].size(); }
};

std::vector<both_times> measure_in_turns(const std::array<fs::path, 2>& programs, const std::string& filter,
                                         int pairs) {
  std::vector<both_times> times;
  for (int k = 0; k < pairs; ++k)
    for (std::size_t side = 0; side < 2; ++side) {
      std::fprintf(stderr, "pair %d of %d, %s build\n", k + 1, pairs, side == 0 ? "this" : "other");
      for (const auto& [name, seconds] : measured(programs[side], filter)) {
        auto found = std::find_if(times.begin(), times.end(), [&](const both_times& t) { return t.name == name; });
        if (found == times.end()) found = times.insert(found, {name, {}});
        found->seconds[side].push_back(seconds);
      }
    }
  return times;
}

void compare(const std::array<fs::path, 2>& programs, const std::string& filter, int pairs) {
  const std::vector<both_times> times = measure_in_turns(programs, filter, pairs);
  fewstep::expects(std::any_of(times.begin(), times.end(), [](const both_times& t) { return t.in_both(); }), [&] {
    return message("compare: the two builds have no benchmark in common that matches '", filter,
                   "'; --benchmark_list_tests lists those of each");
  });
  std::printf("this:  %s\nother: %s\n", programs[0].c_str(), programs[1].c_str());
  std::printf("%d pairs; ratio is this / other of the median times: below 1, this is faster\n\n", pairs);
  std::printf("%-66s %9s %9s  %6s  %s\n", "benchmark", "this", "other", "ratio", "95 % interval");
  int compared = 0, marked = 0;
  for (const auto& [full_name, seconds] : times) {
    const auto& [own, others] = seconds;
    if (own.size() != others.size()) continue;
    const ratio_interval found = bootstrap_ratio(own, others);
    const std::string name = full_name.substr(0, full_name.find("/real_time"));
    std::printf("%-66s %9s %9s  %6.3f  %.3f to %.3f%s\n", name.c_str(), duration_text(median(own)).c_str(),
                duration_text(median(others)).c_str(), found.ratio, found.low, found.high,
                found.excludes_one() ? "  *" : "");
    ++compared;
    marked += found.excludes_one() ? 1 : 0;
  }
  std::printf("\n* The interval excludes 1: %d of %d; if nothing had changed it would be about %.1f.\n", marked,
              compared, 0.05 * compared);
  for (const both_times& t : times)
    if (!t.in_both()) std::printf("not in both builds: %s\n", t.name.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3 || argc > 5) {
    std::fprintf(stderr, "usage: fewstep_compare THIS OTHER [FILTER [PAIRS]]\n");
    return 2;
  }
  try {
    const int pairs = argc > 4 ? std::stoi(argv[4]) : 10;
    fewstep::expects(pairs >= 1, [&] { return message("compare: ", pairs, " pairs; use at least 1"); });
    compare({executable_of(argv[1]), executable_of(argv[2])}, argc > 3 ? argv[3] : ".", pairs);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "%s\n", failure.what());
    return 1;
  }
}
