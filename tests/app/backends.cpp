// SPDX-License-Identifier: Apache-2.0
#include "app/application.hpp"
#include "test.hpp"

TEST_CASE("a backend that there is not is refused before anything is written") {
  const playground here;
  const auto unknown = here.run(here.finetune("run", 1, {"--backend", "abacus"}));
  INFO(unknown.output);
  CHECK(unknown.exited_with(1));
  CHECK(says(unknown, "there is no backend 'abacus'; use cpu or cuda"));

  // With a GPU it is not refused.
  const auto cuda = here.run({"sample", "--backend", "cuda", "--checkpoint", here.base().string(), "--prompt", "cat",
                              "--output", (here / "cat.png").string()});
  INFO(cuda.output);
  CHECK((cuda.exited_with(0) || says(cuda, "this text_to_emoji was built without CUDA; configure with") ||
         says(cuda, "cuda_device: there is no GPU number 0")));
  CHECK(std::filesystem::exists(here / "cat.png") == cuda.exited_with(0));
  CHECK_FALSE(std::filesystem::exists(here / "run"));
}
