// SPDX-License-Identifier: Apache-2.0
#include "paper/study/comparison.hpp"
#include "paper/study/finished_run.hpp"
#include "paper/study/plan.hpp"
#include "paper/study/study_settings.hpp"
#include "support/temporary_directory.hpp"
#include "test.hpp"

#include <fewstep/core/error.hpp>

#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;
using fewstep::run_curve;
using reward_of_time = std::function<double(double seconds, double seed)>;

/// A study whose runs are made up.
class made_up_study {
 public:
  explicit made_up_study(fs::path folder, const std::string& reward = "compressibility") : folder_(std::move(folder)) {
    plan_.name = "made up";
    plan_.reward = reward;
    plan_.output = "study";
  }

  /// Three runs of 1000 s with an evaluation each 25 s; an update takes `seconds_an_update`.
  void add(const std::string& label, const std::vector<std::string>& figures, double seconds_an_update,
           const reward_of_time& reward, int seeds = 3) {
    for (int seed = 1; seed <= seeds; ++seed) {
      paper::planned_run run;
      run.label = label;
      run.figures = figures;
      run.method = label;
      run.seed = static_cast<std::uint64_t>(seed);
      run.seconds = 1000;
      run.arguments = {"train", "--method", label, "--output", "study/" + run.folder()};
      const fs::path folder = folder_ / run.folder();
      fs::create_directories(folder);
      std::string held_out =
          "update,training_seconds,reward_queries,network_calls,reward,reward_error,other_reward,retrieval,diversity,"
          "kl\n";
      int update = 0;
      for (int i = 0; i <= 40; ++i) {
        const double seconds = 25 * i;
        update = static_cast<int>(seconds / seconds_an_update);
        const double values[] = {
            seconds, 64.0 * update, 512.0 * update, reward(seconds, seed - 2), 1, 0.25, 0.5 - 1e-4 * seconds,
            0.4,     1e-3 * seconds};
        held_out += std::to_string(update);
        for (const double value : values) held_out.append(",").append(paper::shortest(value));
        held_out += "\n";
      }
      put_text(folder / "settings.json",
               nlohmann::json{{"method", label}, {"seed", seed}, {"horizon", label == "rlcm" ? 8 : 2}}.dump());
      put_text(folder / "summary.json",
               nlohmann::json{{"finished", true}, {"updates", update}, {"seconds_per_image", 0.0125}}.dump());
      put_text(folder / "held_out.csv", held_out);
      put_text(folder / "curve.csv", "update,training_seconds,reward_mean\n1,12.5,-700\n2,25,-690\n");
      plan_.runs.push_back(run);
    }
    save();
  }

  [[nodiscard]] fs::path run(const std::string& label, int seed) const {
    return folder_ / (label + "_seed" + std::to_string(seed));
  }
  [[nodiscard]] const fs::path& folder() const { return folder_; }

 private:
  void save() const {
    const nlohmann::json machine = {
        {"processor", "a processor"}, {"compiler", "g++ 12"}, {"date", "2026-01-02"}, {"cores", 2}, {"threads", 2}};
    put_text(folder_ / "plan.json",
             nlohmann::json{{"plan", paper::to_json(plan_)}, {"machines", nlohmann::json::array({machine})}}.dump());
  }

  fs::path folder_;
  paper::study_plan plan_;
};

/// Rises to 300 above -700 in a time; over seeds -1, 0, 1 the final reward differs by 4 and its slope is `slope` + 0.01
/// times the seed.
reward_of_time saturating(double time, double slope) {
  return [=](double t, double seed) {
    return -700 + 300 * (1 - std::exp(-t / time)) + 4 * seed + (t > 800 ? (slope + 0.01 * seed) * (t - 800) : 0);
  };
}

std::string page_of(const fs::path& study, const fs::path& results) {
  CHECK(paper::report({.studies = {study}, .results = results, .search = {}}) == 0);
  return text_of(results);
}

std::map<std::string, std::string> files_in(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) files[fs::relative(entry.path(), folder).generic_string()] = text_of(entry.path());
  return files;
}

}  // namespace

