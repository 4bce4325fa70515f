// SPDX-License-Identifier: Apache-2.0
#include "app/application.hpp"
#include "test.hpp"

#include <map>

namespace {

namespace fs = std::filesystem;

/// Every file below the folder, with its bytes.
std::map<fs::path, std::string> content_of(const fs::path& folder) {
  std::map<fs::path, std::string> all;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) all[entry.path()] = text_of(entry.path());
  return all;
}

/// The files that a program says it has written: "written to DIR: a, b and more".
std::vector<std::string> announced(const ending& end) {
  const std::string before = "written to ";
  const auto found = end.output.find(before);
  if (found == std::string::npos) return {};
  std::string list = end.output.substr(end.output.find(": ", found) + 2);
  list.resize(list.find(" and "));
  std::vector<std::string> names;
  std::istringstream text(list);
  for (std::string name; std::getline(text, name, ',');) names.push_back(name.substr(name.find_first_not_of(' ')));
  return names;
}

}  // namespace

TEST_CASE("the results of a run are not overwritten unless that is asked for") {
  const playground here;
  const auto kind = GENERATE("finetune", "pretrain");
  const auto arguments = [&](const std::vector<std::string>& more) {
    return kind == std::string("finetune") ? here.finetune("run", 1, more) : here.pretrain("run", 4, more);
  };
  REQUIRE(here.run(arguments({})).exited_with(0));
  const auto before = content_of(here / "run");

  const auto again = here.run(arguments({"--seed", "7"}));
  INFO(again.output);
  CHECK(again.exited_with(1));
  CHECK(says(again, (here / "run").string() + ": holds a run that has ended; begin anew by --overwrite"));
  CHECK(says(again, "another folder by --output"));
  CHECK(content_of(here / "run") == before);

  // Without the checkpoint the results are still there to be lost.
  fs::rename(here / "run" / "checkpoint.safetensors", here / "away");
  for (const char* last : {"evaluation.json", "samples.png"}) fs::remove(here / "run" / last);
  for (const std::vector<std::string>& more : {std::vector<std::string>{}, {"--resume"}}) {
    const auto foreign = here.run(arguments(more));
    INFO(foreign.output);
    CHECK(foreign.exited_with(1));
    CHECK(says(foreign, "but no checkpoint to go on from; begin anew by --overwrite"));
  }
  const auto anew = here.run(arguments({"--overwrite", "--seed", "7"}));
  INFO(anew.output);
  CHECK(anew.exited_with(0));
  const char* model = kind == std::string("finetune") ? "model.safetensors" : "base.safetensors";
  CHECK(text_of(here / "run" / model) != before.at(here / "run" / model));
}

TEST_CASE("two runs do not write into one folder at once") {
  const playground here;
  const auto kind = GENERATE("finetune", "pretrain");
  const auto arguments = [&](const std::vector<std::string>& more) {
    return kind == std::string("finetune") ? here.finetune("run", 1000000, more) : here.pretrain("run", 1000000, more);
  };
  const auto table = here / "run" / (kind == std::string("finetune") ? "metrics.csv" : "loss.csv");
  application first(arguments({}), here / "first log");
  REQUIRE(wait_for_update(first, table, 3));
  for (const char* asked : {"--overwrite", "--resume"}) {
    const auto second = here.run(arguments({asked}));
    INFO(second.output);
    CHECK(second.exited_with(1));
    CHECK(says(second, (here / "run").string() + ": another run (process " + std::to_string(first.id()) +
                           ") is writing there; wait for it, or name another folder by --output"));
  }
  REQUIRE(first.is_running());
  const auto rows = updates_in(table).size();
  REQUIRE(wait_for_update(first, table, static_cast<long>(rows) + 3));  // undisturbed
  first.send(SIGKILL);
  (void)first.wait();
  application third(arguments({"--resume"}), here / "third log");
  REQUIRE(wait_for_update(third, table, updates_in(table).back() + 3));
  third.send(SIGINT);
  CHECK(third.wait().exited_with(128 + SIGINT));
  CHECK_FALSE(fs::exists(here / "run" / ".lock"));
}

