// SPDX-License-Identifier: Apache-2.0
#include "app/application.hpp"
#include "test.hpp"

#include <set>

TEST_CASE("tables are on the disk before a checkpoint that is made of them") {
  const playground here;
  const auto kind = GENERATE("finetune", "pretrain");
  const bool tunes = kind == std::string("finetune");
  const auto log = here / "sync log";
  std::vector<std::string> command{"SYNC_LOG=" + log.string(), "LD_PRELOAD=", TEXT_TO_EMOJI};
  command[1] += SYNC_LOG_LIBRARY;
  const auto run = tunes ? here.finetune("run", 5) : here.pretrain("run", 5, {"--checkpoint-every", "1"});
  command.insert(command.end(), run.begin(), run.end());
  const auto end = application(command, here.log(), 0, "/usr/bin/env").wait();
  INFO(end.output);
  REQUIRE(end.exited_with(0));

  std::istringstream lines(text_of(log));
  std::set<std::string> synchronised;
  int checkpoints = 0;
  for (std::string line; std::getline(lines, line);) {
    const auto name = std::filesystem::path(line.substr(line.find(' ') + 1)).filename().string();
    if (line.rfind("fsync ", 0) == 0) synchronised.insert(name.substr(0, name.find(".tfevents")));
    if (line.rfind("rename ", 0) != 0 || name != "checkpoint.safetensors") continue;
    CHECK(synchronised.count(tunes ? "metrics.csv" : "loss.csv") == 1);
    if (tunes) CHECK(synchronised.count("events.out") == 1);
    synchronised.clear();
    ++checkpoints;
  }
  CHECK(checkpoints == 5);
}
