// SPDX-License-Identifier: Apache-2.0
#include "run_record.hpp"

#include <fewstep/core/error.hpp>
#include <fewstep/io/atomic_file.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace paper {
namespace {

namespace fs = std::filesystem;
using json = nlohmann::ordered_json;

struct metric {
  const char* name;
  double fewstep::update_report::*value;
};
constexpr std::array metrics = {metric{"reward_mean", &fewstep::update_report::reward_mean},
                                metric{"reward_error", &fewstep::update_report::reward_error},
                                metric{"loss", &fewstep::update_report::loss},
                                metric{"ratio_deviation", &fewstep::update_report::ratio_deviation},
                                metric{"clip_fraction", &fewstep::update_report::clip_fraction},
                                metric{"approximate_kl", &fewstep::update_report::approximate_kl},
                                metric{"gradient_norm", &fewstep::update_report::gradient_norm},
                                metric{"sampling_seconds", &fewstep::update_report::sampling_seconds},
                                metric{"training_seconds", &fewstep::update_report::training_seconds}};

std::vector<std::string> with_costs(std::initializer_list<const char*> more) {
  std::vector<std::string> columns{"seconds", "reward_queries", "sampling_calls", "training_passes"};
  columns.insert(columns.end(), more.begin(), more.end());
  return columns;
}

std::vector<std::string> curve_columns() {
  auto columns = with_costs({});
  for (const auto& m : metrics) columns.emplace_back(m.name);
  return columns;
}

fewstep::metrics_csv open(const fs::path& path, std::vector<std::string> columns, bool resumes, std::int64_t index) {
  return resumes ? fewstep::metrics_csv::resume_at(path, std::move(columns), index)
                 : fewstep::metrics_csv(path, std::move(columns));
}

std::vector<double> costs(std::int64_t index, double seconds, const update_cost& cost) {
  return {seconds, static_cast<double>(index * cost.reward_queries), static_cast<double>(index * cost.sampling_calls),
          static_cast<double>(index * cost.training_passes)};
}

/// The double that is written as the float is.
double as_written(float value) {
  std::string text;
  fewstep::append_number(text, value);
  return std::stod(text);
}

json as_json(const train_settings& s) {
  return {{"data", s.data.string()},
          {"models", s.models.string()},
          {"method", s.method},
          {"reward", s.reward},
          {"horizon", s.horizon},
          {"guidance", as_written(s.guidance)},
          {"learning_rate", as_written(s.learning_rate)},
          {"prompts", s.prompts},
          {"samples", s.samples},
          {"optimizer_steps", s.optimizer_steps},
          {"updates", s.updates},
          {"budget_seconds", s.budget_seconds},
          {"evaluate_every", s.evaluate_every},
          {"evaluation_prompts", s.evaluation_prompts},
          {"evaluation_samples", s.evaluation_samples},
          {"final_prompts", s.final_prompts},
          {"final_samples", s.final_samples},
          {"seed", s.seed},
          {"threads", s.threads}};
}

json as_json(const figures& f) { return {{"bytes", f.bytes}, {"retrieval", f.retrieval}, {"diversity", f.diversity}}; }
figures figures_from(const json& j) { return {j.at("bytes"), j.at("retrieval"), j.at("diversity")}; }

json read_json(const fs::path& path) {
  std::ifstream file(path);
  try {
    return json::parse(file);
  } catch (const json::exception& error) {
    throw std::runtime_error(fewstep::message(path.string(), ": cannot be read: ", error.what()));
  }
}

}  // namespace

void begin_or_continue(const train_settings& s) {
  const fs::path path = s.output / "settings.json";
  const json mine = as_json(s);
  if (fs::exists(path)) {
    const json theirs = read_json(path);
    for (const auto& [name, value] : mine.items())
      fewstep::expects(theirs.contains(name) && theirs.at(name) == value, [&] {
        return fewstep::message(s.output.string(), ": holds a run whose ", name, " is ",
                                theirs.contains(name) ? theirs.at(name).dump() : "not said", " and not ", value.dump(),
                                "; give the same settings, or another --output");
      });
    return;
  }
  for (const char* name : {"checkpoint.safetensors", "result.json"}) fs::remove(s.output / name);
  fewstep::write_atomically(path, mine.dump(2) + "\n");
}

bool is_finished(const fs::path& folder) { return fs::exists(folder / "result.json"); }

void write_result(const fs::path& folder, const run_result& r) {
  const json j{{"before", as_json(r.before)},
               {"after", as_json(r.after)},
               {"updates", r.updates},
               {"seconds", r.seconds},
               {"seconds_a_picture", r.seconds_a_picture},
               {"network_calls", r.network_calls}};
  fewstep::write_atomically(folder / "result.json", j.dump(2) + "\n");
}

run_result read_result(const fs::path& folder) {
  const json j = read_json(folder / "result.json");
  return {figures_from(j.at("before")), figures_from(j.at("after")), j.at("updates"), j.at("seconds"),
          j.at("seconds_a_picture"),    j.at("network_calls")};
}

void save_before_and_after(const fs::path& path, std::span<const float> before, std::span<const float> after,
                           int samples) {
  const auto size = static_cast<std::size_t>(picture_size), apart = static_cast<std::size_t>(samples) * size;
  const std::size_t names = std::min<std::size_t>(12, before.size() / apart);
  std::vector<float> pictures;
  for (const auto row : {before, after})
    for (std::size_t p = 0; p < names; ++p) {
      const auto picture = row.subspan(p * apart, size);
      pictures.insert(pictures.end(), picture.begin(), picture.end());
    }
  save_grid(path, pictures, static_cast<int>(names), 4);
}

run_tables::run_tables(const fs::path& folder, std::int64_t index)
    : curve_(open(folder / "curve.csv", curve_columns(), index > 0, index)),
      held_out_(open(folder / "held_out.csv", with_costs({"bytes", "retrieval", "diversity"}), index > 0, index)) {}

void run_tables::add(std::int64_t index, double seconds, const update_cost& cost,
                     const fewstep::update_report& report) {
  auto row = costs(index, seconds, cost);
  for (const auto& m : metrics) row.push_back(report.*m.value);
  curve_.append(index, row);
}

void run_tables::add(std::int64_t index, double seconds, const update_cost& cost, const figures& f) {
  auto row = costs(index, seconds, cost);
  row.insert(row.end(), {f.bytes, f.retrieval, f.diversity});
  held_out_.append(index, row);
}

}  // namespace paper
