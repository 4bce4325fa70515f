// SPDX-License-Identifier: Apache-2.0
#include "settings.hpp"
#include "text_to_emoji/interrupt.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <exception>

namespace paper {
namespace {

void add_pretrain(CLI::App& app, pretrain_settings& s) {
  auto& command = *app.add_subcommand("pretrain", "Train the denoiser, and from it the consistency model; goes on with "
                                                  "what an interrupted run has left in the folder");
  command.add_option("--data", s.data, "folder of the pictures");
  command.add_option("--output", s.output, "folder for the models, loss curves and checkpoints");
  command.add_option("--denoiser-steps", s.denoiser_steps);
  command.add_option("--consistency-steps", s.consistency_steps);
  command.add_option("--batch", s.batch);
  command.add_option("--widths", s.widths, "channels of each resolution")->delimiter(',');
  command.add_option("--text-width", s.text_width);
  command.add_option("--condition", s.condition, "width of the conditioning vector");
  command.add_option("--denoiser-rate", s.denoiser_rate, "learning rate of the denoiser");
  command.add_option("--consistency-rate", s.consistency_rate, "learning rate of the consistency model");
  command.add_option("--huber", s.huber, "constant of the pseudo-Huber distance");
  command.add_option("--seed", s.seed);
  command.add_option("--threads", s.threads, "0: all");
  command.add_option("--checkpoint-every", s.checkpoint_every, "steps");
}

}  // namespace
}  // namespace paper

int main(int argc, char** argv) {
  using namespace paper;
  CLI::App app("RLCM against DDPO on a small text-to-picture model.");
  app.require_subcommand(1);
  app.option_defaults()->always_capture_default();
  pretrain_settings pretraining;
  add_pretrain(app, pretraining);
  CLI11_PARSE(app, argc, argv);

  try {
    text_to_emoji::watch_for_interrupts();
    return pretrain(pretraining);
  } catch (const std::exception& error) {
    std::fflush(stdout);
    std::fprintf(stderr, "paper: %s\n", error.what());
    return 1;
  }
}
