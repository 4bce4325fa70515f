// SPDX-License-Identifier: Apache-2.0
// Direct simulation optimization: a generator of block towers learns from a simulation which of its towers stand.
#include "systems.hpp"

#include "mujoco_judge.hpp"
#include "picture.hpp"

#include <fewstep/image/png.hpp>
#include <fewstep/io/safetensors.hpp>
#include <fewstep/model_file/named_parameters.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

namespace block_towers {
namespace {

struct compare_settings {
  std::string base = "examples/block_towers/base.safetensors", output = "towers";
  std::size_t prompts = 1024, evaluated = 512;
  int per_prompt = 16, updates = 4000, threads = 0;
};

double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

/// What is measured, by prompt: shares of towers in %, by the closed form where no other judge is named, and lengths
/// in cm.
enum column { stand, gain, lean, simulated, mujoco, height_error, overhang_error, spread, lowest, columns };
constexpr const char* column_names[columns] = {"stand",
                                               "gain",
                                               "leaning_stand",
                                               "simulation_stand",
                                               "mujoco_stand",
                                               "height_error_cm",
                                               "overhang_error_cm",
                                               "offset_spread_cm",
                                               "lowest_width_cm"};

/// Of towers of prompts that nothing was trained or chosen on, always from the same noise.
struct figures {
  static constexpr int per_prompt = 8;
  std::vector<double> of[columns];
  std::vector<tower> leaning;  ///< the first tower of each prompt that leans

  figures(fewstep::cpu_backend& backend, tower_generator& model, std::size_t count) {
    const judged_towers made(backend, model, prompts_of_data(2, count), per_prompt, 3);
    for (std::size_t p = 0; p < count; ++p) {
      const prompt asked = made.prompts[p];
      double mean[columns] = {}, offset[blocks] = {}, square[blocks] = {}, variance = 0;
      for (std::size_t k = p * per_prompt; k < (p + 1) * per_prompt; ++k) {
        const tower t = made.at(k);
        const prompt got = prompt_of(t);
        const auto add = [&](column c, double value) { mean[c] += 100 * value / per_prompt; };
        add(stand, stability_margin(t) >= 0 ? 1 : 0);
        add(simulated, made.stands[k] != 0 ? 1 : 0);
        add(height_error, total_height_scale.unit * std::abs(static_cast<double>(got.height - asked.height)));
        add(overhang_error, overhang_scale.unit * std::abs(static_cast<double>(got.overhang - asked.overhang)));
        add(lowest, t[0].width);
        for (std::size_t i = 1; i < blocks; ++i) {
          const double by = t[i].x - t[i - 1].x;
          offset[i] += by / per_prompt, square[i] += by * by / per_prompt;
        }
      }
      for (std::size_t i = 1; i < blocks; ++i)
        variance += (square[i] - offset[i] * offset[i]) * per_prompt / (per_prompt - 1) / (blocks - 1);
      mean[spread] = 100 * std::sqrt(variance);
      for (const column c : {stand, simulated, height_error, overhang_error, spread, lowest}) of[c].push_back(mean[c]);
      const tower first = made.at(p * per_prompt);
      if (has_mujoco) of[mujoco].push_back(stands_in_mujoco(first) ? 100 : 0);
      if (std::abs(asked.overhang) > 1) of[lean].push_back(mean[stand]), leaning.push_back(first);
    }
  }
};

/// Prints a line of the table, and appends it to the CSV with the intervals over prompts.
void report(const std::string& system, figures& now, const figures& base, int updates, double seconds,
            std::string& csv) {
  for (std::size_t p = 0; p < now.of[stand].size(); ++p) now.of[gain].push_back(now.of[stand][p] - base.of[stand][p]);
  std::printf("%-32s", system.c_str());
  csv += system + "," + std::to_string(updates) + "," + std::to_string(seconds);
  for (const auto& values : now.of) {
    const auto found = values.empty() ? fewstep::mean_interval{NAN, NAN, NAN} : fewstep::bootstrap_mean(values);
    if (&values - now.of <= lean)
      std::printf("  %5.1f [%5.1f, %5.1f]", found.mean, found.low, found.high);
    else
      std::printf("  %6.1f", found.mean);
    for (const double number : {found.mean, found.low, found.high}) csv += "," + std::to_string(number);
  }
  std::printf("  %6d  %6.1f\n", updates, seconds);
  std::fflush(stdout);
  csv += "\n";
}

void load(tower_generator& model, const std::string& file) {
  (void)fewstep::load_parameters(fewstep::safetensors_file::load(file), model.layout().slices(), model.parameters());
  model.parameters_changed();
}

int pretrain(const std::string& file, std::int64_t updates, int threads) {
  fewstep::cpu_backend backend({.threads = threads});
  tower_generator model = make_generator(backend);
  const double begin = processor_seconds();
  std::printf("loss of the last update: %.3f\n", fit_data(backend, model, updates));
  fewstep::safetensors_writer writer;
  fewstep::add_parameters(writer, model.layout().slices(), model.parameters());
  writer.write(file);
  std::printf("%s: %zd parameters, %.0f processor seconds\n", file.c_str(),
              static_cast<std::ptrdiff_t>(model.parameters().size()), processor_seconds() - begin);
  return 0;
}

int judge(std::uint64_t towers) {
  const fewstep::random_stream random{4, fewstep::stream::data};
  struct {
    const char* name;
    int differs = 0, near = 0;  // near: where the tower, or its fall, is a matter of less than 1 cm
  } judges[] = {{"a balance of forces"}, {"the simulation"}, {"MuJoCo"}};
  int stand = 0, near = 0;
  for (std::uint64_t n = 0; n < towers; ++n) {
    const tower t = tower_of_data(random, n);
    const bool stands = stability_margin(t) >= 0, is_near = std::abs(stability_margin(t)) < 0.01;
    stand += stands ? 1 : 0, near += is_near ? 1 : 0;
    const bool says[] = {can_balance(world_of(t)), stands_in_simulation(t), has_mujoco ? stands_in_mujoco(t) : stands};
    for (std::size_t k = 0; k < 3; ++k)
      if (says[k] != stands) ++judges[k].differs, judges[k].near += is_near ? 1 : 0;
  }
  const auto all = static_cast<double>(towers);
  std::printf("towers of the data that stand: %.1f %%; %d are within 1 cm of doing the other\n", 100 * stand / all,
              near);
  for (std::size_t k = 0; k < (has_mujoco ? 3 : 2); ++k)
    std::printf("%-20s agrees on %.2f %%; %d of the %d others are among these\n", judges[k].name,
                100 - 100 * judges[k].differs / all, judges[k].near, judges[k].differs);
  return 0;
}

int compare(const compare_settings& s) {
  fewstep::cpu_backend backend({.threads = s.threads});
  tower_generator base = make_generator(backend), model = make_generator(backend);
  load(base, s.base);
  std::filesystem::create_directories(s.output);

  double begin = processor_seconds();
  const judged_towers towers(backend, base, prompts_of_data(1, s.prompts), s.per_prompt, 1);
  const both_labels mixed(towers);
  std::printf(
      "%zu towers of %zu prompts, of which %zu have both labels: %.1f processor seconds, most for the judge\n\n",
      towers.stands.size(), s.prompts, mixed.prompts.size(), processor_seconds() - begin);
  std::printf("%-32s  %-20s  %-20s  %-20s  %6s  %6s  %6s  %6s  %6s  %6s  %6s  %6s\n", "system", "stand", "gain",
              "leaning ones stand", "sim.", "MuJoCo", "height", "lean", "spread", "lowest", "steps", "seconds");
  std::string csv = "system,updates,processor_seconds";
  for (const char* name : column_names) csv += std::string(",") + name + "," + name + "_low," + name + "_high";
  csv += "\n";

  figures before(backend, base, s.evaluated);
  report("base", before, before, 0, 0, csv);
  std::vector<tower> shown;
  const auto show = [&](const figures& f) {
    shown.insert(shown.end(), f.leaning.begin(),
                 f.leaning.begin() + std::min<std::ptrdiff_t>(8, std::ssize(f.leaning)));
  };
  show(before);
  const auto measure = [&](const char* name, bool is_shown, int updates, const auto& learn) {
    std::ranges::copy(base.parameters(), model.parameters().begin());
    model.parameters_changed();
    begin = processor_seconds();
    learn(updates);
    const double seconds = processor_seconds() - begin;
    figures after(backend, model, s.evaluated);
    report(name, after, before, updates, seconds, csv);
    if (is_shown) show(after);
  };
  measure("SFT on what stood", true, s.updates, [&](int n) { fit_stable(backend, model, towers, n); });
  measure("dso_dpo, beta 500 as published", false, s.updates, [&](int n) { dpo(backend, model, base, mixed, 500, n); });
  measure("dso_dpo, beta 20", true, s.updates, [&](int n) { dpo(backend, model, base, mixed, 20, n); });
  measure("dso_dro of pairs (the code)", true, s.updates, [&](int n) { dro_of_pairs(backend, model, mixed, n); });
  measure("dso_dro one by one (the paper)", false, s.updates, [&](int n) { dro(backend, model, towers, n); });
  measure("dso_dro of pairs, 3 x as long", false, 3 * s.updates,
          [&](int n) { dro_of_pairs(backend, model, mixed, n); });

  fewstep::write_atomically(s.output + "/towers.csv", csv);
  if (!shown.empty()) fewstep::save_png(s.output + "/towers.png", picture_of(shown, 8));
  std::printf("\n%s/towers.csv, %s/towers.png\n", s.output.c_str(), s.output.c_str());
  return 0;
}

}  // namespace
}  // namespace block_towers

