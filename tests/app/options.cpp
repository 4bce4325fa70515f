// SPDX-License-Identifier: Apache-2.0
#include "app/application.hpp"
#include "test.hpp"

namespace {

namespace fs = std::filesystem;

using arguments = std::vector<std::string>;

}  // namespace

TEST_CASE("options out of their range are refused by name and leave nothing behind") {
  const playground here;
  struct bad {
    const char *option, *value;
  };
  const auto refuse_all = [&](const char* program, const arguments& command, const std::vector<bad>& options) {
    for (const auto& [option, value] : options) {
      auto all = command;
      all.insert(all.end(), {"--output", (here / "new").string(), option, value});
      const auto end = here.run(all, nullptr, program);
      INFO(command.front() << " " << option << " " << value << "\n" << end.output);
      CHECK(WIFEXITED(end.status));
      CHECK_FALSE(end.exited_with(0));
      CHECK(says(end, std::string(option).substr(0, 2) == "--" ? option : ""));
      CHECK_FALSE(fs::exists(here / "new"));
      fs::remove_all(here / "new");
    }
  };
  const std::string data = TEXT_TO_EMOJI_DATA, base = here.base().string();
  const std::vector<bad> of_any_run{{"--seed", "-3"},          {"--seed", "18446744073709551616"},
                                    {"--seed", "1.5"},         {"--threads", "-2"},
                                    {"--batch", "0"},          {"--batch", "-4"},
                                    {"--batch", "4294967300"}, {"--checkpoint-every", "0"}};
  const auto with_common = [&](std::vector<bad> more) {
    more.insert(more.end(), of_any_run.begin(), of_any_run.end());
    return more;
  };
  refuse_all(TEXT_TO_EMOJI, {"pretrain", "--data", data, "--widths", "8,16", "--steps", "2", "--batch", "4"},
             with_common({{"--steps", "-5"},
                          {"--steps", "0"},
                          {"--steps", "99999999999999999999"},
                          {"--steps", "1e3"},
                          {"--learning-rate", "0"},
                          {"--learning-rate", "-1"},
                          {"--learning-rate", "nan"},
                          {"--learning-rate", "1e999"},
                          {"--learning-rate", "1e39"},
                          {"--beta2", "1"},
                          {"--beta2", "-0.1"},
                          {"--log-time-mean", "inf"},
                          {"--log-time-deviation", "-1"},
                          {"--huber", "-1"},
                          {"--warmup", "-4"}}));
  refuse_all(TEXT_TO_EMOJI, {"finetune", "--data", data, "--checkpoint", base, "--updates", "1"},
             {{"--seed", "-3"},
              {"--threads", "-1"},
              {"--updates", "0"},
              {"--first-trained", "-2"},
              {"--prompts", "0"},
              {"--samples", "-1"},
              {"--learning-rate", "0"},
              {"--learning-rate", "nan"},
              {"--kl", "-0.1"},
              {"--kl", "nan"},
              {"--clip", "-1"},
              {"--clip", "nan"},
              {"--lora", "-1"},
              {"--memory-budget", "nan"},
              {"--checkpoint-every", "0"},
              {"--times", "40,nan"},
              {"--evaluation-prompts", "1"},
              {"--evaluation-samples", "1"}});
  refuse_all(TEXT_TO_EMOJI, {"sample", "--checkpoint", base, "--prompt", "cat"},
             {{"--steps", "0"},
              {"--count", "0"},
              {"--count", "1000000000"},
              {"--scale", "0"},
              {"--scale", "100000"},
              {"--seed", "-3"},
              {"--threads", "-1"},
              {"--steps", "2000000000"}});
  refuse_all(REWARD_MODELS, {"two-tower", "--data", data, "--steps", "2"},
             with_common({{"--steps", "0"},
                          {"--features", "0"},
                          {"--learning-rate", "-1"},
                          {"--ema-decay", "1"},
                          {"--ema-decay", "nan"}}));
  refuse_all(REWARD_MODELS, {"pairs", "--data", data, "--checkpoint", base},
             {{"--pairs", "0"},
              {"--held-out", "0"},
              {"--steps", "0"},
              {"--flipped", "0.6"},
              {"--flipped", "nan"},
              {"--seed", "-1"},
              {"--threads", "-1"},
              {"--colour", "nan"}});
  refuse_all(PAPER, {"pretrain", "--data", data, "--widths", "8,16"},
             with_common({{"--denoiser-steps", "0"},
                          {"--consistency-steps", "-2"},
                          {"--text-width", "0"},
                          {"--condition", "0"},
                          {"--denoiser-rate", "-1"},
                          {"--consistency-rate", "nan"},
                          {"--huber", "-1"}}));
  refuse_all(PAPER, {"train", "--data", data, "--updates", "1"},
             {{"--horizon", "-1"},
              {"--prompts", "-1"},
              {"--samples", "-1"},
              {"--optimizer-steps", "-1"},
              {"--learning-rate", "0"},
              {"--kl", "-1"},
              {"--updates", "-1"},
              {"--seconds", "inf"},
              {"--seconds", "-1"},
              {"--evaluations", "0"},
              {"--seed", "-3"},
              {"--threads", "-3"},
              {"--checkpoint-every", "0"},
              {"--guidance", "-1"}});
  refuse_all(PAPER, {"search"},
             {{"--rates", "-1"},
              {"--seconds", "0"},
              {"--keep", "2"},
              {"--evaluations", "0"},
              {"--seed", "-1"},
              {"--threads", "-1"}});
  refuse_all(PAPER, {"study"}, {{"--hours", "-1"}, {"--hours", "nan"}, {"--threads", "-1"}});
}

