// SPDX-License-Identifier: Apache-2.0
#include <fewstep/fewstep.hpp>
#include <fewstep/io/checkpoint.hpp>
#include <fewstep/process/external_reward.hpp>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

//! [reward]
/// Rewards how near a sample is to (1, 0). It has two faults: every 20th batch kills it, and it knows class 0 only.
int serve() {
  std::string word;
  std::size_t rows = 0, columns = 0;
  for (int batch = 1; std::cin >> word >> rows >> columns; ++batch) {
    std::vector<int> classes(rows);
    for (int& of_sample : classes) std::cin >> of_sample;
    std::vector<float> x(rows * columns);
    std::cin.ignore().read(reinterpret_cast<char*>(x.data()), static_cast<std::streamsize>(4 * x.size()));
    if (batch == 20) return 3;
    for (std::size_t i = 0; i < rows; ++i)
      classes[i] == 0 ? std::cout << -std::hypot(x[2 * i] - 1, x[2 * i + 1]) << '\n' : std::cout << "what is this?\n";
    std::cout << "end" << std::endl;
  }
  return 0;
}
//! [reward]

//! [run]
int main(int argument_count, char**) {
  if (argument_count > 1) return serve();  // its own reward program; a script would be {"python3", "reward.py"}
  fewstep::external_reward nearness({.command = {"/proc/self/exe", "serve"}, .timeout = 30, .name = "nearness"});

  fewstep::cpu_backend backend({.threads = 1});
  fewstep::mlp_generator<fewstep::cpu_backend> generator(backend, {.network = {.classes = 2}});
  auto trainer = fewstep::rlcm(backend, generator, std::ref(nearness), fewstep::adam{.learning_rate = 3e-3f},
                               {.horizon = 4, .batch = {.prompts = 4, .samples_per_prompt = 32}});
  const auto train = [&](const std::vector<std::int32_t>& classes) {
    for (const auto& update : trainer.run(classes, 101))
      if (update.index % 50 == 0)
        std::printf("update %3d: reward %.2f\n", static_cast<int>(update.index), update.reward_mean);
    std::printf("%d processes died and were replaced\n", static_cast<int>(nearness.restarts()));
  };
  try {
    train({0});
    train({0, 1});
  } catch (const std::exception& error) {  // an update whose reward fails moves nothing
    fewstep::save_checkpoint(std::filesystem::temp_directory_path() / "nearness.safetensors", trainer);
    std::printf("saved after %d updates, because of an error:\n%s\n", static_cast<int>(trainer.index()), error.what());
  }
}
//! [run]