int main(int argc, char** argv) {
  using namespace block_towers;
  CLI::App app("Block towers by a generator that learns from a simulation which of them stand.");
  app.require_subcommand(1);
  app.option_defaults()->always_capture_default();
  std::string file = "base.safetensors";
  std::int64_t updates = 4000;
  std::uint64_t towers = 2000;
  compare_settings s;
  CLI::App& train = *app.add_subcommand("pretrain", "Train the base model");
  train.add_option("--output", file);
  train.add_option("--updates", updates)->check(CLI::PositiveNumber);
  train.add_option("--threads", s.threads, "0: all");
  CLI::App& judges = *app.add_subcommand("judges", "Compare the judges on towers of the data");
  judges.add_option("--towers", towers)->check(CLI::PositiveNumber);
  CLI::App& all = *app.add_subcommand("compare", "Fine-tune by each system and measure");
  all.add_option("--base", s.base);
  all.add_option("--output", s.output, "folder of towers.csv and towers.png");
  all.add_option("--prompts", s.prompts, "to learn from")->check(CLI::PositiveNumber);
  all.add_option("--per-prompt", s.per_prompt, "towers of each, which the simulation judges")
      ->check(CLI::PositiveNumber);
  all.add_option("--evaluated", s.evaluated, "prompts to measure")->check(CLI::PositiveNumber);
  all.add_option("--updates", s.updates)->check(CLI::PositiveNumber);
  all.add_option("--threads", s.threads, "0: all");
  CLI11_PARSE(app, argc, argv);
  try {
    return train ? pretrain(file, updates, s.threads) : judges ? judge(towers) : compare(s);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "block_towers: %s\n", e.what());
    return 1;
  }
}
