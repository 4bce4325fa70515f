// SPDX-License-Identifier: Apache-2.0
#include "app/application.hpp"
#include "support/test_seed.hpp"
#include "test.hpp"

#include <map>
#include <random>
#include <sstream>

namespace {

namespace fs = std::filesystem;

/// The numbers of a table's columns, by their headings.
std::map<std::string, std::vector<std::string>> columns_of(const fs::path& table) {
  std::istringstream lines(text_of(table));
  std::string line, field;
  std::vector<std::string> names;
  std::map<std::string, std::vector<std::string>> columns;
  std::getline(lines, line);
  for (std::istringstream heading(line); std::getline(heading, field, ',');) names.push_back(field);
  while (std::getline(lines, line)) {
    std::istringstream row(line);
    for (const auto& name : names) {
      std::getline(row, field, ',');
      columns[name].push_back(field);
    }
  }
  return columns;
}

auto columns_without_times(const fs::path& table) {
  auto columns = columns_of(table);
  for (const char* time : {"training_seconds", "update_sampling_seconds", "update_training_seconds"})
    columns.erase(time);
  return columns;
}

/// A directory with tiny models of the study, and short runs on them.
class studio {
 public:
  studio() {
    const auto made = run({"pretrain", "--data", TEXT_TO_EMOJI_DATA, "--denoiser-steps", "2", "--consistency-steps",
                           "2", "--widths", "8,16", "--text-width", "16", "--condition", "16", "--batch", "4",
                           "--threads", "1", "--output", models()});
    if (!made.exited_with(0)) throw std::runtime_error("pretrain failed: " + made.output);
  }

  [[nodiscard]] fs::path operator/(const std::string& name) const { return directory_ / name; }
  [[nodiscard]] std::string models() const { return (directory_ / "models").string(); }
  [[nodiscard]] fs::path log() const { return directory_ / "log"; }

