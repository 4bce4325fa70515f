// SPDX-License-Identifier: Apache-2.0
#include "run_record.hpp"

#include "run_settings.hpp"
#include "text_to_emoji/run_loop.hpp"

#include <fewstep/core/error.hpp>
#include <fewstep/core/utf8.hpp>
#include <fewstep/io/atomic_file.hpp>

#include <nlohmann/json.hpp>

#include <array>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace paper {
namespace {

namespace fs = std::filesystem;
using json = nlohmann::ordered_json;
using fewstep::update_report;

const std::vector<std::string> cost_columns{"training_seconds", "reward_queries", "network_calls", "training_calls"};

std::vector<double> costs(std::int64_t index, double seconds, const update_cost& cost) {
  return {seconds, static_cast<double>(index * cost.reward_queries), static_cast<double>(index * cost.network_calls),
          static_cast<double>(index * cost.training_calls)};
}

std::vector<std::string> curve_columns() {
  auto columns = cost_columns;
  for (const auto& f : update_report::figures())  // seconds of the whole run are a cost
    columns.push_back(f.unit == "s" ? fewstep::message("update_", f.name) : std::string(f.name));
  return columns;
}

std::vector<std::string> held_out_columns() {
  auto columns = cost_columns;
  for (const auto& [name, value] : held_out_figures({})) columns.push_back(name);
  return columns;
}

fewstep::metrics_csv open(const fs::path& path, std::vector<std::string> columns, std::int64_t index) {
  return index > 0 ? fewstep::metrics_csv::resume_at(path, std::move(columns), index)
                   : fewstep::metrics_csv(path, std::move(columns));
}

json as_json(const train_settings& s) {
  json all{{"method", s.method},
           {"label", s.label},
           {"reward", s.reward},
           {"reward_model", s.reward_model.string()},
           {"seed", s.seed},
           {"learning_rate", as_written(s.learning_rate)},
           {"kl", as_written(s.kl)},
           {"horizon", s.horizon},
           {"guidance", as_written(s.guidance)},
           {"prompts", s.prompts},
           {"samples", s.samples},
           {"optimizer_steps", s.optimizer_steps},
           {"updates", s.updates},
           {"seconds", s.seconds},
           {"evaluations", s.evaluations},
           {"early_evaluations", s.early_evaluations},
           {"evaluation_prompts", s.evaluation_prompts},
           {"evaluation_samples", s.evaluation_samples},
           {"stop", s.stop},
           {"threads", s.threads},
           {"data", s.data.string()},
           {"models", s.models.string()}};
  for (const auto& [name, value] : all.items())
    if (value.is_string()) fewstep::require_utf8(value.get<std::string>(), "--" + name);
  return all;
}

}  // namespace

std::vector<fewstep::named_figure> held_out_figures(const evaluated& e) {
  return {{"reward", e.pictures.reward.mean},
          {"reward_error", e.pictures.reward.error},
          {"other_reward", e.pictures.other_reward.mean},
          {"retrieval", e.retrieval},
          {"diversity", e.pictures.diversity.mean},
          {"kl", e.pictures.kl.mean}};
}

void begin_or_continue(const train_settings& s) {
  const fs::path path = settings_file(s.output);
  const json mine = as_json(s);
  const fs::path checkpoint = s.output / "checkpoint.safetensors", summary = s.output / "summary.json";
  if (!fs::exists(path) || !(fs::exists(checkpoint) || fs::exists(summary))) {
    for (const fs::path& old : {checkpoint, summary}) fs::remove(old);
    fewstep::write_atomically(path, mine.dump(2) + "\n");
    return;
  }
  expect_same_settings(s.output, mine);
}

bool is_finished(const fs::path& folder) { return fs::exists(folder / "summary.json"); }

void write_summary(const train_settings& s, const run_summary& r) {
  json j{{"method", s.method},
         {"label", s.label},
         {"updates", r.updates},
         {"training_seconds", r.training_seconds},
         {"seconds_per_image", r.seconds_per_image}};
  for (const auto& [name, value] : held_out_figures(r.last)) j[name] = value;
  if (r.stopped) j["stopped"] = *r.stopped;
  j["finished"] = true;
  fewstep::write_atomically(s.output / "summary.json", j.dump(2) + "\n");
}

run_tables::run_tables(const fs::path& folder, std::int64_t index)
    : folder_(folder),
      curve_(open(folder / "curve.csv", curve_columns(), index)),
      held_out_(open(folder / "held_out.csv", held_out_columns(), index)) {}

void run_tables::add(std::int64_t index, double seconds, const update_cost& cost, const update_report& report) {
  auto row = costs(index, seconds, cost);
  const auto figures = fewstep::figure_values(report);
  row.insert(row.end(), figures.begin(), figures.end());
  curve_.append(index, row);
}

void run_tables::add(std::int64_t index, double seconds, const update_cost& cost, const evaluated& e) {
  auto row = costs(index, seconds, cost);
  for (const auto& [name, value] : held_out_figures(e)) row.push_back(value);
  held_out_.append(index, row);
}

void run_tables::synchronise() {
  curve_.synchronise();
  held_out_.synchronise();
}

void run_tables::warn_of_gaps(std::int64_t last_evaluated) const {
  text_to_emoji::warn_of_gap(folder_ / "curve.csv", curve_);
  if (this->last_evaluated() < last_evaluated)
    std::fprintf(
        stderr,
        "warning: %s has no row of the evaluation after update %lld, which the checkpoint knows of: the system "
        "lost it, or someone removed it; the run goes on without it\n",
        (folder_ / "held_out.csv").c_str(), static_cast<long long>(last_evaluated));
}

std::vector<run_tables::past_evaluation> run_tables::evaluations() const {
  auto figures = held_out_figures({});
  const std::size_t before = 1 + cost_columns.size();
  std::vector<past_evaluation> all;
  for (const auto& row : text_to_emoji::read_table(folder_ / "held_out.csv", before + figures.size())) {
    for (std::size_t i = 0; i < figures.size(); ++i) figures[i].value = row[before + i];
    all.push_back({static_cast<std::int64_t>(row.front()), figures});
  }
  return all;
}

}  // namespace paper
