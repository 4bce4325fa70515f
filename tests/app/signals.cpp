// SPDX-License-Identifier: Apache-2.0
#include "app/application.hpp"
#include "test.hpp"

#include <array>

namespace {

using namespace std::chrono_literals;

/// Arguments of a run that rates pictures for many seconds before it trains.
std::vector<std::string> long_before_training(const playground& here) {
  return here.finetune("run", 1, {"--evaluation-prompts", "64", "--evaluation-samples", "64"});
}

}  // namespace

TEST_CASE("Ctrl-C and the signals of batch systems and of closed terminals end a run after its update and save it") {
  const playground here;
  constexpr int updates = 400;
  REQUIRE(here.run(here.finetune("unbroken", updates)).exited_with(0));
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    const std::string name = "run" + std::to_string(signal);
    const auto table = here / name / "metrics.csv";
    application run(here.finetune(name, updates, {"--checkpoint-every", "1000"}), here.log());
    REQUIRE(wait_for_update(run, table, 2));
    run.send(signal);
    const auto end = run.wait();
    INFO("signal " << signal << "\n" << end.output);
    CHECK(end.exited_with(128 + signal));
    const auto last = std::to_string(updates_in(table).back());
    CHECK(says(end, "interrupted after update " + last + " of 400"));

    const auto resumed = here.run(here.finetune(name, updates, {"--resume"}));
    INFO(resumed.output);
    CHECK(resumed.exited_with(0));
    CHECK(says(resumed, "after update " + last + " of 400"));
    for (const char* file : {"checkpoint.safetensors", "model.safetensors", "evaluation.csv"})
      CHECK(text_of(here / name / file) == text_of(here / "unbroken" / file));
    CHECK(without_times(table) == without_times(here / "unbroken" / "metrics.csv"));
  }
}

TEST_CASE("a signal that comes to a process and to its group is one") {
  const playground here;
  const auto table = here / "run" / "metrics.csv";
  application run(here.finetune("run", 100000, {"--checkpoint-every", "1000000"}), here.log());
  REQUIRE(wait_for_update(run, table, 2));
  for (const int signal : {SIGTERM, SIGTERM, SIGHUP, SIGINT}) run.send(signal);
  const auto end = run.wait();
  INFO(end.output);
  CHECK(says(end, "interrupted after update "));
  CHECK(WIFEXITED(end.status));
  CHECK(std::filesystem::exists(here / "run" / "checkpoint.safetensors"));
}

TEST_CASE("another signal after a second ends a run at once") {
  const playground here;
  const auto [first, second] = GENERATE(std::pair(SIGTERM, SIGTERM), std::pair(SIGHUP, SIGINT));
  application run(long_before_training(here), here.log());
  REQUIRE(wait_for_output(run, here.log(), "judging"));
  run.send(first);
  std::this_thread::sleep_for(2500ms);  // a second counts from the moment that the first was handled
  REQUIRE(run.is_running());
  run.send(second);
  CHECK(run.wait().died_by(second));
}

TEST_CASE("what need not be saved ends by the first signal") {
  const playground here;
  application run({"evaluate", "--checkpoint", here.base().string(), "--data", TEXT_TO_EMOJI_DATA, "--samples", "64",
                   "--threads", "1"},
                  here.log());
  std::this_thread::sleep_for(300ms);
  run.send(SIGTERM);
  CHECK(run.wait().died_by(SIGTERM));
}

TEST_CASE("nohup keeps a run from ending with its terminal") {
  const playground here;
  application run(here.finetune("run", 10), here.log(), 0, TEXT_TO_EMOJI, [] { std::signal(SIGHUP, SIG_IGN); });
  REQUIRE(wait_for_update(run, here / "run" / "metrics.csv", 1));
  run.send(SIGHUP);
  const auto end = run.wait();
  INFO(end.output);
  CHECK(end.exited_with(0));
}

TEST_CASE("a run is saved by Ctrl-C although the reader of its output is gone") {
  const playground here;
  const auto table = here / "run" / "metrics.csv";
  application run(here.finetune("run", 100000, {"--checkpoint-every", "1000000"}), here.log(), 0, TEXT_TO_EMOJI, [] {
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0) ::_exit(126);
    ::dup2(ends[1], STDOUT_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
  });
  REQUIRE(wait_for_update(run, table, 3));
  run.send(SIGINT);
  CHECK(run.wait().exited_with(128 + SIGINT));
  CHECK(std::filesystem::exists(here / "run" / "checkpoint.safetensors"));
}

TEST_CASE("a study that is told to end tells its run to, which saves itself") {
  const playground here;
  const std::vector<std::string> study{"study",
                                       "--plan",
                                       "tiny",
                                       "--hours",
                                       "1",
                                       "--output",
                                       (here / "study").string(),
                                       "--results",
                                       (here / "results.md").string(),
                                       "--threads",
                                       "1",
                                       "--",
                                       "--data",
                                       TEXT_TO_EMOJI_DATA,
                                       "--models",
                                       (here / "models").string()};
  REQUIRE(application({"pretrain", "--data", TEXT_TO_EMOJI_DATA, "--denoiser-steps", "2", "--consistency-steps", "2",
                       "--widths", "8,16", "--text-width", "16", "--condition", "16", "--batch", "4", "--threads", "1",
                       "--output", (here / "models").string()},
                      here.log(), 0, PAPER)
              .wait()
              .exited_with(0));
  application run(study, here.log(), 0, PAPER);
  const auto folder = here / "study" / "rlcm_seed1";
  REQUIRE(wait_for_update(run, folder / "curve.csv", 2));
  run.send(SIGTERM);  // to the study alone
  const auto end = run.wait();
  INFO(end.output);
  CHECK(end.exited_with(128 + SIGTERM));
  CHECK(says(end, "interrupted; the same command goes on"));
  CHECK(std::filesystem::exists(folder / "checkpoint.safetensors"));
}
