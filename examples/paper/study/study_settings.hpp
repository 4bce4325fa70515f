// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace paper {

/// The search for learning rates: every method gets the same rates, seconds and seed. The best rate has the highest
/// final reward of those whose pictures can still be told apart.
struct search_settings {
  std::filesystem::path output = "search";
  std::vector<std::string> methods = {"rlcm", "ddpo"};
  std::vector<double> rates = {1e-5, 3e-5, 1e-4, 3e-4, 1e-3};
  std::string reward = "compressibility";
  double seconds = 90;        ///< of training, each run
  std::uint64_t seed = 1000;  ///< none that the study uses
  double keep = 0.5;          ///< least share of the retrieval before training
  int evaluations = 3;        ///< of each run, after the first
  int threads = 0;
  std::vector<std::string> more;  ///< further arguments of `paper train`
};

/// Runs that are compared, one after the other, and then the report.
struct study_settings {
  std::string plan = "default";  ///< or tiny or full
  std::filesystem::path output = "study";
  std::filesystem::path results = "docs/results.md";
  /// search.csv of the search that made the learning rates, to be shown; empty: none
  std::filesystem::path search = "examples/paper/search.csv";
  std::vector<std::string> rewards;  ///< empty: those of the plan
  double hours = 0;                  ///< of all runs together; 0: those of the plan
  int threads = 0;
  std::vector<std::string> more;  ///< further arguments of `paper train`
};

struct report_settings {
  std::vector<std::filesystem::path> studies;  ///< folders of `paper study`
  std::filesystem::path results = "docs/results.md";
  std::filesystem::path search;  ///< as above
};

/// Each returns the exit status of the program; errors are exceptions.
int search(const search_settings& settings);
int study(const study_settings& settings);
int report(const report_settings& settings);

}  // namespace paper
