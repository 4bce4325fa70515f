// SPDX-License-Identifier: Apache-2.0
// Trains a small generator by RLCM and prints the outcome to the last bit, on two threads or, without OpenMP, on one.
#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/reward/per_sample.hpp>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string_view>
#include <vector>

#if defined(FEWSTEP_NO_OPENMP)
constexpr int threads = 1;

void check_threads() {
  fewstep::expects(fewstep::cpu_backend().threads() == 1, "train: without OpenMP a backend has one thread");
  try {
    fewstep::cpu_backend backend({.threads = 2});
  } catch (const std::invalid_argument& error) {
    return fewstep::expects(std::string_view(error.what()).find("threads is 2, but FEWSTEP_NO_OPENMP") == 13,
                            error.what());
  }
  fewstep::expects(false, "train: a backend of two threads is not refused");
}
#else
constexpr int threads = 2;

void check_threads() {
  fewstep::cpu_backend three({.threads = 3}), one({.threads = 1});
  fewstep::expects(three.threads() == 3 && one.threads() == 1, "train: threads are not the backend's own");
}
#endif

int main() {
  check_threads();

  fewstep::cpu_backend backend({.threads = threads});
  fewstep::mlp_generator<fewstep::cpu_backend> generator(backend, {.seed = 1});
  const auto nearness = fewstep::per_sample(
      [](fewstep::vec<const float> x, std::int32_t) { return -std::hypot(x[0] - 1.0f, x[1]); }, {.threads = threads});
  auto trainer =
      fewstep::rlcm(backend, generator, nearness, fewstep::adam{.learning_rate = 1e-2f},
                    {.horizon = 4, .batch = {.prompts = 2, .samples_per_prompt = 64}, .training = {.seed = 2}});
  double first = 0, last = 0;
  for (const auto& update : trainer.run(std::vector<std::int32_t>{0}, 10)) {
    if (update.index == 0) first = update.reward_mean;
    last = update.reward_mean;
  }

  std::uint64_t hash = 14695981039346656037u;  // FNV-1a, word by word
  for (const float parameter : as_span(generator.parameters()))
    hash = (hash ^ std::bit_cast<std::uint32_t>(parameter)) * 1099511628211u;
  std::printf("reward %.17g to %.17g, parameters %016llx\n", first, last, static_cast<unsigned long long>(hash));
  fewstep::expects(last > first, "train: ten updates do not raise the reward");
}
