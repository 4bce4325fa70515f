// SPDX-License-Identifier: Apache-2.0
// The page of results and what it shows, from the folders of studies and from nothing else: the same folders give the
// same bytes.
#include "page.hpp"

#include "comparison.hpp"
#include "finished_run.hpp"
#include "plan.hpp"
#include "report_text.hpp"

#include <fewstep/core/error.hpp>
#include <fewstep/io/atomic_file.hpp>
#include <fewstep/io/file.hpp>
#include <fewstep/log/metrics_csv.hpp>
#include <fewstep/log/svg_plot.hpp>

#include <algorithm>
#include <limits>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>

namespace paper {

namespace fs = std::filesystem;
using fewstep::mean_interval;
using fewstep::message;

namespace {

/// What a file of raw numbers needs of them.
std::string seven_digits(double value) {
  std::string text;
  fewstep::append_number(text, static_cast<float>(value));
  return text;
}

const std::string seconds_name = "training_seconds", queries_name = "reward_queries", calls_name = "network_calls";

using settings_list = std::vector<labelled_runs>;

class page {
 public:
  /// Of studies with one reward.
  explicit page(const report_settings& s) : s_(s), assets_(fs::path(s.results).replace_extension()) {
    fewstep::expects(!s.studies.empty(), "report: there is no folder; name those of `paper study`");
    for (const auto& study : s.studies) read_study(study);
    fewstep::expects(!all_.empty(), "report: the studies have no runs");
    for (auto& group : all_) sort_by_seed(group);
  }

  void write() {
    fewstep::require_writable_directory(assets_);
    write_tables();
    write_head();
    write_main();
    write_published();
    write_horizon();
    write_family();
    write_search();
    write_pictures();
    write_tail();
    fewstep::write_atomically(s_.results, text_);
  }

  /// RLCM beside DDPO, for a page about several rewards.
  [[nodiscard]] std::string summary() const {
    std::string text = message("## ", reward_, "\n\nThe reward is ", reward_, meaning_of(reward_), ". [All of it](",
                               fs::path(s_.results).parent_path().filename().string(), "/",
                               s_.results.filename().string(), ").\n\n", heading(summary_headings()));
    for (const auto& group : all_)
      if (group.in(figure_main) || group.in(figure_published)) text += summary_row(group);
    return text + "\n";
  }

 private:
  void read_study(const fs::path& study) {
    const fs::path file = study / "plan.json";
    if (!fs::exists(file))
      throw std::runtime_error(message(study.string(), ": is no folder of `paper study`, for it has no plan.json"));
    const auto json = read_json(file);
    study_plan plan;
    try {
      plan = plan_of(json.at("plan"));
      for (const auto& j : json.at("machines"))
        if (machine_facts m = facts_of(j);
            std::none_of(machines_.begin(), machines_.end(), [&](const auto& o) { return to_json(o) == j; }))
          machines_.push_back(std::move(m));
    } catch (const nlohmann::json::exception& error) {
      throw std::runtime_error(message(file.string(), ": is damaged: ", error.what()));
    }
    reward_ = plan.reward;
    outputs_.push_back(plan.output);
    for (const auto& run : plan.runs) add(study, run);
  }

  void add(const fs::path& study, const planned_run& plan) {
    finished_run run = read_finished_run(study / plan.folder());
    const fs::path settings = run.folder / "settings.json";
    const bool same = value_of(run.settings, "method", std::string(), settings) == plan.method &&
                      value_of(run.settings, "seed", std::uint64_t{0}, settings) == plan.seed;
    if (!same)
      throw std::runtime_error(message(run.folder.string(), ": is no run of ", plan.method, " with seed ", plan.seed,
                                       ", which the plan has there"));
    auto at = std::find_if(all_.begin(), all_.end(), [&](const auto& group) { return group.label == plan.label; });
    if (at == all_.end()) at = all_.insert(all_.end(), {plan.label, name_of(plan.label), plan.figures, {}, {}});
    for (const auto& other : at->plans)
      if (other.seed == plan.seed)
        throw std::runtime_error(
            message(run.folder.string(), ": another study has ", plan.label, " with seed ", plan.seed, " too"));
    at->plans.push_back(plan);
    at->runs.push_back(std::move(run));
  }

