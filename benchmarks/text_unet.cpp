// SPDX-License-Identifier: Apache-2.0
#include <fewstep/benchmark.hpp>
#include <fewstep/generator/text_unet.hpp>

namespace {

using namespace fewstep;

text_unet<cpu_backend> make_model(cpu_backend& backend) {
  std::vector<std::string> words;
  for (int i = 0; i < 494; ++i) words.push_back(message("word", i));
  return text_unet<cpu_backend>(backend, vocabulary(std::move(words)),
                                {.network = {},
                                 .preconditioner = {.sigma_data = 0.5f, .sigma_min = 0.01f, .sigma_max = 40.0f},
                                 .lora = {},
                                 .seed = 1});
}

/// The default U-Net on 64 pictures of 32 x 32; an update of RLCM with horizon 4. Operations are the multiply-adds of
/// the convolutions for one picture forward, two operations each.
[[maybe_unused]] const bool registered = [] {
  benchmark_generator("text_unet", make_model,
                      {.threads = {1, 2}, .contexts = {token_list{{1, 2, 3}}}, .operations = 195e6});
  return true;
}();

}  // namespace