TEST_CASE("the times to a converged reward are those of the curves, and the interval is that of all resamples") {
  // Straight lines up to a plateau, so that all times can be calculated: the slow one is at 100 + 3 s after 500 s, the
  // fast one at 100 after 20 / (1 + 0.2 s) s and at the level L after L / 100 of that.
  std::vector<run_curve> fast, slow;
  for (const double s : {-1.0, 0.0, 1.0}) {
    run_curve a, b;
    for (int i = 0; i <= 1000; ++i) {
      a.x.push_back(i);
      a.y.push_back(i * 5 * (1 + 0.2 * s));
      b.x.push_back(i);
      b.y.push_back((100 + 3 * s) * std::min(1.0, i / 500.0) + (i > 800 ? s * 1e-3 * (i - 800) : 0));
    }
    fast.push_back(a);
    slow.push_back(b);
  }
  const auto found = paper::compare_times(fast, slow);
  CHECK(found.points == 201);
  CHECK(found.slope.mean == Approx(0).margin(1e-12));
  CHECK(found.slope.low == Approx(-1e-3));
  CHECK(found.slope.high == Approx(1e-3));
  CHECK(found.student.high == Approx(4.302653 * 1e-3 / std::sqrt(3.0)).epsilon(1e-6));
  CHECK(found.converged);
  CHECK(found.level == Approx(100));
  CHECK(found.slow_time == Approx(500));
  REQUIRE(found.fast_time);
  CHECK(*found.fast_time == Approx(20));

  // The level and the slow time of a resample depend on the slow seeds only, the fast slope on the fast seeds only. At
  // most 2.5 % of 729 ratios, 18, are cut off on each side.
  std::vector<double> ratios;
  for (int i = 0; i < 27; ++i)
    for (int j = 0; j < 27; ++j) {
      const double f = (i % 3 + i / 3 % 3 + i / 9 - 3) / 3.0, s = (j % 3 + j / 3 % 3 + j / 9 - 3) / 3.0;
      const double level = 100 + 3 * s + 0.2 * s;
      const double slow_time = s > 1e-9 ? 1000 : 500 * level / (100 + 3 * s);
      ratios.push_back(slow_time / (level / (5 * (1 + 0.2 * f))));
    }
  std::sort(ratios.begin(), ratios.end());
  CHECK(found.ratio.low == Approx(ratios[18]).epsilon(1e-6));
  CHECK(found.ratio.high == Approx(ratios[710]).epsilon(1e-6));
}

TEST_CASE("no ratio of times without convergence, a second seed, evaluations, or a faster method that gets there") {
  const auto line = [](double slope, double begin = 0) {
    run_curve curve;
    for (int i = 0; i <= 50; ++i) curve.x.push_back(i), curve.y.push_back(begin + slope * i);
    return curve;
  };
  CHECK_FALSE(paper::compare_times({line(5), line(6)}, {line(1), line(1.1)}).converged);
  CHECK_FALSE(paper::compare_times({line(5), line(6)}, {line(-1), line(-1.1)}).converged);
  CHECK_FALSE(paper::compare_times({line(5)}, {line(0)}).converged);
  CHECK(paper::compare_times({line(5)}, {{{0, 1, 9, 10}, {0, 1, 1, 1}}, {{0, 1, 9, 10}, {0, 1, 1, 1}}}).points == 2);
  const auto never = paper::compare_times({line(0.1), line(0.1)}, {line(-1, 100), line(1, 100)});
  CHECK(never.converged);
  CHECK_FALSE(never.fast_time);
  CHECK(never.ratio.high == 0);
  CHECK(paper::compare_times({line(0, 500), line(0, 500)}, {line(-1, 100), line(1, 100)}).fast_time == 0.0);
}

