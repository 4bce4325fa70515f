// SPDX-License-Identifier: Apache-2.0
#include "app/application.hpp"
#include "test.hpp"

TEST_CASE("sample names the words it does not know") {
  const playground here;
  const auto picture = (here / "hearts.png").string();
  const auto draw = [&](const std::string& prompt) {
    return here.run({"sample", "--checkpoint", here.base().string(), "--output", picture, "--count", "2", "--prompt",
                     prompt, "--prompt", "cat"});
  };
  const auto all = draw("cat face");
  INFO(all.output);
  CHECK(all.exited_with(0));
  CHECK(!says(all, "warning"));
  CHECK(std::filesystem::file_size(picture) > 100);
  std::filesystem::remove(picture);

  const auto some = draw("cat zorblax");
  INFO(some.output);
  CHECK(some.exited_with(0));
  CHECK(says(some, "'zorblax'"));
  CHECK(std::filesystem::exists(picture));
  std::filesystem::remove(picture);

  const auto none = draw("zorblax");
  INFO(none.output);
  CHECK(none.exited_with(1));
  CHECK(says(none, "no word of the prompt 'zorblax'"));
  CHECK_FALSE(std::filesystem::exists(picture));
}

TEST_CASE("a model without a checksum is used and said to have none and one with a flipped bit is refused") {
  const playground here;
  const auto whole = text_of(here.base());
  const auto draw = [&](const std::string& name, const std::string& content) {
    put_text(here / name, content);
    return here.run({"sample", "--checkpoint", (here / name).string(), "--output", (here / "cat.png").string(),
                     "--count", "1", "--prompt", "cat"});
  };
  const auto checked = draw("checked", whole);
  INFO(checked.output);
  CHECK(checked.exited_with(0));
  CHECK(!says(checked, "checksum"));

  auto plain = whole;
  plain.at(plain.find("fewstep.crc32c")) = '?';  // as files from Python have no such line
  const auto unchecked = draw("plain", plain);
  INFO(unchecked.output);
  CHECK(unchecked.exited_with(0));
  CHECK(says(unchecked, "note: " + (here / "plain").string() + " has no checksum"));

  auto flipped = whole;
  flipped.at(flipped.size() - 4000) ^= 1;
  const auto damaged = draw("flipped", flipped);
  INFO(damaged.output);
  CHECK(damaged.exited_with(1));
  CHECK(says(damaged, (here / "flipped").string() + ": is damaged: its checksum is"));
}

TEST_CASE("finetune refuses what it cannot do before it begins") {
  const playground here;
  const auto refused = [&](std::vector<std::string> more, const std::string& reason) {
    const auto end = here.run(here.finetune("run", 1, more));
    INFO(end.output);
    CHECK(end.exited_with(1));
    CHECK(says(end, reason));
    CHECK(!says(end, "judging"));
    CHECK_FALSE(std::filesystem::exists(here / "run" / "metrics.csv"));
  };
  refused({"--horizon", "0"}, "horizon is 0");
  refused({"--horizon", "1"}, "horizon is 1 but last_step is mask");
  refused({"--times", "40"}, "horizon is 1 but last_step is mask");
  refused({"--times", "2,40"}, "times must fall");
  refused({"--first-trained", "3"}, "first_trained is 3 but the last step that can be trained is 2");
  refused({"--memory-budget", "-1"}, "--memory-budget is -1 MB");
  refused({"--samples", "1"}, "--samples is 1 but --advantage is group");
  refused({"--memory-budget", "1"}, "memory_budget");
  refused({"--checkpoint", (here / "nowhere.safetensors").string()}, "nowhere.safetensors");
  refused({"--data", (here / "nowhere").string()}, "captions.tsv");

  const auto whole = text_of(here.base());
  put_text(here / "half.safetensors", whole.substr(0, whole.size() / 2));
  refused({"--checkpoint", (here / "half.safetensors").string()}, "half.safetensors");

  put_text(here / "file", "in the way");
  const auto end = here.run(here.finetune("file", 1));
  INFO(end.output);
  CHECK(end.exited_with(1));
  CHECK(says(end, (here / "file").string()));
  CHECK(!says(end, "judging"));
  CHECK(text_of(here / "file") == "in the way");
}

TEST_CASE("one network call can be trained if its step is stochastic, and one sample with a buffer") {
  const playground here;
  const auto end = here.run(here.finetune("run", 1,
                                          {"--horizon", "1", "--last-step", "stochastic", "--samples", "1",
                                           "--advantage", "buffer", "--kl", "0", "--lora", "2"}));
  INFO(end.output);
  CHECK(end.exited_with(0));
  const auto drawn = here.run({"sample", "--checkpoint", (here / "run" / "model.safetensors").string(), "--prompt",
                               "cat", "--steps", "1", "--output", (here / "cat.png").string()});
  INFO(drawn.output);
  CHECK(drawn.exited_with(0));
}

TEST_CASE("noise levels asked for say the horizon, and a run goes on only with its own") {
  const playground here;
  const auto run = here.run(here.finetune("run", 1, {"--times", "40,3,0.5", "--first-trained", "1"}));
  INFO(run.output);
  CHECK(run.exited_with(0));
  CHECK(says(run, "3 network calls at noise 40, 3, 0.5"));
  const auto other = here.run(here.finetune("run", 1, {"--resume", "--times", "40,3,0.6", "--first-trained", "1"}));
  INFO(other.output);
  CHECK(other.exited_with(1));
  CHECK(says(other, "trainer.sampler.times[2] = 0.5, but this run has 0.6"));
}

TEST_CASE("a run goes on only with the settings it was begun with") {
  const playground here;
  REQUIRE(here.run(here.finetune("run", 1)).exited_with(0));
  const auto end = here.run(here.finetune("run", 1, {"--resume", "--kl", "0.5"}));
  INFO(end.output);
  CHECK(end.exited_with(1));
  CHECK(says(end, "kl"));

  std::filesystem::remove(here / "run" / "evaluation.json");
  const auto anew = here.run(here.finetune("run", 1));
  INFO(anew.output);
  CHECK(anew.exited_with(1));
  CHECK(says(anew, "--resume"));
  CHECK(here.run(here.finetune("run", 1, {"--overwrite"})).exited_with(0));
}

TEST_CASE("the self-test passes") {
  const playground here;
  for (const std::string rank : {"0", "3"}) {
    const auto end = here.run(here.finetune("unused", 1, {"--self-test", "--lora", rank}));
    INFO(end.output);
    CHECK(end.exited_with(0));
    CHECK(says(end, "self-test passed"));
  }
}

TEST_CASE("evaluate prints a line for each number of steps") {
  const playground here;
  const auto end = here.run({"evaluate", "--checkpoint", here.base().string(), "--data", TEXT_TO_EMOJI_DATA,
                             "--prompts", "3", "--samples", "2", "--steps", "1,3"});
  INFO(end.output);
  CHECK(end.exited_with(0));
  CHECK(says(end, "1 step "));
  CHECK(says(end, "3 steps"));
  CHECK(says(end, "real pictures"));
}
