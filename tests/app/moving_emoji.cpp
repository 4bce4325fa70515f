// SPDX-License-Identifier: Apache-2.0
#include "app/application.hpp"
#include "test.hpp"

#include <fewstep/image/png.hpp>

#include <string>
#include <vector>

namespace {

const std::string judging_encoder = std::string(TEXT_TO_EMOJI_DATA) + "/../../reward_models/two_tower.safetensors";

ending run_moving_emoji(const temporary_directory& here, std::vector<std::string> line) {
  line.insert(line.end(), {"--data", TEXT_TO_EMOJI_DATA});
  return application(line, here / "log", 0, MOVING_EMOJI).wait();
}
ending compare_clips(const temporary_directory& here, const std::string& base, const std::string& threads) {
  // The clips of so little training are alike; without ties they are told apart all the same.
  return run_moving_emoji(here, {"compare",
                                 "--base",
                                 base,
                                 "--output",
                                 (here / threads).string(),
                                 "--encoder",
                                 judging_encoder,
                                 "--pairs",
                                 "40",
                                 "--steps",
                                 "3",
                                 "--updates",
                                 "2",
                                 "--batch",
                                 "4",
                                 "--clips",
                                 "1",
                                 "--tie",
                                 "0",
                                 "--threads",
                                 threads});
}

}  // namespace

TEST_CASE("clips are learned from preferences, with the same models on any number of threads") {
  const temporary_directory here;
  const std::string base = (here / "base.safetensors").string();
  const auto made =
      run_moving_emoji(here, {"pretrain", "--output", base, "--steps", "3", "--batch", "8", "--threads", "1"});
  INFO(made.output);
  REQUIRE(made.exited_with(0));
  for (const char* threads : {"1", "2"}) {
    const auto end = compare_clips(here, base, threads);
    INFO(end.output);
    REQUIRE(end.exited_with(0));
    CHECK(says(end, "\nDenseDPO "));
  }
  const auto same = [&](const char* a, const char* b) { return text_of(here / a) == text_of(here / b); };
  CHECK(same("1/dpo.safetensors", "2/dpo.safetensors"));
  CHECK(same("1/dpo_of_copies.safetensors", "2/dpo_of_copies.safetensors"));
  CHECK(same("1/dense_dpo.safetensors", "2/dense_dpo.safetensors"));
  CHECK_FALSE(same("1/dpo.safetensors", "1/dense_dpo.safetensors"));
  CHECK(fewstep::load_png(here / "1" / "clips.png").width == 8 * (4 * 16 + 2) + 2);  // eight frames of 16 pixels
}

TEST_CASE("a file that is no model of clips is refused by its name and what it lacks") {
  const temporary_directory here;
  const auto end = compare_clips(here, judging_encoder, "1");
  INFO(end.output);
  CHECK(end.exited_with(1));
  CHECK(says(end, judging_encoder + ": the weight '"));
}