  /// Arguments of a run of seconds.
  [[nodiscard]] std::vector<std::string> train(const std::string& method, const std::string& output,
                                               std::vector<std::string> more = {}) const {
    std::vector<std::string> all{"train", "--method", method, "--output", (directory_ / output).string()};
    const auto add = [&](const std::string& option, const std::string& value) {
      if (std::find(more.begin(), more.end(), option) != more.end()) return;
      all.push_back(option);
      all.push_back(value);
    };
    add("--data", TEXT_TO_EMOJI_DATA);
    add("--models", models());
    add("--updates", "6");
    add("--horizon", "3");
    add("--learning-rate", "1e-2");
    add("--prompts", "2");
    add("--samples", "2");
    add("--evaluations", "3");
    add("--evaluation-prompts", "2");
    add("--evaluation-samples", "2");
    add("--checkpoint-every", "2");
    add("--threads", "1");
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  [[nodiscard]] application start(std::vector<std::string> arguments) const {
    return application(std::move(arguments), log(), 0, PAPER);
  }
  ending run(std::vector<std::string> arguments) const { return start(std::move(arguments)).wait(); }

 private:
  temporary_directory directory_;
};

}  // namespace

TEST_CASE("a run of the study that is killed again and again ends as an unbroken one") {
  const studio here;
  const std::string method = GENERATE("rlcm", "ddpo");
  const auto seed = fewstep::test::test_seed(2);
  CAPTURE(method, seed);
  std::mt19937 random(seed);
  const auto unbroken = here.run(here.train(method, "unbroken"));
  INFO(unbroken.output);
  REQUIRE(unbroken.exited_with(0));

  const auto arguments = here.train(method, "broken");
  for (const long update : {1L, 3L, 5L}) {
    auto run = here.start(arguments);
    REQUIRE(wait_for_update(run, here / "broken" / "curve.csv", update));
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
    run.send(SIGKILL);
    const auto end = run.wait();
    INFO("killed after update " << update << "\n" << end.output);
    CHECK(end.died_by(SIGKILL));
  }
  const auto end = here.run(arguments);
  INFO(end.output);
  REQUIRE(end.exited_with(0));
  for (const char* name : {"model.safetensors", "pictures.png"})
    CHECK(text_of(here / "broken" / name) == text_of(here / "unbroken" / name));
  for (const char* name : {"curve.csv", "held_out.csv"})
    CHECK(columns_without_times(here / "broken" / name) == columns_without_times(here / "unbroken" / name));
  CHECK(updates_in(here / "broken" / "curve.csv") == std::vector<long>{1, 2, 3, 4, 5, 6});
  CHECK(updates_in(here / "broken" / "held_out.csv") == std::vector<long>{0, 2, 4, 6});

  const auto base = text_of(here / "models" / (method == "rlcm" ? "consistency.safetensors" : "denoiser.safetensors"));
  CHECK(text_of(here / "broken" / "model.safetensors") != base);
  auto figures = columns_of(here / "broken" / "held_out.csv");
  CHECK(std::stod(figures["kl"].front()) == 0);
  CHECK(std::stod(figures["kl"].back()) > 0);
  const long pictures = 6 * 2 * 2, steps = 3;
  CHECK(figures["reward_queries"].back() == std::to_string(pictures));
  CHECK(figures["network_calls"].back() == std::to_string(pictures * steps));
}

TEST_CASE("Ctrl-C ends a run of the study after its update, and the same command ends it") {
  const studio here;
  const auto arguments = here.train("rlcm", "run", {"--updates", "40", "--checkpoint-every", "1000"});
  auto run = here.start(arguments);
  REQUIRE(wait_for_update(run, here / "run" / "curve.csv", 2));
  run.send(SIGINT);
  const auto end = run.wait();
  INFO(end.output);
  REQUIRE(end.exited_with(130));
  const auto before = updates_in(here / "run" / "curve.csv");
  CHECK(before.size() < 40);

  CHECK_FALSE(fs::exists(here / "run" / "summary.json"));
  const auto resumed = here.run(arguments);
  INFO(resumed.output);
  CHECK(resumed.exited_with(0));
  CHECK(updates_in(here / "run" / "curve.csv").size() == 40);
  const auto summary = text_of(here / "run" / "summary.json");
  CHECK_THAT(summary, contains("\"finished\": true"));

  const auto again = here.run(arguments);
  CHECK(again.exited_with(0));
  CHECK_THAT(again.output, contains("finished already"));
  CHECK(text_of(here / "run" / "summary.json") == summary);
  const auto other = here.run(here.train("rlcm", "run", {"--updates", "300"}));
  CHECK(other.exited_with(1));
  CHECK_THAT(other.output, contains("whose updates is 40, not 300"));
}

TEST_CASE("a run of the study ends when its seconds are used up") {
  const studio here;
  const auto end = here.run(here.train("rlcm", "run", {"--updates", "0", "--seconds", "0.1"}));
  INFO(end.output);
  REQUIRE(end.exited_with(0));
  const auto seconds = columns_of(here / "run" / "curve.csv")["training_seconds"];
  CHECK(std::stod(seconds.back()) >= 0.1);
  if (seconds.size() > 1) CHECK(std::stod(seconds[seconds.size() - 2]) < 0.1);
  CHECK(updates_in(here / "run" / "held_out.csv").back() == static_cast<long>(seconds.size()));
}

TEST_CASE("early evaluations are closer together at the beginning") {
  const studio here;
  const auto end =
      here.run(here.train("rlcm", "run", {"--updates", "16", "--evaluations", "4", "--early-evaluations"}));
  INFO(end.output);
  REQUIRE(end.exited_with(0));
  CHECK(updates_in(here / "run" / "held_out.csv") == std::vector<long>{0, 1, 4, 9, 16});
}

TEST_CASE("a run of the study stops early by a rule, whose looks outlast a kill") {
  const studio here;
  // No reward is 1e9 above the best before it, so this holds at every evaluation but the first.
  const auto arguments = here.train(
      "rlcm", "run", {"--updates", "12", "--evaluations", "6", "--stop", "reward<best+1e9:3", "--stop", "retrieval>2"});
  auto run = here.start(arguments);
  REQUIRE(wait_for_update(run, here / "run" / "curve.csv", 5));
  run.send(SIGKILL);
  REQUIRE(run.wait().died_by(SIGKILL));
  const auto end = here.run(arguments);
  INFO(end.output);
  REQUIRE(end.exited_with(0));
  CHECK_THAT(end.output, contains("stopped early: reward is "));
  CHECK(updates_in(here / "run" / "held_out.csv") == std::vector<long>{0, 2, 4, 6});
  CHECK_THAT(text_of(here / "run" / "summary.json"), contains("at update 6 and has stopped rising"));
}

TEST_CASE("a run of the study is trained on a model's verdict, of a small picture or one as large as the demo's") {
  const studio here;
  const bool large = GENERATE(false, true);
  const std::string reward = GENERATE("preference", "alignment");
  const std::string method = large ? "rlcm" : GENERATE("rlcm", "draft", "ddpo");
  CAPTURE(reward, method, large);
  const auto examples = fs::path(TEXT_TO_EMOJI_DATA).parent_path().parent_path();
  const auto reward_model =
      examples / "reward_models" / (reward == "alignment" ? "two_tower.safetensors" : "preference.safetensors");
  const std::string models = large ? (examples / "text_to_emoji").string() : here.models();
  const auto end =
      here.run(here.train(method, "run",
                          {"--reward", reward, "--reward-model", reward_model.string(), "--models", models, "--updates",
                           "2", "--horizon", "2", "--learning-rate", "1e-4", "--evaluations", "1"}));
  INFO(end.output);
  REQUIRE(end.exited_with(0));
  auto figures = columns_of(here / "run" / "held_out.csv");
  CHECK(figures["reward"].front() != figures["reward"].back());
  CHECK(std::abs(std::stod(figures["reward"].back())) < (reward == "alignment" ? 1 : 10));
  CHECK_THAT(text_of(here / "run" / "settings.json"), contains("\"reward_model\": \"" + reward_model.string()));
}

TEST_CASE("a run of the study that cannot be is refused before it leaves anything") {
  const studio here;
  const auto refused = [&](std::vector<std::string> arguments, const std::string& why) {
    const auto end = here.run(std::move(arguments));
    INFO(end.output);
    CHECK(end.exited_with(1));
    CHECK_THAT(end.output, contains(why));
    CHECK_FALSE(fs::exists(here / "run"));
  };
  refused(here.train("rclm", "run"), "there is no method 'rclm'; use one of rlcm, ");
  refused(here.train("rlcm", "run", {"--updates", "0"}), "the run has no end");
  refused(here.train("rlcm", "run", {"--stop", "retrieval=0.1"}), "--stop is 'retrieval=0.1'; give a rule like");
  refused(here.train("rlcm", "run", {"--guidance", "3"}), "--guidance is 3, but rlcm");
  refused(here.train("draft", "run", {"--kl", "0.1"}), "--kl is 0.1, which draft does not take");
}

TEST_CASE("a run of the study misses rows that the system lost and refuses other data") {
  const studio here;
  fs::create_directory(here / "data");
  for (const char* name : {"captions.tsv", "emoji32.png", "vocabulary.txt"})
    fs::copy_file(fs::path(TEXT_TO_EMOJI_DATA) / name, here / "data" / name);
  const auto arguments = here.train("rlcm", "run", {"--updates", "100000", "--data", (here / "data").string()});
  const auto interrupted_after = [&](long update) {
    auto run = here.start(arguments);
    REQUIRE(wait_for_update(run, here / "run" / "curve.csv", update));
    run.send(SIGTERM);
    const auto end = run.wait();
    INFO(end.output);
    CHECK(end.exited_with(128 + SIGTERM));
    return end;
  };
  CHECK_FALSE(says(interrupted_after(3), "warning"));
  const auto curve = text_of(here / "run" / "curve.csv"), held_out = text_of(here / "run" / "held_out.csv");
  put_text(here / "run" / "held_out.csv", held_out.substr(0, held_out.find('\n') + 1));
  const auto second = curve.find('\n', curve.find('\n') + 1) + 1;
  put_text(here / "run" / "curve.csv", curve.substr(0, second) + curve.substr(curve.find('\n', second) + 1));
  const auto last = std::stol(curve.substr(curve.rfind('\n', curve.size() - 2) + 1));
  const auto resumed = interrupted_after(last + 2);
  CHECK(says(resumed, "held_out.csv has no row of the evaluation after update 0, which the checkpoint knows of"));
  CHECK(says(resumed, "curve.csv has no rows 2 to 2, which the checkpoint is made of"));

  const std::string name = "\talien monster\n";
  auto captions = text_of(here / "data" / "captions.tsv");
  captions.replace(captions.find(name), name.size(), "\tmonster alien\n");
  put_text(here / "data" / "captions.tsv", captions);
  const auto other = here.run(arguments);
  INFO(other.output);
  CHECK(other.exited_with(1));
  CHECK(says(other, "data_checksum"));
}