TEST_CASE("the page has the figures of the runs, and the same runs give the same bytes") {
  const temporary_directory place;
  made_up_study study(place / "study");
  study.add("rlcm", {"main", "horizon", "family"}, 5, saturating(20, 0));
  study.add("ddpo", {"main", "family"}, 25, saturating(150, 0));
  study.add("rlcm_horizon_2", {"horizon"}, 2, saturating(40, 0));
  study.add("rebel", {"family"}, 10, saturating(60, 0), 1);
  put_text(study.run("rlcm", 1) / "pictures.png", "a picture");

  const std::string page = page_of(study.folder(), place / "docs" / "results.md");
  // Final rewards -700 + 300 + {-4 - 2, 0, 4 + 2}, less what is missing from saturation, 0.4 of DDPO's. Student's
  // interval is 4.303 * 6 / sqrt(3).
  CHECK_THAT(page, contains("| RLCM | 3 | -700.0 | -400.0 [-406.0, -394.0] | ± 14.9 | 50.0 → 40.0 % | 0.400 → 0.400 | "
                            "0.250 → 0.250 | 1.00 | 200 | 12800 | 0.0125 |"));
  CHECK_THAT(page, contains("| DDPO | 3 | -700.0 | -400.4 [-406.4, -394.4] | ± 14.9 |"));
  CHECK_THAT(page, contains("| a processor | 2 | 2 | g++ 12 | 2026-01-02 |"));
  CHECK_THAT(page, contains("paper train --method rlcm --output study/rlcm_seed1  # and seed 2, 3\n"));
  CHECK_THAT(page, contains("paper report study\n"));
  // All runs end after 1000 s, DDPO after 40 updates of 64 samples; RLCM has those after 200 s.
  CHECK_THAT(page,
             contains("|  | seeds | before | after 1000 s | retrieval | diversity | after 2560 samples | retrieval | "
                      "diversity |"));
  CHECK_THAT(page,
             contains("| RLCM | 3 | -700.0 | -400.0 [-406.0, -394.0] | 40.0 % | 0.400 | -400.0 [-404.0, -396.0] | "
                      "48.0 % | 0.400 |"));
  CHECK_THAT(page, contains("| REBEL | 1 | -704.0 | -406.0 | 40.0 % | 0.400 | -404.4 | 46.0 % | 0.400 |"));
  CHECK(page.find("As published") == page.npos);
  CHECK_THAT(page, contains("| RLCM, 8 steps | 3 |") && contains("| RLCM, 2 steps | 3 |"));
  CHECK_THAT(page, contains("it counts as converged"));
  CHECK_THAT(page, contains("![RLCM](results/rlcm.png)"));
  CHECK_THAT(page, contains("results/why.md would be shown here"));
  CHECK(text_of(place / "docs" / "results" / "rlcm.png") == "a picture");
  for (const char* name : {"seconds.svg", "queries.svg", "calls.svg", "horizon.svg", "family_seconds.svg",
                           "family_queries.svg", "seconds.csv", "held_out.csv", "training.csv"})
    CHECK(fs::exists(place / "docs" / "results" / name));
  CHECK(text_of(place / "docs" / "results" / "held_out.csv").rfind("label,seed,update,training_seconds,", 0) == 0);

  (void)page_of(study.folder(), place / "again" / "results.md");
  CHECK(files_in(place / "docs") == files_in(place / "again"));
  put_text(place / "docs" / "results" / "why.md", "Because.\n");
  CHECK_THAT(page_of(study.folder(), place / "docs" / "results.md"), contains("## Why\n\nBecause.\n"));
}

TEST_CASE("runs without the KL have a part of their own, with times of their own and the price of the reward") {
  const temporary_directory place;
  made_up_study study(place / "study");
  study.add("rlcm", {"main"}, 5, saturating(20, 0));
  study.add("ddpo", {"main"}, 25, saturating(150, 0.05));
  study.add("rlcm_published", {"published"}, 5, saturating(20, 0));
  study.add("ddpo_published", {"published"}, 25, saturating(150, 0));
  const std::string page = page_of(study.folder(), place / "results.md");
  const auto published = page.find("## As published");
  REQUIRE(published != page.npos);
  CHECK_THAT(page.substr(0, published), contains("**DDPO not converged**"));
  CHECK_THAT(page.substr(published), contains("The ratio is") && contains("| RLCM, no KL | 3 |") &&
                                         contains("![Reward by retrieval](results/price.svg)"));
  // Point k of 20 is at (k/20)^2 of 1000 s, in which retrieval falls from .5 to .4.
  const auto table = text_of(place / "results" / "price.csv");
  CHECK_THAT(table, contains("label,seeds,training_seconds,retrieval,reward\nrlcm,3,0,0.5,-700\nrlcm,3,2.5,0.49975,"));
  CHECK_THAT(table, contains("\nddpo_published,3,1000,0.4,"));
}

