// SPDX-License-Identifier: Apache-2.0
// Updates of a small U-Net, 8 samples in 2 steps; see count.sh. Small because valgrind is slow at multiply-adds.
#include "../default_unet.hpp"
#include "report.hpp"

#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/reward/per_sample.hpp>

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

/// PROGRAM compiler, or PROGRAM unet UPDATES.
int main(int argc, char** argv) {
  using namespace fewstep;
  if (argc == 2 && std::string_view(argv[1]) == "compiler") {
    std::puts(problem::compiler);
    return 0;
  }
  if (argc != 3) return 2;
  cpu_backend backend({.threads = 1});
  unet_options size;
  size.height = size.width = 16;
  size.widths = {16, 32};
  size.encoder_blocks = size.middle_blocks = size.decoder_blocks = 1;
  auto model = default_unet(backend, size);
  auto trainer = rlcm(backend, model, per_sample([](vec<const float> x, const auto&) { return -x[0]; }),
                      adamw{.learning_rate = 1e-3f},
                      {.horizon = 2, .batch = {.prompts = 8, .samples_per_prompt = 1}, .training = {.seed = 1}});
  const std::vector<token_list> contexts{{{1, 2, 3}}, {{4, 5}}};
  const int updates = std::atoi(argv[2]);
  for (int i = 0; i < updates; ++i) trainer.update(contexts);
  problem::print_hash(as_span(model.parameters()));
}