  static void sort_by_seed(labelled_runs& group) {
    std::vector<std::size_t> order(group.plans.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return group.plans[a].seed < group.plans[b].seed; });
    labelled_runs sorted{group.label, group.name, group.figures, {}, {}};
    for (const std::size_t i : order) {
      sorted.plans.push_back(std::move(group.plans[i]));
      sorted.runs.push_back(std::move(group.runs[i]));
    }
    group = std::move(sorted);
  }

  [[nodiscard]] settings_list in(const std::string& figure) const {
    settings_list some;
    std::copy_if(all_.begin(), all_.end(), std::back_inserter(some), [&](const auto& g) { return g.in(figure); });
    return some;
  }
  [[nodiscard]] const labelled_runs* find(const std::string& label) const {
    for (const auto& group : all_)
      if (group.label == label) return &group;
    return nullptr;
  }

  /// All curves: of training and of the held-out evaluations as the runs wrote them, but for rows of long runs.
  void write_tables() const {
    for (const auto& [name, table] :
         {std::pair{"training.csv", &finished_run::curve}, std::pair{"held_out.csv", &finished_run::held_out}}) {
      std::string text;
      std::vector<std::string> headings;
      for (const auto& group : all_)
        for (std::size_t r = 0; r < group.runs.size(); ++r) {
          const number_table& numbers = group.runs[r].*table;
          if (headings.empty()) {
            headings = numbers.headings;
            text = "label,seed";
            for (const auto& h : headings) text += "," + h;
            text += "\n";
          }
          // The last row is among them.
          const std::size_t every = (numbers.rows() + most_rows - 1) / most_rows;
          for (std::size_t i = (numbers.rows() - 1) % every; i < numbers.rows(); i += every) {
            text += message(group.label, ",", group.plans[r].seed);
            for (const auto& h : headings) text.append(",").append(seven_digits(numbers[h][i]));
            text += "\n";
          }
        }
      fewstep::write_atomically(assets_ / name, text);
    }
  }

  [[nodiscard]] std::string link(const std::string& name) const { return assets_.filename().string() + "/" + name; }

  /// The curve up to a training time.
  static fewstep::run_curve up_to(const finished_run& run, const std::string& x, double seconds) {
    fewstep::run_curve curve = run.over(x, "reward");
    const auto& times = run.held_out[seconds_name];
    if (times.back() <= seconds) return curve;
    const auto within = static_cast<std::size_t>(std::upper_bound(times.begin(), times.end(), seconds) - times.begin());
    const double end = fewstep::value_at(run.over(seconds_name, x), seconds), height = fewstep::value_at(curve, end);
    curve.x.resize(within);
    curve.y.resize(within);
    if (end > curve.x.back()) {
      curve.x.push_back(end);
      curve.y.push_back(height);
    }
    return curve;
  }

  /// Draws held-out rewards over a column of the evaluations, up to a training time.
  void draw(const std::string& name, const std::string& title, const std::string& x, const std::string& x_label,
            const settings_list& groups, double seconds = std::numeric_limits<double>::infinity()) {
    std::vector<fewstep::plot_series> series;
    std::string table = "label,seeds," + x + ",mean,low,high\n";
    for (const auto& group : groups) {
      std::vector<fewstep::run_curve> runs;
      for (const auto& run : group.runs) runs.push_back(up_to(run, x, seconds));
      const auto curves = fewstep::mean_over_seeds(runs);
      fewstep::plot_series one{.name = group.name, .x = curves.x, .y = curves.mean};
      if (group.runs.size() > 1) one.low = curves.low, one.high = curves.high;
      series.push_back(std::move(one));
      for (std::size_t i = 0; i < curves.x.size(); ++i) {
        table += message(group.label, ",", group.runs.size());
        for (const auto* values : {&curves.x, &curves.mean, &curves.low, &curves.high})
          table.append(",").append(seven_digits((*values)[i]));
        table += "\n";
      }
    }
    save_plot(name, {.title = title, .x_label = x_label, .y_label = "held-out reward"}, series, table);
  }

