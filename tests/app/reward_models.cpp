// SPDX-License-Identifier: Apache-2.0
#include "app/application.hpp"
#include "test.hpp"

#include <fewstep/io/safetensors.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace {

using arguments = std::vector<std::string>;

/// A directory with a tiny generator, and what reward models are made of in it.
class workshop {
 public:
  playground here;

  [[nodiscard]] std::string at(const std::string& name) const { return (here / name).string(); }
  [[nodiscard]] ending run(const arguments& these) const {
    return application(these, here.log(), 0, REWARD_MODELS).wait();
  }

  ending draw(int pairs, int held_out, const arguments& more = {}) const {
    arguments all{"pairs",
                  "--checkpoint",
                  here.base().string(),
                  "--data",
                  TEXT_TO_EMOJI_DATA,
                  "--pairs",
                  std::to_string(pairs),
                  "--held-out",
                  std::to_string(held_out),
                  "--steps",
                  "1",
                  "--output",
                  at("pairs.safetensors"),
                  "--threads",
                  "1"};
    all.insert(all.end(), more.begin(), more.end());
    return run(all);
  }
  [[nodiscard]] ending read(const std::string& pairs = "pairs.safetensors") const {
    return run({"read-answers", at("answers.json"), "--pairs", at(pairs), "--output", at("labelled.safetensors")});
  }
  /// A training of seconds; `kind` is two-tower or preference.
  [[nodiscard]] arguments training(const std::string& kind, const std::string& output, int steps,
                                   const arguments& more = {}) const {
    arguments all{
        kind,         "--output", at(output),  "--steps", std::to_string(steps), "--batch", "4", "--widths", "8,8",
        "--features", "8",        "--threads", "1",       "--checkpoint-every",  "1"};
    if (kind == "two-tower")
      all.insert(all.end(), {"--data", TEXT_TO_EMOJI_DATA});
    else if (std::find(more.begin(), more.end(), "--pairs") == more.end())
      all.insert(all.end(), {"--pairs", at("pairs.safetensors")});
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
};

std::vector<std::uint8_t> flags(const std::filesystem::path& path, const std::string& tensor) {
  const auto file = fewstep::safetensors_file::load(path);
  std::vector<std::uint8_t> values(file.size(tensor));
  file.read(tensor, std::span(values));
  return values;
}

/// The checksum that the page hands on with the answers.
std::string checksum_in(const std::string& page) {
  const std::string before = "{\"pairs\":\"";
  const auto found = page.find(before);
  return found == std::string::npos ? "" : page.substr(found + before.size(), 8);
}

std::string answers_of(const std::string& checksum, const std::string& answers) {
  return R"({"format": "reward_models.answers", "pairs": ")" + checksum + R"(", "answers": [)" + answers + "]}";
}

}  // namespace

TEST_CASE("pairs have the share of flipped labels asked for") {
  const workshop w;
  for (const std::string share : {"0", "0.1"}) {
    const auto end = w.draw(250, 50, {"--flipped", share});
    INFO(end.output);
    REQUIRE(end.exited_with(0));
    const auto labels = flags(w.here / "pairs.safetensors", "first_wins"),
               optimizer = flags(w.here / "pairs.safetensors", "rule_says_first");
    REQUIRE(labels.size() == 300);
    int flipped = 0, first = 0;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      flipped += labels[i] != optimizer[i] ? 1 : 0;
      first += optimizer[i];
    }
    // A function of the seed; 300 flips of 10 % have the deviation 5.2.
    CHECK((share == "0" ? flipped == 0 : flipped > 10 && flipped < 55));
    CHECK((first > 100 && first < 200));
  }
  CHECK(says(w.draw(2, 2, {"--flipped", "0.6"}), "--flipped is 0.6; it must be from 0 to 0.5"));
}