TEST_CASE("what is missing is found before a folder is made") {
  const playground here;
  const std::string nowhere = (here / "nowhere").string();
  for (const auto& [program, command] :
       {std::pair(TEXT_TO_EMOJI, arguments{"pretrain", "--data", nowhere}),
        std::pair(TEXT_TO_EMOJI, here.finetune("new", 1, {"--data", nowhere})),
        std::pair(TEXT_TO_EMOJI, here.finetune("new", 1, {"--checkpoint", nowhere})),
        std::pair(PAPER, arguments{"pretrain", "--data", nowhere}),
        std::pair(PAPER, arguments{"train", "--updates", "1", "--data", nowhere}),
        std::pair(PAPER, arguments{"train", "--updates", "1", "--data", TEXT_TO_EMOJI_DATA, "--models", nowhere})}) {
    auto all = command;
    all.insert(all.end(), {"--output", (here / "new").string()});
    const auto end = here.run(all, nullptr, program);
    INFO(end.output);
    CHECK(end.exited_with(1));
    CHECK(says(end, nowhere));
    CHECK_FALSE(fs::exists(here / "new"));
  }
}

TEST_CASE("of an option that is given twice the last one counts") {
  const playground here;
  const auto end =
      here.run({"sample", "--output", (here / "first.png").string(), "--prompt", "cat", "--count", "3", "--checkpoint",
                here.base().string(), "--output", (here / "second.png").string(), "--prompt", "heart", "--count", "2"});
  INFO(end.output);
  CHECK(end.exited_with(0));
  CHECK(says(end, "4 pictures"));  // two of each prompt: what may be given several times adds up
  CHECK_FALSE(fs::exists(here / "first.png"));
  CHECK(fs::exists(here / "second.png"));
}

TEST_CASE("pictures are what their names say") {
  const playground here;
  const auto draw = [&](const std::string& name) {
    return here.run(
        {"sample", "--checkpoint", here.base().string(), "--prompt", "cat", "--output", (here / name).string()});
  };
  for (const char* name : {"a.jpg", "a.jpeg", "a.JPG"}) {
    CHECK(draw(name).exited_with(0));
    CHECK(text_of(here / name).substr(0, 3) == "\xFF\xD8\xFF");
  }
  CHECK(draw("a.png").exited_with(0));
  CHECK(text_of(here / "a.png").substr(1, 3) == "PNG");
  for (const char* name : {"a.gif", "a", "png"}) {
    const auto end = draw(name);
    INFO(end.output);
    CHECK(end.exited_with(1));
    CHECK(says(end, "let the name end in .png or .jpg"));
    CHECK_FALSE(fs::exists(here / name));
  }
}