  /// Names as papers write them.
  [[nodiscard]] static std::string name_of(const std::string& label) {
    static const std::map<std::string, std::string> names{{"rlcm", "RLCM"},
                                                          {"ddpo", "DDPO"},
                                                          {"rebel", "REBEL"},
                                                          {"grpo", "GRPO"},
                                                          {"cps_grpo", "CPS-GRPO"},
                                                          {"mix_grpo", "MixGRPO"},
                                                          {"flow_dppo", "Flow-DPPO"},
                                                          {"flow_grpo", "Flow-GRPO"},
                                                          {"grpo_guard", "GRPO-Guard"},
                                                          {"draft", "DRaFT"},
                                                          {"rlcm_hybrid", "RLCM hybrid"},
                                                          {"refl", "ReFL"},
                                                          {"rlcm_published", "RLCM, no KL"},
                                                          {"ddpo_published", "DDPO, no KL"},
                                                          {"reinforce", "REINFORCE"},
                                                          {"ddpo_sf", "DDPO-SF"}};
    if (const auto found = names.find(label); found != names.end()) return found->second;
    const std::string prefix = "rlcm_horizon_";
    if (label.rfind(prefix, 0) == 0) return message("RLCM, ", label.substr(prefix.size()), " steps");
    return label;
  }

  void command(const settings_list& groups) {
    text_ += "```\n";
    for (const auto& group : groups) {
      text_ += "paper";
      for (const auto& word : group.plans.front().arguments) text_.append(" ").append(quoted(word));
      if (group.plans.size() > 1) {
        text_ += "  # and seed";
        for (std::size_t i = 1; i < group.plans.size(); ++i)
          text_ += message(i > 1 ? "," : "", " ", group.plans[i].seed);
      }
      text_ += "\n";
    }
    text_ += "```\n\n";
  }

  [[nodiscard]] static std::string meaning_of(const std::string& reward) {
    if (reward == "compressibility") return ", minus the bytes by which a picture as a JPEG exceeds a blank one";
    if (reward == "incompressibility") return ", the bytes by which a picture as a JPEG exceeds a blank one";
    if (reward == "preference")
      return ", the score of a preference model, 0 and 1 being mean and deviation of its scale";
    if (reward == "alignment") return ", the cosine similarity of picture and prompt in the space of a two-tower";
    return {};
  }

  void write_head() {
    text_ += "# RLCM beside DDPO\n\n";
    text_ += "Made by\n\n```\npaper report";
    for (const auto& output : outputs_) text_.append(" ").append(quoted(output));
    if (!s_.search.empty()) text_.append(" --search ").append(quoted(s_.search.generic_string()));
    text_ += message(
        "\n```\n\nfrom the runs of `paper study`, and not edited; the same runs give the same page. The reward is ",
        reward_, meaning_of(reward_),
        ". Everything is measured on prompts that training never sees, with the same noise each time. Training time is "
        "wall-clock time of sampling, judging and training, without the evaluations.\n\n");
    text_ += heading({"machine", "cores", "threads", "compiler", "date"});
    for (const auto& m : machines_)
      text_ += row({m.processor, std::to_string(m.cores), std::to_string(m.threads), m.compiler, m.date});
    text_ +=
        "\nIntervals are of the mean over seeds: in brackets the percentile bootstrap over seeds at 95 %, after ± half "
        "of Student's at 95 %. With three seeds or fewer the first is the range of the seeds, which holds the "
        "expectation "
        "in 75 % of cases (three) or 50 % (two), and not in 95 %; the second one is exact for normal values. Bands in "
        "the figures are the first. The tables behind all curves: ";
    text_ +=
        message("[held_out.csv](", link("held_out.csv"), "), [training.csv](", link("training.csv"),
                ") (of long runs every so many rows, ", most_rows, " at most), and one `.csv` beside each figure.\n\n");
  }