TEST_CASE("a person's answers take the place of the labels") {
  const workshop w;
  REQUIRE(w.draw(6, 3).exited_with(0));
  const auto page_of = [&](const std::string& first) {
    const auto end = w.run({"label", "--pairs", w.at("pairs.safetensors"), "--count", "4", "--first", first, "--output",
                            w.at("label.html")});
    INFO(end.output);
    REQUIRE(end.exited_with(0));
    return text_of(w.here / "label.html");
  };
  const std::string page = page_of("1");
  const std::string checksum = checksum_in(page);
  CHECK(checksum.size() == 8);
  CHECK(page.find("http") == page.find("http-equiv"));  // nothing is fetched
  CHECK(page.find("\"pair\":1,") != std::string::npos);
  CHECK(page.find("\"pair\":4,") != std::string::npos);
  CHECK(page.find("\"pair\":5,") == std::string::npos);
  CHECK(page.find("iVBORw0KGgo") != std::string::npos);  // how a PNG begins
  CHECK(checksum_in(page_of("0")) == checksum);

  const auto before = flags(w.here / "pairs.safetensors", "first_wins"),
             optimizer = flags(w.here / "pairs.safetensors", "rule_says_first");
  const auto choice = [](bool first) { return first ? "\"first\"" : "\"second\""; };
  put_text(w.here / "answers.json",
           answers_of(checksum, std::string(R"({"pair": 1, "choice": )") + choice(optimizer[1] == 1) +
                                    R"(}, {"pair": 2, "choice": )" + choice(optimizer[2] == 0) +
                                    R"(}, {"pair": 3, "choice": "neither"})"));
  const auto end = w.read();
  INFO(end.output);
  REQUIRE(end.exited_with(0));
  CHECK(says(end, "3 answers, 1 of them without a choice"));
  CHECK(says(end, "50.0 % of the choices are as the rule has them"));
  auto expected = before;
  expected[1] = optimizer[1];
  expected[2] = optimizer[2] == 0 ? 1 : 0;
  CHECK(flags(w.here / "labelled.safetensors", "first_wins") == expected);
  CHECK(flags(w.here / "labelled.safetensors", "answered") == std::vector<std::uint8_t>{0, 1, 1, 0, 0, 0, 0, 0, 0});
  CHECK(flags(w.here / "labelled.safetensors", "rule_says_first") == optimizer);

  // More answers go on top of these, and a training can use them alone.
  put_text(w.here / "answers.json", answers_of(checksum, R"({"pair": 4, "choice": "first"})"));
  CHECK(w.read("labelled.safetensors").exited_with(0));
  CHECK(flags(w.here / "labelled.safetensors", "answered") == std::vector<std::uint8_t>{0, 1, 1, 0, 1, 0, 0, 0, 0});
  const auto trained = w.run(
      w.training("preference", "own.safetensors", 2, {"--pairs", w.at("labelled.safetensors"), "--only-answered"}));
  INFO(trained.output);
  CHECK(trained.exited_with(0));
  CHECK(says(trained, "3 pairs to train with, 3 held out"));
  CHECK(says(w.run(w.training("preference", "own.safetensors", 2, {"--only-answered"})),
             "has no pair to train with that a person has labelled"));
}

TEST_CASE("foreign and damaged answers are refused by name") {
  const workshop w;
  REQUIRE(w.draw(4, 2).exited_with(0));
  REQUIRE(w.run({"label", "--pairs", w.at("pairs.safetensors"), "--count", "2", "--output", w.at("label.html")})
              .exited_with(0));
  const std::string checksum = checksum_in(text_of(w.here / "label.html"));
  const std::string whole = answers_of(checksum, R"({"pair": 1, "choice": "first"})");
  const auto refused = [&](const std::string& text, const std::string& reason) {
    put_text(w.here / "answers.json", text);
    const auto end = w.read();
    INFO(end.output);
    CHECK(end.exited_with(1));
    CHECK(says(end, "answers.json"));
    CHECK(says(end, reason));
    CHECK_FALSE(std::filesystem::exists(w.here / "labelled.safetensors"));
  };
  refused(whole.substr(0, whole.size() / 2), "is no file of answers, or damaged");
  refused("", "is no file of answers, or damaged");
  refused("[]", "is no file of answers, or damaged");
  refused(R"({"format": "recipe"})", "has the format \"recipe\"");
  refused(answers_of("00000000", R"({"pair": 1, "choice": "first"})"),
          "is about other pairs (checksum 00000000) than " + w.at("pairs.safetensors"));
  refused(answers_of(checksum, R"({"pair": 6, "choice": "first"})"), "answers pair 6, but pairs are 0 to 5");
  refused(answers_of(checksum, R"({"pair": -1, "choice": "first"})"), "answers pair -1");
  refused(answers_of(checksum, R"({"pair": 1, "choice": "both"})"), "has the choice 'both' for pair 1");
  refused(answers_of(checksum, R"({"pair": 1})"), "choice");
  refused(answers_of(checksum, R"({"pair": 1, "choice": "first"}, {"pair": 1, "choice": "second"})"),
          "answers pair 1 twice");
  refused(answers_of(checksum, ""), "has no answers");
  CHECK(says(w.run({"label", "--pairs", w.at("pairs.safetensors"), "--count", "5", "--output", w.at("label.html")}),
             "has 4 pairs to train with"));
  CHECK(says(w.run({"label", "--pairs", w.here.base().string(), "--output", w.at("label.html")}),
             "give a file made by 'reward_models pairs'"));
}

