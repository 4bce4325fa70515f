// SPDX-License-Identifier: Apache-2.0
#include "default_unet.hpp"

#include <fewstep/testing/benchmark.hpp>

namespace {

using namespace fewstep;

/// The default U-Net on 64 pictures of 32 x 32; an update of RLCM with horizon 4. Operations are the multiply-adds of
/// the convolutions for one picture forward, two operations each.
[[maybe_unused]] const bool registered = [] {
  benchmark_generator("text_unet", [](cpu_backend& backend) { return default_unet(backend); },
                      {.threads = {1, 2}, .contexts = {token_list{{1, 2, 3}}}, .operations = 195e6});
  return true;
}();

}  // namespace
