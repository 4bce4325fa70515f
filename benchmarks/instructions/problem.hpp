// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "report.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/optimizer/adam.hpp>

#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

/// What library_update.cpp and hand_written_update.cpp both learn: to lower the first value of 64 samples in 4 steps.
namespace problem {

using model_type = fewstep::mlp_generator<fewstep::cpu_backend>;

inline constexpr int samples = 64, horizon = 4;
inline constexpr std::uint64_t seed = 1;
inline const std::vector<std::int32_t> classes{0, 1, 2, 3};
inline constexpr fewstep::adam optimizer{.learning_rate = 1e-3f};

inline float reward_of(const float* x) { return -x[0]; }

/// main of both: PROGRAM small|medium|large UPDATES. make_updates(backend, model, UPDATES) trains; then a hash of the
/// parameters is printed.
template <class Updates>
int run(int argc, char** argv, const Updates& make_updates) {
  if (argc != 3) return 2;
  const std::string_view size = argv[1];
  const fewstep::index_t dimension = size == "large" ? 256 : size == "medium" ? 16 : 2;
  const fewstep::index_t width = size == "large" ? 256 : size == "medium" ? 128 : 64;
  fewstep::cpu_backend backend({.threads = 1});
  model_type model(backend, {.network = {.dimension = dimension, .classes = 4, .hidden = {width, width}}});
  make_updates(backend, model, std::atoi(argv[2]));
  print_hash(fewstep::as_span(model.parameters()));
  return 0;
}

}  // namespace problem
