// SPDX-License-Identifier: Apache-2.0
#include "app/application.hpp"
#include "test.hpp"

#include <cstdlib>
#include <string>

namespace {

/// Megabytes of that kind in the line `memory` of the program's output.
double planned(const ending& end, const std::string& kind) {
  const auto line = end.output.find("\nmemory ");
  const auto at = end.output.find(kind + ' ', line);
  REQUIRE(at != std::string::npos);
  return std::strtod(end.output.c_str() + at + kind.size(), nullptr);
}

}  // namespace

TEST_CASE("under LoRA the reference of a KL is the model without its adapters and not a second model") {
  const playground here;
  const auto with = [&](const std::string& output, const std::string& kl, const std::string& rank,
                        const std::string& base) {
    auto end = here.run(here.finetune(output, 1, {"--kl", kl, "--lora", rank, "--checkpoint", base}));
    INFO(end.output);
    CHECK(end.exited_with(0));
    return end;
  };
  const std::string base = here.base().string(), adapted = (here / "adapted" / "model.safetensors").string();
  const double none = planned(with("adapted", "0", "2", base), "reference"),
               second = planned(with("all", "0.1", "0", base), "reference"),
               shared = planned(with("shared", "0.1", "2", base), "reference"),
               of_file = planned(with("of_file", "0.1", "2", adapted), "reference");
  CHECK(none == 0);
  // A second model has filters for its predictions, of twice the length of its parameters; either has a workspace.
  CHECK(shared > 0);
  CHECK(shared < second);
  // Adapters that the file has are a part of what training starts from, so the reference is a second model with them.
  CHECK(of_file >= second);
}
