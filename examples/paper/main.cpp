// SPDX-License-Identifier: Apache-2.0
#include "settings.hpp"
#include "text_to_emoji/interrupt.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <exception>

namespace paper {
namespace {

void add_pretrain(CLI::App& app, pretrain_settings& s) {
  auto& command = *app.add_subcommand("pretrain",
                                      "Train the denoiser, and from it the consistency model; goes on with "
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

void add_evaluate(CLI::App& app, evaluate_settings& s) {
  auto& command = *app.add_subcommand("evaluate", "Judge the pictures of both models, drawn in several ways");
  command.add_option("--data", s.data, "folder of the pictures");
  command.add_option("--models", s.models, "folder of denoiser.safetensors and consistency.safetensors");
  command.add_option("--output", s.output, "folder for picture grids");
  command.add_option("--prompts", s.prompts);
  command.add_option("--samples", s.samples, "of one prompt");
  command.add_option("--threads", s.threads, "0: all");
}

void add_train(CLI::App& app, train_settings& s) {
  auto& command = *app.add_subcommand("train",
                                      "One run of reinforcement learning; goes on with what an interrupted run "
                                      "has left in the folder. 0 leaves a setting to the method");
  command.add_option("--data", s.data, "folder of the pictures");
  command.add_option("--models", s.models, "folder of denoiser.safetensors and consistency.safetensors");
  command.add_option("--output", s.output, "folder of the run");
  command.add_option("--method", s.method)->check(CLI::IsMember({"rlcm", "ddpo"}));
  command.add_option("--reward", s.reward)->check(CLI::IsMember({"compressibility", "incompressibility"}));
  command.add_option("--horizon", s.horizon, "network calls of a picture");
  command.add_option("--guidance", s.guidance, "of ddpo, in sampling and training; 1: none");
  command.add_option("--learning-rate", s.learning_rate);
  command.add_option("--prompts", s.prompts, "of one update");
  command.add_option("--samples", s.samples, "of one prompt");
  command.add_option("--optimizer-steps", s.optimizer_steps, "of one update");
  command.add_option("--updates", s.updates);
  command.add_option("--budget-seconds", s.budget_seconds, "of training; 0: no limit");
  command.add_option("--evaluate-every", s.evaluate_every, "updates");
  command.add_option("--evaluation-prompts", s.evaluation_prompts, "held-out names judged along the way");
  command.add_option("--evaluation-samples", s.evaluation_samples, "of each of these");
  command.add_option("--final-prompts", s.final_prompts, "held-out names judged at the end");
  command.add_option("--final-samples", s.final_samples, "of each of these");
  command.add_option("--seed", s.seed);
  command.add_option("--threads", s.threads, "0: all");
  command.add_option("--checkpoint-every", s.checkpoint_every, "updates");
}

}  // namespace
}  // namespace paper

int main(int argc, char** argv) {
  using namespace paper;
  CLI::App app("RLCM against DDPO on a small text-to-picture model.");
  app.require_subcommand(1);
  app.option_defaults()->always_capture_default();
  pretrain_settings pretraining;
  evaluate_settings evaluating;
  add_pretrain(app, pretraining);
  train_settings training;
  add_evaluate(app, evaluating);
  add_train(app, training);
  CLI11_PARSE(app, argc, argv);

  try {
    text_to_emoji::watch_for_interrupts();
    if (app.got_subcommand("pretrain")) return pretrain(pretraining);
    if (app.got_subcommand("train")) return train(training);
    return evaluate(evaluating);
  } catch (const std::exception& error) {
    std::fflush(stdout);
    std::fprintf(stderr, "paper: %s\n", error.what());
    return 1;
  }
}
