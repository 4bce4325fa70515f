// SPDX-License-Identifier: Apache-2.0
#include "app/application.hpp"
#include "test.hpp"

#include <functional>

namespace {

void use_full_device_for_output() {
  const int full = ::open("/dev/full", O_WRONLY);
  if (full < 0) ::_exit(126);
  ::dup2(full, STDOUT_FILENO);
}

}  // namespace

TEST_CASE("closed standard streams put nothing into a run's files") {
  const playground here;
  REQUIRE(here.run(here.finetune("unbroken", 12)).exited_with(0));
  void (*const prepare)() = GENERATE(
      +[] { ::close(STDERR_FILENO); }, +[] { ::close(STDOUT_FILENO); }, +[] { ::close(STDIN_FILENO); },
      +[] {
        for (const int fd : {0, 1, 2}) ::close(fd);
      });
  const auto end = here.run(here.finetune("run", 12), prepare);
  CHECK(end.exited_with(0));
  CHECK(without_times(here / "run" / "metrics.csv") == without_times(here / "unbroken" / "metrics.csv"));
  for (const char* file : {"checkpoint.safetensors", "model.safetensors", "evaluation.csv", "reward.svg"})
    CHECK(text_of(here / "run" / file) == text_of(here / "unbroken" / file));
  const auto resumed = here.run(here.finetune("run", 12, {"--resume"}));
  INFO(resumed.output);
  CHECK(resumed.exited_with(0));
}

TEST_CASE("output that cannot be written is no success") {
  if (!std::filesystem::exists("/dev/full")) return;
  const playground here;
  const auto end = here.run(here.finetune("run", 2), use_full_device_for_output);
  INFO(end.output);
  CHECK(end.exited_with(1));
  CHECK(says(end, "text_to_emoji: standard output could not be written: No space left on device"));
  CHECK(std::filesystem::exists(here / "run" / "evaluation.json"));  // nothing else is lost

  CHECK(here.run({"sample", "--checkpoint", here.base().string(), "--prompt", "cat", "--output",
                  (here / "cat.png").string()},
                 use_full_device_for_output)
            .exited_with(1));
  for (const char* program : {TEXT_TO_EMOJI, REWARD_MODELS, PAPER})
    CHECK(here.run({"--help"}, use_full_device_for_output, program).exited_with(1));
  for (const char* program : {TEXT_TO_EMOJI, REWARD_MODELS, PAPER})
    CHECK(here.run({"--help"}, nullptr, program).exited_with(0));
  const auto device =
      here.run({"sample", "--checkpoint", here.base().string(), "--prompt", "cat", "--output", "/dev/full"});
  CHECK(device.exited_with(1));
}