TEST_CASE("reward models and studies too lock and keep what they write") {
  const playground here;
  const std::vector<std::string> training{"two-tower", "--data",   TEXT_TO_EMOJI_DATA,
                                          "--widths",  "8,8",      "--features",
                                          "8",         "--batch",  "4",
                                          "--steps",   "1000000",  "--threads",
                                          "1",         "--output", (here / "model.safetensors").string()};
  application first(training, here / "first log", 0, REWARD_MODELS);
  REQUIRE(wait_for_output(first, here / "first log", "training "));
  auto anew = training;
  anew.emplace_back("--overwrite");
  const auto second = here.run(anew, nullptr, REWARD_MODELS);
  INFO(second.output);
  CHECK(second.exited_with(1));
  CHECK(says(second, "model.safetensors: another run (process " + std::to_string(first.id()) + ") is writing there"));
  first.send(SIGTERM);
  CHECK(first.wait().exited_with(128 + SIGTERM));
  fs::remove(here / "model.checkpoint.safetensors");

  put_text(here / "model.safetensors", "somebody's");
  const auto third = here.run(training, nullptr, REWARD_MODELS);
  INFO(third.output);
  CHECK(third.exited_with(1));
  CHECK(says(third, "model.safetensors: is there already; replace it by --overwrite"));
  CHECK(text_of(here / "model.safetensors") == "somebody's");

  const auto pretrain = [&](int steps) {
    return std::vector<std::string>{"pretrain",
                                    "--data",
                                    TEXT_TO_EMOJI_DATA,
                                    "--denoiser-steps",
                                    std::to_string(steps),
                                    "--consistency-steps",
                                    "2",
                                    "--widths",
                                    "8,16",
                                    "--text-width",
                                    "16",
                                    "--condition",
                                    "16",
                                    "--batch",
                                    "4",
                                    "--threads",
                                    "1",
                                    "--output",
                                    (here / "models").string()};
  };
  application models(pretrain(1000000), here / "first log", 0, PAPER);
  REQUIRE(wait_for_update(models, here / "models" / "denoiser" / "loss.csv", 2));
  const auto other = here.run(pretrain(1000000), nullptr, PAPER);
  INFO(other.output);
  CHECK(other.exited_with(1));
  CHECK(says(other, "another run (process"));
  models.send(SIGKILL);
  (void)models.wait();
  const auto changed = here.run(pretrain(2), nullptr, PAPER);
  INFO(changed.output);
  CHECK(changed.exited_with(1));
  CHECK(says(changed, "holds a run whose denoiser_steps is 1000000, not 2"));

  fs::remove_all(here / "models");
  fs::copy(here / "base", here / "models");
  const auto foreign = here.run(pretrain(2), nullptr, PAPER);
  CHECK(foreign.exited_with(0));  // text_to_emoji made no denoiser in two steps
  const auto finished = here.run(pretrain(2), nullptr, PAPER);
  INFO(finished.output);
  CHECK(finished.exited_with(0));
  CHECK(says(finished, "finished already"));
  fs::remove(here / "models" / "settings.json");
  const auto unknown = here.run(pretrain(2), nullptr, PAPER);
  INFO(unknown.output);
  CHECK(unknown.exited_with(1));
  CHECK(says(unknown, "denoiser.safetensors: is there already, and no run of this program to go on with"));
}

TEST_CASE("what a run says it has written is there") {
  const playground here;
  for (const int steps : {1, 2, 4}) {
    const auto folder = "run" + std::to_string(steps);
    const auto end = here.run(here.pretrain(folder, steps));
    INFO(end.output);
    REQUIRE(end.exited_with(0));
    const auto names = announced(end);
    CHECK(names.size() >= 3);
    for (const auto& name : names) CHECK(fs::exists(here / folder / name));
    CHECK(fs::exists(here / folder / "denoiser.safetensors") == (steps == 4));
  }
  const auto end = here.run(here.finetune("run", 1));
  INFO(end.output);
  const auto names = announced(end);
  CHECK(names.size() == 5);
  for (const auto& name : names) CHECK(fs::exists(here / "run" / name));
}

TEST_CASE("rows that the system lost are missed at a resume") {
  const playground here;
  const auto kind = GENERATE("finetune", "pretrain");
  const bool tunes = kind == std::string("finetune");
  const auto arguments = [&](const std::vector<std::string>& more) {
    return tunes ? here.finetune("run", 6, more) : here.pretrain("run", 6, more);
  };
  const auto table = here / "run" / (tunes ? "metrics.csv" : "loss.csv");
  REQUIRE(here.run(arguments({})).exited_with(0));
  const auto whole = text_of(table);
  const auto sound = here.run(arguments({"--resume"}));
  CHECK(sound.exited_with(0));
  CHECK_FALSE(says(sound, "warning"));

  const auto line = [&](int number) {
    std::size_t at = 0;
    for (; number > 0; --number) at = whole.find('\n', at) + 1;
    return at;
  };
  for (const auto& [text, missing] :
       {std::pair(whole.substr(0, line(4)), "has no rows 4 to 6"),                          // the end of the file
        std::pair(whole.substr(0, line(2)) + whole.substr(line(4)), "has no rows 2 to 3"),  // a part of it
        std::pair(std::string(), "has no rows 1 to 6")}) {
    put_text(table, text);
    if (text.empty()) fs::remove(table);
    const auto end = here.run(arguments({"--resume"}));
    INFO(end.output);
    CHECK(end.exited_with(0));
    CHECK(says(end, "warning: " + table.string() + " " + missing + ", which the checkpoint is made of"));
  }
}
