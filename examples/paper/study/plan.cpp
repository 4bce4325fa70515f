// SPDX-License-Identifier: Apache-2.0
#include "plan.hpp"

#include "learning_rates.hpp"
#include "paper/settings.hpp"

#include <fewstep/core/config.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/log/metrics_csv.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <fstream>
#include <thread>
#include <utility>

namespace paper {
namespace {

struct budgets {
  double hours;  ///< of all, with evaluations
  int seeds, family_seeds;
  double main, published, horizon, family;  ///< relative training time of a run; 0: no such runs
  int evaluations;
  std::vector<std::string> options = {};
};

constexpr double seconds_an_hour = 3600;
/// Coefficient of the KL to the base, of all methods that have a policy.
constexpr const char* kl = "0.2";
/// Share of the time that is spent on training; evaluations take the rest.
constexpr double training_share = 0.8;

budgets budgets_of(const std::string& name) {
  if (name == "default") return {2, 3, 1, 3, 2, 1.2, 1, 24};
  if (name == "full") return {24, 3, 0, 3, 2, 1, 0, 40, {"--models", "examples/text_to_emoji"}};
  fewstep::expects(name == "tiny",
                   [&] { return fewstep::message("study: there is no plan '", name, "'; use tiny, default or full"); });
  return {0.02, 2, 1, 2, 1, 1, 1, 5, {"--evaluation-prompts", "12", "--evaluation-samples", "2"}};
}

planned_run planned(const std::string& label, const std::string& method, std::vector<std::string> figures,
                    const budgets& b, double seconds) {
  planned_run run;
  run.label = label;
  run.figures = std::move(figures);
  run.method = method;
  run.learning_rate = learning_rate(method);
  run.seconds = std::max(1.0, std::round(seconds));
  run.evaluations = b.evaluations;
  run.options = b.options;
  if (method != "draft") run.options.insert(run.options.end(), {"--kl", kl});
  return run;
}

/// The run without the KL, as RLCM and DDPO were published.
planned_run as_published(planned_run run, const budgets& b, double seconds) {
  run.label += "_published";
  run.figures = {figure_published};
  run.seconds = std::max(1.0, std::round(seconds));
  run.options = b.options;
  return run;
}

}  // namespace

std::string shortest(double value) {
  std::string text;
  fewstep::append_number(text, value);
  return text;
}

std::vector<std::string> rewards_of(const std::string& plan) {
  if (plan == "full") return all_rewards;
  return {all_rewards.front()};
}

study_plan make_plan(const std::string& name, double hours, int rewards) {
  const budgets b = budgets_of(name);
  std::vector<std::string> family{"rebel",     "grpo",       "cps_grpo",    "mix_grpo", "flow_dppo",
                                  "flow_grpo", "grpo_guard", "rlcm_hybrid", "draft"};
  std::vector<int> horizons{4, 2};
  if (name == "tiny") {
    family = {"rebel"};
    horizons = {2};
  }
  const auto count = [](const auto& list) { return static_cast<double>(list.size()); };
  const double parts = b.seeds * (2 * b.main + 2 * b.published + count(horizons) * b.horizon) +
                       b.family_seeds * count(family) * b.family;
  study_plan plan;
  plan.name = name;
  plan.hours = (hours > 0 ? hours : b.hours) / rewards;
  const double unit = training_share * seconds_an_hour * plan.hours / parts;

  const auto add = [&](planned_run run, int seeds) {
    for (int seed = 1; seed <= seeds; ++seed) {
      run.seed = static_cast<std::uint64_t>(seed);
      plan.runs.push_back(run);
    }
  };
  for (const char* method : {"rlcm", "ddpo"}) {
    auto run = planned(method, method, {figure_main}, b, unit * b.main);
    if (run.method == "rlcm") run.figures.push_back(figure_horizon);
    if (b.family_seeds > 0) run.figures.push_back(figure_family);
    add(run, b.seeds);
    add(as_published(run, b, unit * b.published), b.seeds);
  }
  for (const int horizon : horizons) {
    auto run = planned("rlcm_horizon_" + std::to_string(horizon), "rlcm", {figure_horizon}, b, unit * b.horizon);
    run.horizon = horizon;
    add(run, b.seeds);
  }
  for (const auto& method : family) add(planned(method, method, {figure_family}, b, unit * b.family), b.family_seeds);
  return plan;
}

std::vector<std::string> train_arguments(const planned_run& run, const std::string& reward,
                                         const std::filesystem::path& folder, int threads,
                                         const std::vector<std::string>& more) {
  std::vector<std::string> all{"train",
                               "--method",
                               run.method,
                               "--reward",
                               reward,
                               "--learning-rate",
                               shortest(run.learning_rate),
                               "--seed",
                               std::to_string(run.seed),
                               "--seconds",
                               shortest(run.seconds),
                               "--evaluations",
                               std::to_string(run.evaluations),
                               "--early-evaluations",
                               "--label",
                               run.label};
  if (run.horizon > 0) all.insert(all.end(), {"--horizon", std::to_string(run.horizon)});
  if (threads > 0) all.insert(all.end(), {"--threads", std::to_string(threads)});
  for (std::size_t i = 0; i + 1 < run.options.size(); i += 2)
    if (std::find(more.begin(), more.end(), run.options[i]) == more.end())
      all.insert(all.end(), {run.options[i], run.options[i + 1]});
  all.insert(all.end(), more.begin(), more.end());
  all.insert(all.end(), {"--output", folder.string()});
  return all;
}

nlohmann::json to_json(const study_plan& plan) {
  nlohmann::json runs = nlohmann::json::array();
  for (const auto& run : plan.runs)
    runs.push_back({{"folder", run.folder()},
                    {"label", run.label},
                    {"figures", run.figures},
                    {"method", run.method},
                    {"horizon", run.horizon},
                    {"learning_rate", run.learning_rate},
                    {"seed", run.seed},
                    {"seconds", run.seconds},
                    {"evaluations", run.evaluations},
                    {"arguments", run.arguments}});
  return {{"name", plan.name},
          {"reward", plan.reward},
          {"output", plan.output},
          {"hours", plan.hours},
          {"runs", std::move(runs)}};
}

study_plan plan_of(const nlohmann::json& json) {
  study_plan plan;
  json.at("name").get_to(plan.name);
  json.at("reward").get_to(plan.reward);
  json.at("output").get_to(plan.output);
  json.at("hours").get_to(plan.hours);
  for (const auto& j : json.at("runs")) {
    planned_run& run = plan.runs.emplace_back();
    j.at("label").get_to(run.label);
    j.at("figures").get_to(run.figures);
    j.at("method").get_to(run.method);
    j.at("horizon").get_to(run.horizon);
    j.at("learning_rate").get_to(run.learning_rate);
    j.at("seed").get_to(run.seed);
    j.at("seconds").get_to(run.seconds);
    j.at("evaluations").get_to(run.evaluations);
    j.at("arguments").get_to(run.arguments);
  }
  return plan;
}

machine_facts this_machine(int threads) {
  machine_facts facts;
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; facts.processor.empty() && std::getline(cpuinfo, line);)
    if (line.rfind("model name", 0) == 0 && line.find(':') != line.npos)
      facts.processor = line.substr(std::min(line.find(':') + 2, line.size()));
  if (facts.processor.empty()) facts.processor = "unknown processor";
#ifdef __clang__
  facts.compiler = "clang++ " __clang_version__;
#else
  facts.compiler = "g++ " __VERSION__;
#endif
  facts.cores = static_cast<int>(std::thread::hardware_concurrency());
  facts.threads = threads > 0 ? threads : facts.cores;
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char text[16];
  facts.date.assign(text, std::strftime(text, sizeof(text), "%Y-%m-%d", &utc));
  return facts;
}

nlohmann::json to_json(const machine_facts& facts) {
  return {{"processor", facts.processor},
          {"compiler", facts.compiler},
          {"date", facts.date},
          {"cores", facts.cores},
          {"threads", facts.threads}};
}

machine_facts facts_of(const nlohmann::json& json) {
  machine_facts facts;
  json.at("processor").get_to(facts.processor);
  json.at("compiler").get_to(facts.compiler);
  json.at("date").get_to(facts.date);
  json.at("cores").get_to(facts.cores);
  json.at("threads").get_to(facts.threads);
  return facts;
}

}  // namespace paper