  [[nodiscard]] static std::vector<std::string> summary_headings() {
    return {"",          "seeds",         "reward before", "reward after", "Student",       "retrieval",
            "diversity", "colourfulness", "KL to base",    "updates",      "samples rated", "s an image"};
  }
  [[nodiscard]] static std::string summary_row(const labelled_runs& g) {
    return row({g.name, std::to_string(g.runs.size()), rounded(mean(g.first("reward"))),
                with_interval(g.last("reward")), student_text(g.last("reward")),
                change(g.first("retrieval"), g.last("retrieval"), 100, 1, " %"),
                change(g.first("diversity"), g.last("diversity"), 1, 3),
                change(g.first("other_reward"), g.last("other_reward"), 1, 3), rounded(mean(g.last("kl"))),
                fixed(mean(g.last("update")), 0), fixed(mean(g.last(queries_name)), 0),
                fixed(mean(g.summary("seconds_per_image")), 4)});
  }
  void summary_table(const settings_list& groups) {
    text_ += heading(summary_headings());
    for (const auto& group : groups) text_ += summary_row(group);
    text_ +=
        "\nRetrieval, diversity and colourfulness: before → after training. Retrieval is the share of pictures whose "
        "prompt is among the five nearest names; diversity is that within a prompt; colourfulness (Hasler and "
        "Süsstrunk 2003) is a reward that nothing was trained on. What they lose is what the gain cost.\n\n";
  }

  void write_main() {
    const settings_list groups = in(figure_main);
    if (groups.empty()) return;
    text_ += "## RLCM and DDPO\n\n";
    command(groups);
    summary_table(groups);
    draw("seconds", "Reward by training time", seconds_name, "training time, s", groups);
    draw("queries", "Reward by samples rated", queries_name, "samples rated", groups);
    draw("calls", "Reward by network calls", calls_name, "network calls for sampling", groups);
    write_times("rlcm", "ddpo");
  }

  void write_published() {
    const settings_list groups = in(figure_published);
    if (groups.empty()) return;
    text_ +=
        "## As published\n\nThe same, learning rates included, without the KL to the base, which neither paper has: "
        "nothing holds the pictures to their prompts but the number of updates.\n\n";
    command(groups);
    summary_table(groups);
    draw("published_seconds", "Reward by training time, without a KL", seconds_name, "training time, s", groups);
    write_times("rlcm_published", "ddpo_published");
    settings_list all = in(figure_main);
    all.insert(all.end(), groups.begin(), groups.end());
    text_ +=
        "### What a gain costs\n\nEvery method pays for its reward with pictures that can no longer be told apart. "
        "Means over seeds, from the models before training (right) on.\n\n";
    draw_price(all);
  }

  /// Draws rewards over retrieval as training goes on.
  void draw_price(const settings_list& groups) {
    std::vector<fewstep::plot_series> series;
    std::string table = "label,seeds,training_seconds,retrieval,reward\n";
    for (const auto& group : groups) {
      // Closer together at the beginning, where most of it happens: point k of n at (k/n)^2 of the time.
      constexpr std::size_t n = 20;
      const auto reward = fewstep::mean_over_seeds(group.over(seconds_name, "reward"), n * n + 1);
      const auto kept = fewstep::mean_over_seeds(group.over(seconds_name, "retrieval"), n * n + 1);
      fewstep::plot_series one{.name = group.name};
      for (std::size_t k = 0; k <= n; ++k) {
        const std::size_t i = k * k;
        one.x.push_back(100 * kept.mean[i]);
        one.y.push_back(reward.mean[i]);
        table += message(group.label, ",", group.runs.size());
        for (const double value : {reward.x[i], kept.mean[i], reward.mean[i]})
          table.append(",").append(seven_digits(value));
        table += "\n";
      }
      series.push_back(std::move(one));
    }
    save_plot("price", {.title = "Reward by retrieval", .x_label = "top-5 retrieval, %", .y_label = "held-out reward"},
              series, table);
  }