TEST_CASE("the table of training has every so many rows of a long run, the last among them") {
  const temporary_directory place;
  made_up_study study(place / "study");
  study.add("rlcm", {"main"}, 5, saturating(20, 0), 2);
  std::string curve = "update,training_seconds,reward_mean\n";
  for (int update = 1; update <= 450; ++update) curve += std::to_string(update) + "," + std::to_string(update) + ",0\n";
  put_text(study.run("rlcm", 1) / "curve.csv", curve);
  (void)page_of(study.folder(), place / "results.md");
  std::string expected = "label,seed,update,training_seconds,reward_mean\n";
  for (int update = 3; update <= 450; update += 3) expected += fewstep::message("rlcm,1,", update, ",", update, ",0\n");
  CHECK(text_of(place / "results" / "training.csv") == expected + "rlcm,2,1,12.5,-700\nrlcm,2,2,25,-690\n");
}

TEST_CASE("studies of several rewards have a page each, and one that sums them up") {
  const temporary_directory place;
  std::vector<fs::path> folders;
  for (const char* reward : {"compressibility", "preference"}) {
    made_up_study study(place / reward, reward);
    study.add("rlcm", {"main"}, 5, saturating(20, 0));
    study.add("ddpo", {"main"}, 25, saturating(150, 0));
    folders.push_back(study.folder());
  }
  CHECK(paper::report({.studies = folders, .results = place / "docs" / "results.md", .search = {}}) == 0);
  const std::string page = text_of(place / "docs" / "results.md");
  CHECK_THAT(page,
             contains("## compressibility") && contains("## preference\n\nThe reward is preference, the score of"));
  CHECK_THAT(page, contains("[All of it](results/preference.md)"));
  CHECK_THAT(page, contains("| DDPO | 3 | -700.0 | -400.4 [-406.4, -394.4] | ± 14.9 |"));
  CHECK(text_of(place / "docs" / "results" / "preference.md") ==
        page_of(folders.back(), place / "alone" / "preference.md"));
  CHECK(files_in(place / "docs" / "results" / "preference") == files_in(place / "alone" / "preference"));
}

TEST_CASE("the page says whether DDPO has converged, and has a ratio only if it has") {
  const temporary_directory place;
  const double slope = GENERATE(0.0, 0.05, -0.05);
  CAPTURE(slope);
  made_up_study study(place / "study");
  study.add("rlcm", {"main"}, 5, saturating(20, 0));
  study.add("ddpo", {"main"}, 25, saturating(150, slope));
  const std::string page = page_of(study.folder(), place / "results.md");
  const bool converged = page.find("counts as converged") != page.npos;
  CHECK(converged == (slope == 0.0));
  CHECK((page.find("**DDPO not converged**") != page.npos) == !converged);
  CHECK((page.find("The ratio is") != page.npos) == converged);
}

TEST_CASE("one seed does not tell whether DDPO has converged") {
  const temporary_directory place;
  made_up_study study(place / "study");
  study.add("rlcm", {"main"}, 5, saturating(20, 0), 1);
  study.add("ddpo", {"main"}, 25, saturating(150, 0), 1);
  CHECK_THAT(page_of(study.folder(), place / "results.md"),
             contains("**DDPO not converged**, as far as can be told: one seed has no interval"));
}

