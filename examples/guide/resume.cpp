// SPDX-License-Identifier: Apache-2.0
#include <fewstep/fewstep.hpp>
#include <fewstep/io/checkpoint.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// The reward, which says what can be set in it.
//! [settings]
struct nearness {
  float x = 0, y = 0;

  static constexpr std::string_view name = "nearness";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("x", x, fewstep::between(-1, 1));
    visit("y", y, fewstep::between(-1, 1));
  }

  void operator()(fewstep::matrix<const float> samples, std::span<const std::int32_t>, std::span<float> out) const {
    for (fewstep::index_t i = 0; i < samples.rows(); ++i)
      out[static_cast<std::size_t>(i)] = -std::hypot(samples(i, 0) - x, samples(i, 1) - y);
  }
};
//! [settings]

/// What a process does from beginning to end: makes everything anew, goes on from the checkpoint if it is there, and
/// returns the parameters after so many updates.
std::vector<float> train(const std::filesystem::path& checkpoint, int updates, float learning_rate = 1e-3f) {
  fewstep::cpu_backend backend({.threads = 1});
  fewstep::mlp_generator<fewstep::cpu_backend> generator(backend, {});
  auto trainer = fewstep::rlcm(backend, generator, nearness{.x = 1}, fewstep::adam{.learning_rate = learning_rate},
                               {.horizon = 4, .batch = {.prompts = 4, .samples_per_prompt = 16}});
  //! [run]
  if (std::filesystem::exists(checkpoint)) fewstep::load_checkpoint(checkpoint, trainer);
  while (trainer.index() < updates) {
    trainer.update(std::vector<std::int32_t>{0});
    if (trainer.index() % 3 == 0) fewstep::save_checkpoint(checkpoint, trainer);
  }
  //! [run]
  return {generator.parameters().begin(), generator.parameters().end()};
}

int main() {
  const auto folder = std::filesystem::temp_directory_path() / ("fewstep-resume-" + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  std::filesystem::current_path(folder);

  //! [proof]
  const std::vector<float> unbroken = train("unbroken.safetensors", 6);

  // Another process makes 5 updates, of which its last checkpoint has 3, and then dies as by kill -9.
  const pid_t child = ::fork();
  if (child == 0) {
    train("killed.safetensors", 5);
    std::raise(SIGKILL);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  std::puts(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? "killed" : "not killed");

  const std::vector<float> resumed = train("killed.safetensors", 6);
  std::puts(resumed == unbroken ? "identical" : "different");

  try {
    train("killed.safetensors", 9, 2e-3f);
  } catch (const std::exception& error) {
    std::puts(error.what());
  }
  //! [proof]
  std::filesystem::current_path(folder.parent_path());
  std::filesystem::remove_all(folder);
}