TEST_CASE("a training of a reward model that is killed ends as an unbroken one") {
  const workshop w;
  REQUIRE(w.draw(12, 6).exited_with(0));
  for (const std::string kind : {"two-tower", "preference"}) {
    constexpr int steps = 25;
    const auto unbroken = w.run(w.training(kind, kind + "-unbroken.safetensors", steps));
    INFO(unbroken.output);
    REQUIRE(unbroken.exited_with(0));
    CHECK(says(unbroken, "held-out pairs"));
    CHECK(text_of(w.here / "reward_models.json")
              .find(kind == "preference" ? "held_out_as_the_rule" : "held_out_by_name") != std::string::npos);

    const auto checkpoint = w.here / (kind + "-broken.checkpoint.safetensors");
    bool came = false;
    {
      application run(w.training(kind, kind + "-broken.safetensors", steps), w.here.log(), 0, REWARD_MODELS);
      while (!came && run.is_running()) came = std::filesystem::exists(checkpoint);
      run.send(SIGKILL);
      REQUIRE((came && run.wait().died_by(SIGKILL)));
    }
    CHECK_FALSE(std::filesystem::exists(w.here / (kind + "-broken.safetensors")));
    const auto anew = w.run(w.training(kind, kind + "-broken.safetensors", steps));
    CHECK(anew.exited_with(1));
    CHECK(says(anew, "--resume"));
    CHECK(says(w.run(w.training(kind, kind + "-broken.safetensors", steps, {"--resume", "--seed", "2"})), "seed"));
    const auto resumed = w.run(w.training(kind, kind + "-broken.safetensors", steps, {"--resume"}));
    INFO(resumed.output);
    REQUIRE(resumed.exited_with(0));
    CHECK(says(resumed, "resuming     after step"));
    CHECK(text_of(w.here / (kind + "-broken.safetensors")) == text_of(w.here / (kind + "-unbroken.safetensors")));
    CHECK_FALSE(std::filesystem::exists(checkpoint));
  }
}

TEST_CASE("finetune is rewarded by a frozen reward model") {
  const workshop w;
  REQUIRE(w.draw(12, 6).exited_with(0));
  REQUIRE(w.run(w.training("preference", "preference.safetensors", 3, {"--half"})).exited_with(0));
  REQUIRE(w.run(w.training("two-tower", "two_tower.safetensors", 3)).exited_with(0));
  for (const std::string reward : {"preference", "alignment"}) {
    const auto reward_model = w.at(reward == "preference" ? "preference.safetensors" : "two_tower.safetensors");
    const auto finetune = [&](const arguments& more) {
      arguments all{"--reward", reward};
      all.insert(all.end(), more.begin(), more.end());
      return w.here.run(w.here.finetune(reward, 2, all));
    };
    const auto end = finetune({"--reward-model", reward_model});
    INFO(end.output);
    CHECK(end.exited_with(0));
    CHECK(says(end, "reward       " + reward));
    CHECK(updates_in(w.here / reward / "metrics.csv").size() == 2);
    CHECK(text_of(w.here / reward / "settings.json").find(reward_model) != std::string::npos);

    const auto missing = finetune({"--overwrite", "--reward-model", w.at("nowhere.safetensors")});
    CHECK(missing.exited_with(1));
    CHECK(says(missing, "nowhere.safetensors"));
  }
  // Another reward model is another run.
  REQUIRE(w.run(w.training("preference", "other.safetensors", 4)).exited_with(0));
  CHECK(says(w.here.run(w.here.finetune(
                 "preference", 2, {"--resume", "--reward", "preference", "--reward-model", w.at("other.safetensors")})),
             "reward_model_checksum"));
  CHECK(says(w.here.run(w.here.finetune("new", 1,
                                        {"--reward", "preference", "--reward-model", w.at("two_tower.safetensors")})),
             "two_tower.safetensors: the metadata have no 'fewstep.preference_model'"));
}