  void save_plot(const std::string& name, const fewstep::plot_settings& settings,
                 const std::vector<fewstep::plot_series>& series, const std::string& table) {
    fewstep::write_svg_plot(assets_ / (name + ".svg"), settings, series);
    fewstep::write_atomically(assets_ / (name + ".csv"), table);
    text_ += message("![", settings.title, "](", link(name + ".svg"), ")\n\n");
  }

  /// How long the labels take to DDPO's last reward.
  void write_times(const std::string& rlcm, const std::string& ddpo) {
    const auto *fast = find(rlcm), *slow = find(ddpo);
    if (fast == nullptr || slow == nullptr) return;
    const time_comparison t = compare_times(fast->over(seconds_name, "reward"), slow->over(seconds_name, "reward"));
    text_ +=
        "### Time to DDPO's reward\n\nThe paper says 17 times less training time than DDPO, on its aesthetic task "
        "(Oertell et al. 2024). Here:\n\n";
    if (t.points < 3 || slow->runs.size() < 2) {
      text_ += message("**DDPO not converged**, as far as can be told: ",
                       t.points < 3 ? "its last fifth has fewer than 3 evaluations" : "one seed has no interval",
                       ". No ratio of times is given.\n\n");
      return;
    }
    const int digits = digits_for(60 * std::max(std::abs(t.slope.low), std::abs(t.slope.high)));
    const auto a_minute = [&](mean_interval m) {
      return interval_text({60 * m.mean, 60 * m.low, 60 * m.high}, digits);
    };
    const std::string slope = message(a_minute(t.slope), " a minute (Student: ", a_minute(t.student), ")");
    if (!t.converged) {
      text_ += message(
          "**DDPO not converged**: over the last fifth of its training its held-out reward has the slope ", slope,
          ", an interval without 0. Its final reward is one of the budget, so no ratio of times is given.\n\n");
      return;
    }
    text_ += message("Over the last fifth of its training DDPO's held-out reward has the slope ", slope,
                     ", an interval with 0 in it: it counts as converged. It ends at ", rounded(t.level),
                     ", where it is first after ", fixed(t.slow_time, 0), " s. ");
    if (!t.fast_time)
      text_ += "RLCM does not get there.\n\n";
    else if (*t.fast_time <= 0)
      text_ += "RLCM's model is there before it is trained, so no ratio of times is given.\n\n";
    else
      text_ += message("RLCM is there, and stays, after ", fixed(*t.fast_time, 1), " s. The ratio is **",
                       fixed(t.slow_time / *t.fast_time, 1), "** [", fixed(t.ratio.low, 1), ", ",
                       fixed(t.ratio.high, 1), "] (bootstrap over the seeds of both; 0: not reached).\n\n");
  }

  void write_horizon() {
    settings_list groups = in(figure_horizon);
    if (groups.size() < 2) return;
    for (auto& group : groups)
      if (const auto horizon = group.runs.front().settings.find("horizon");
          horizon != group.runs.front().settings.end() && horizon->is_number_integer())
        group.name = message("RLCM, ", horizon->get<int>(), " steps");
    text_ += "## Horizon\n\nRLCM with fewer steps: each sample costs less, and has fewer chances to get better.\n\n";
    command(groups);
    table_at_equal(groups);
    summary_table(groups);
    draw("horizon", "Reward by training time and horizon", seconds_name, "training time, s", groups,
         least(groups, seconds_name));
  }

