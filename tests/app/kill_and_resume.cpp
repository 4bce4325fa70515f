// SPDX-License-Identifier: Apache-2.0
#include "app/application.hpp"
#include "support/test_seed.hpp"
#include "test.hpp"

#include <random>

namespace {

bool has_temporary(const std::filesystem::path& folder, const std::string& beginning) {
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().filename().string().rfind(beginning, 0) == 0) return true;
  return false;
}

constexpr const char* unfinished_checkpoint = "checkpoint.safetensors.fewstep-tmp.";

}  // namespace

TEST_CASE("a run that is killed again and again ends as an unbroken one") {
  const playground here;
  constexpr int updates = 20;
  const auto unbroken = here.run(here.finetune("unbroken", updates));
  INFO(unbroken.output);
  REQUIRE(unbroken.exited_with(0));

  const auto seed = fewstep::test::test_seed(1);
  CAPTURE(seed);
  std::mt19937 random(seed);
  const auto table = here / "broken" / "metrics.csv";
  const auto arguments = here.finetune("broken", updates, {"--resume", "--checkpoint-every", "2"});
  for (const long update : {1L, 3L, 6L, 9L, 12L}) {
    application run(arguments, here.log());
    REQUIRE(wait_for_update(run, table, update));
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 20000));
    run.send(SIGKILL);
    const auto end = run.wait();
    INFO("killed after update " << update << "\n" << end.output);
    CHECK(end.died_by(SIGKILL));
    CHECK_FALSE(std::filesystem::exists(here / "broken" / "model.safetensors"));
  }

  const auto end = here.run(arguments);
  INFO(end.output);
  REQUIRE(end.exited_with(0));
  CHECK(end.output.find("resuming     after update 1") != std::string::npos);  // 12 or later
  for (const char* name : {"checkpoint.safetensors", "model.safetensors", "evaluation.csv", "before_after.png"})
    CHECK(text_of(here / "broken" / name) == text_of(here / "unbroken" / name));
  CHECK(without_times(table) == without_times(here / "unbroken" / "metrics.csv"));
  const auto rows = updates_in(table);
  REQUIRE(rows.size() == updates);
  for (long i = 0; i < updates; ++i) CHECK(rows[static_cast<std::size_t>(i)] == i + 1);
}

TEST_CASE("a run that is killed while it writes a checkpoint goes on from the one before") {
  const playground here;
  constexpr int updates = 6;
  REQUIRE(here.run(here.finetune("unbroken", updates)).exited_with(0));
  here.kill_after(here.finetune("broken", updates), here / "broken" / "metrics.csv", 2);
  const auto before = text_of(here / "broken" / "checkpoint.safetensors");

  bool was_writing = false;
  for (int attempt = 0; attempt < 20 && !was_writing; ++attempt) {
    put_text(here / "broken" / "checkpoint.safetensors", before);
    creation_watch watch(here / "broken");
    application run(here.finetune("broken", updates, {"--resume"}), here.log());
    REQUIRE(watch.wait(unfinished_checkpoint));
    run.send(SIGKILL);
    REQUIRE(run.wait().died_by(SIGKILL));
    was_writing = has_temporary(here / "broken", unfinished_checkpoint);
  }
  REQUIRE(was_writing);
  CHECK(text_of(here / "broken" / "checkpoint.safetensors") == before);

  const auto end = here.run(here.finetune("broken", updates, {"--resume"}));
  INFO(end.output);
  REQUIRE(end.exited_with(0));
  CHECK(end.output.find("resuming     after update ") != std::string::npos);
  CHECK(text_of(here / "broken" / "checkpoint.safetensors") == text_of(here / "unbroken" / "checkpoint.safetensors"));
  CHECK(updates_in(here / "broken" / "metrics.csv").size() == updates);
  CHECK_FALSE(has_temporary(here / "broken", unfinished_checkpoint));
}

TEST_CASE("Ctrl-C ends a run after its update, with a checkpoint") {
  const playground here;
  constexpr int updates = 40;
  const auto table = here / "run" / "metrics.csv";
  application run(here.finetune("run", updates, {"--checkpoint-every", "1000"}), here.log());
  REQUIRE(wait_for_update(run, table, 2));
  run.send(SIGINT);
  const auto end = run.wait();
  INFO(end.output);
  CHECK(end.exited_with(130));
  const auto last = std::to_string(updates_in(table).back());
  CHECK(end.output.find("interrupted after update " + last + " of 40") != std::string::npos);

  const auto resumed = here.run(here.finetune("run", updates, {"--resume"}));
  INFO(resumed.output);
  CHECK(resumed.exited_with(0));
  CHECK(resumed.output.find("after update " + last + " of 40") != std::string::npos);
  CHECK(updates_in(table).size() == updates);
}

TEST_CASE("a checkpoint that finds the disk full leaves the old one") {
  const playground here;
  constexpr int updates = 5;
  const auto table = here / "run" / "metrics.csv";
  const auto resume = here.finetune("run", updates, {"--resume"});
  here.kill_after(resume, table, 2);
  const auto checkpoint = here / "run" / "checkpoint.safetensors";
  const auto before = text_of(checkpoint);
  REQUIRE(before.size() > 4096);

  const auto end = here.run(resume, before.size() / 2);
  INFO(end.output);
  CHECK(end.exited_with(1));
  CHECK(end.output.find("checkpoint.safetensors") != std::string::npos);
  CHECK(text_of(checkpoint) == before);
  CHECK_FALSE(has_temporary(here / "run", unfinished_checkpoint));

  CHECK(here.run(resume).exited_with(0));
  CHECK(updates_in(table).size() == updates);
}

TEST_CASE("pretraining that is killed ends as unbroken pretraining") {
  const playground here;
  const auto arguments = [&](const std::string& output) {
    return here.pretrain(output, 12, {"--resume", "--checkpoint-every", "2"});
  };
  REQUIRE(here.run(arguments("unbroken")).exited_with(0));
  for (const long step : {1L, 5L, 8L}) {
    application run(arguments("broken"), here.log());
    REQUIRE(wait_for_update(run, here / "broken" / "loss.csv", step));
    run.send(SIGKILL);
    CHECK(run.wait().died_by(SIGKILL));
  }
  REQUIRE(here.run(arguments("broken")).exited_with(0));
  for (const char* name : {"base.safetensors", "denoiser.safetensors", "checkpoint.safetensors", "loss.csv"})
    CHECK(text_of(here / "broken" / name) == text_of(here / "unbroken" / name));
}
