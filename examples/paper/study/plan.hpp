// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace paper {

/// The figures of the report: RLCM beside DDPO with a KL to the base and as published, without one; RLCM by horizon;
/// all methods.
inline const std::string figure_main = "main", figure_published = "published", figure_horizon = "horizon",
                         figure_family = "family";

/// One run of a study. Runs with the same label differ in the seed only.
struct planned_run {
  std::string label;
  std::vector<std::string> figures;  ///< in which it is shown
  std::string method;
  int horizon = 0;  ///< 0: the method's own
  double learning_rate = 0;
  std::uint64_t seed = 0;
  double seconds = 0;                       ///< of training
  int evaluations = 0;                      ///< after the first
  std::vector<std::string> options = {};    ///< of the plan: further arguments and their values
  std::vector<std::string> arguments = {};  ///< of the program, `train` first

  /// Of its results, in the folder of the study.
  [[nodiscard]] std::string folder() const { return label + "_seed" + std::to_string(seed); }
};

struct study_plan {
  std::string name, reward;
  std::string output;  ///< folder as the study was asked for
  double hours = 0;
  std::vector<planned_run> runs;
};

/// What is known of where and when a study ran.
struct machine_facts {
  std::string processor, compiler, date;
  int cores = 0, threads = 0;
};

/// What the plan of that name is about unless something else is asked for: all four tasks of the paper in "full".
[[nodiscard]] std::vector<std::string> rewards_of(const std::string& plan);

/// A plan by its name: "default" takes 2 hours, "full" 24, "tiny" seconds. Other `hours` scale the training times of
/// all runs, so that with evaluations they take about so long together; 0: those of the plan. The plan has its share of
/// them if it is one of several `rewards`.
/// Throws std::invalid_argument for another name.
[[nodiscard]] study_plan make_plan(const std::string& name, double hours, int rewards = 1);

/// Arguments of the program for a run whose results go to `folder`.
[[nodiscard]] std::vector<std::string> train_arguments(const planned_run& run, const std::string& reward,
                                                       const std::filesystem::path& folder, int threads,
                                                       const std::vector<std::string>& more);

[[nodiscard]] nlohmann::json to_json(const study_plan& plan);
[[nodiscard]] study_plan plan_of(const nlohmann::json& plan);

[[nodiscard]] machine_facts this_machine(int threads);
[[nodiscard]] nlohmann::json to_json(const machine_facts& facts);
[[nodiscard]] machine_facts facts_of(const nlohmann::json& facts);

/// The shortest text of a number.
[[nodiscard]] std::string shortest(double value);

}  // namespace paper