  void write_family() {
    const settings_list groups = in(figure_family);
    if (groups.size() < 2) return;
    text_ += "## The family\n\n";
    command(groups);
    table_at_equal(groups);
    summary_table(groups);
    const double seconds = least(groups, seconds_name);
    draw("family_seconds", "Reward by training time", seconds_name, "training time, s", groups, seconds);
    draw("family_queries", message("Reward by samples rated, in ", fixed(seconds, 0), " s"), queries_name,
         "samples rated", groups, seconds);
  }

  /// Where the shortest run of all ends.
  static double least(const settings_list& groups, const std::string& x) {
    double value = std::numeric_limits<double>::infinity();
    for (const auto& g : groups)
      for (const double last : g.last(x)) value = std::min(value, last);
    return value;
  }

  /// Rewards there, and what is left of retrieval and diversity.
  void table_at_equal(const settings_list& groups) {
    const double seconds = least(groups, seconds_name), queries = least(groups, queries_name);
    text_ += heading({"", "seeds", "before", message("after ", fixed(seconds, 0), " s"), "retrieval", "diversity",
                      message("after ", fixed(queries, 0), " samples"), "retrieval", "diversity"});
    for (const auto& g : groups) {
      std::vector<std::string> cells{g.name, std::to_string(g.runs.size()), rounded(mean(g.first("reward")))};
      for (const auto& [column, place] : {std::pair{seconds_name, seconds}, std::pair{queries_name, queries}})
        cells.insert(cells.end(), {with_interval(g.at(column, place, "reward")),
                                   fixed(100 * mean(g.at(column, place, "retrieval")), 1) + " %",
                                   fixed(mean(g.at(column, place, "diversity")), 3)});
      text_ += row(cells);
    }
    text_ += "\n";
  }

  void write_search() {
    if (s_.search.empty()) return;
    const auto bytes = fewstep::read_file(s_.search);
    const std::string table(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    fewstep::write_atomically(assets_ / "search.csv", table);
    text_ += message(
        "## Learning rates\n\nWhat `paper search` found, each method with the same rates, seconds and seed, "
        "which is none of those above ([search.csv](",
        link("search.csv"),
        ")); of the rates that kept half of the retrieval, the one with the best final reward was taken. The "
        "methods that are not there have RLCM's.\n\n");
    std::vector<std::string> cells;
    bool first = true;
    std::string cell;
    for (const char c : table) {
      if (c != ',' && c != '\n') {
        cell += c;
        continue;
      }
      cells.push_back(std::move(cell));
      cell.clear();
      if (c != '\n') continue;
      text_ += first ? heading(cells) : row(cells);
      first = false;
      cells.clear();
    }
    text_ += "\n";
  }

  void write_pictures() {
    std::string shown;
    for (const auto& group : all_) {
      const fs::path picture = group.runs.front().folder / "pictures.png";
      if (!fs::exists(picture)) continue;
      fewstep::write_atomically(assets_ / (group.label + ".png"), fewstep::read_file(picture));
      shown += message(group.name, ", seed ", group.plans.front().seed, ":\n\n![", group.name, "](",
                       link(group.label + ".png"), ")\n\n");
    }
    if (!shown.empty())
      text_ +=
          "## Pictures\n\nTwelve held-out prompts, the first sample of each: before training above, after it "
          "below.\n\n" +
          shown;
  }

  /// What a reader wants to know and no program can tell stands in a file of its own.
  void write_tail() {
    text_ += "## Why\n\n";
    const fs::path why = assets_ / "why.md";
    if (fs::exists(why)) {
      const auto bytes = fewstep::read_file(why);
      text_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    } else {
      text_ += message("Nobody has written yet why the figures are as they are; ", link("why.md"),
                       " would be shown here.\n");
    }
  }

  static constexpr std::size_t most_rows = 200;  ///< of one run in a table of all

  report_settings s_;
  fs::path assets_;
  std::string reward_;
  std::vector<std::string> outputs_;
  std::vector<machine_facts> machines_;
  settings_list all_;
  std::string text_;
};

}  // namespace

std::string write_page(const report_settings& s) {
  page one(s);
  one.write();
  return one.summary();
}

}  // namespace paper