TEST_CASE("folders that are unfinished, damaged or not what the plan says are refused by name") {
  const temporary_directory place;
  made_up_study study(place / "study");
  study.add("rlcm", {"main"}, 5, saturating(20, 0));
  study.add("ddpo", {"main"}, 25, saturating(150, 0));
  const fs::path run = study.run("ddpo", 2), held_out = run / "held_out.csv";
  const std::string table = text_of(held_out);
  const auto refused = [&](const std::string& part) {
    CHECK_THROWS_WITH(paper::report({.studies = {study.folder()}, .results = place / "results.md", .search = {}}),
                      contains(part));
    CHECK_FALSE(fs::exists(place / "results.md"));
  };

  put_text(held_out, table.substr(0, table.size() - 5));
  refused("ddpo_seed2/held_out.csv:42: the line has no end");
  put_text(held_out, table.substr(0, table.rfind('\n', table.size() - 2) + 1));
  refused("ddpo_seed2/held_out.csv: goes from update 0 to 39, but the summary has 40 updates");
  put_text(held_out, table.substr(0, table.find('\n') + 1) + "0,1,2\n");
  refused("held_out.csv:2: has 3 fields for 10 columns");
  std::string wrong = table;
  wrong.replace(wrong.find("0.25"), 4, "what");
  put_text(held_out, wrong);
  refused("held_out.csv:2: 'what' is no number");
  wrong = table;
  wrong.replace(wrong.find("\n2,50,"), 6, "\n2,25,");
  put_text(held_out, wrong);
  refused("held_out.csv:4: training_seconds is 25, which does not rise");
  wrong = table;
  wrong.replace(wrong.find("retrieval"), 9, "something");
  put_text(held_out, wrong);
  refused("held_out.csv: has no column 'retrieval'");
  wrong = table;
  wrong.replace(wrong.find(",1,0.25,0.5,"), 12, ",1,0.25,nan,");
  put_text(held_out, wrong);
  refused("retrieval is nan; the run diverged");
  fs::remove(held_out);
  refused("ddpo_seed2/held_out.csv'");
  put_text(held_out, table);

  put_text(run / "summary.json", R"({"finished": false, "updates": 40})");
  refused("ddpo_seed2: the run has not finished");
  put_text(run / "summary.json", R"({"finished": "yes", "updates": 40})");
  refused("summary.json: is damaged: 'finished' is \"yes\"");
  put_text(run / "summary.json", R"({"finished": true, "updates": [40]})");
  refused("summary.json: is damaged: 'updates' is [40]");
  put_text(run / "summary.json", "{\"finished\": tr");
  refused("ddpo_seed2/summary.json: is damaged");
  fs::remove(run / "summary.json");
  refused("ddpo_seed2: the run has not finished");
  put_text(run / "summary.json", R"({"finished": true, "updates": 40})");
  put_text(run / "settings.json", R"({"method": "ddpo", "seed": 7})");
  refused("ddpo_seed2: is no run of ddpo with seed 2");
  put_text(run / "settings.json", R"({"method": 7, "seed": 2})");
  refused("settings.json: is damaged: 'method' is 7");
  fs::remove(run / "settings.json");
  refused("ddpo_seed2: is no folder of a run");
  fs::remove_all(run);
  refused("ddpo_seed2: there is no such run");
  put_text(study.folder() / "plan.json", "{}");
  refused("plan.json: is damaged");
  fs::remove(study.folder() / "plan.json");
  refused("is no folder of `paper study`");
}

TEST_CASE("a plan's training times add up to its hours, less what evaluations take") {
  for (const char* name : {"tiny", "default", "full"}) {
    CAPTURE(name);
    for (const double hours : {0.0, 3.0}) {
      const auto plan = paper::make_plan(name, hours);
      double seconds = 0;
      for (const auto& run : plan.runs) seconds += run.seconds;
      CHECK(seconds == Approx(0.8 * 3600 * plan.hours).margin(0.5 * static_cast<double>(plan.runs.size())));
      CHECK((hours == 0 || plan.hours == hours));
      CHECK(paper::to_json(paper::plan_of(paper::to_json(plan))) == paper::to_json(plan));
    }
  }
  CHECK(paper::make_plan("default", 0).hours == 2);
  CHECK(paper::make_plan("full", 0, static_cast<int>(paper::rewards_of("full").size())).hours == 6);
  CHECK_THROWS_WITH(paper::make_plan("long", 0), contains("no plan 'long'"));
}
