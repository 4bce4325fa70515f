// SPDX-License-Identifier: Apache-2.0
#include "../text_to_emoji/program.hpp"
#include "settings.hpp"

#include <CLI/CLI.hpp>

namespace reward_models {
namespace {

void add_training(CLI::App& command, training_settings& s) {
  command.add_option("--output", s.output, "the model; the checkpoint and reward_models.json are written beside it");
  command.add_option("--steps", s.steps);
  command.add_option("--batch", s.batch, "pairs of one step");
  command.add_option("--widths", s.widths, "channels of each resolution, e.g. 32,64,64")->delimiter(',');
  command.add_option("--features", s.features, "numbers that the encoder makes of a picture");
  command.add_option("--learning-rate", s.learning_rate);
  command.add_option("--ema-decay", s.ema_decay, "of the exponential moving average (EMA) of the parameters; 0: none");
  command.add_option("--seed", s.seed);
  command.add_option("--threads", s.threads, "0: all");
  command.add_option("--checkpoint-every", s.checkpoint_every, "steps");
  command.add_flag("--half", s.half, "write the model in half precision");
  command.add_flag("--resume", s.resume, "go on with an interrupted training");
  command.add_flag("--overwrite", s.overwrite, "begin anew where a training was interrupted, or replace its model");
}

CLI::App& add_two_tower(CLI::App& app, two_tower_settings& s) {
  auto& command = *app.add_subcommand("two-tower", "Train an encoder of pictures and captions (as CLIP is)");
  command.add_option("--data", s.data, "folder of the pictures");
  add_training(command, s.training);
  return command;
}

CLI::App& add_pairs(CLI::App& app, pairs_settings& s) {
  auto& command = *app.add_subcommand("pairs", "Draw pairs of pictures, labelled by a rule");
  command.add_option("--backend", s.backend, "where the generator runs: cpu, or cuda where it was built with it");
  command.add_option("--checkpoint", s.checkpoint, "the generator");
  command.add_option("--data", s.data, "folder of the emoji data, which has the prompts");
  command.add_option("--output", s.output);
  command.add_option("--pairs", s.pairs, "to train with, of prompts that fine-tuning uses");
  command.add_option("--held-out", s.held_out, "to evaluate with, of prompts that fine-tuning does not use");
  command.add_option("--steps", s.steps, "network calls per picture");
  command.add_option("--flipped", s.flipped, "share of labels that are against the rule");
  command.add_option("--colour", s.colour, "weight of colourfulness in the rule");
  command.add_option("--centre", s.centre, "weight of how centred the drawing is");
  command.add_option("--stray", s.stray, "weight against stray pixels");
  command.add_option("--seed", s.seed);
  command.add_option("--threads", s.threads, "0: all");
  return command;
}

CLI::App& add_label(CLI::App& app, label_settings& s) {
  auto& command = *app.add_subcommand("label", "Write a page on which a person chooses between the pictures of pairs");
  command.add_option("--pairs", s.pairs);
  command.add_option("--count", s.count, "of pairs on the page");
  command.add_option("--first", s.first, "pairs to leave out before them, such as those of an earlier page");
  command.add_option("--output", s.output, "HTML file; it needs no other file and no network");
  return command;
}

CLI::App& add_answers(CLI::App& app, answers_settings& s) {
  auto& command = *app.add_subcommand("read-answers", "Put the answers of a person in the place of the rule's labels");
  command.add_option("answers", s.answers, "what the page saved")->required();
  command.add_option("--pairs", s.pairs, "the pairs that the page was made of");
  command.add_option("--output", s.output);
  return command;
}

CLI::App& add_preference(CLI::App& app, preference_settings& s) {
  auto& command = *app.add_subcommand("preference", "Train a reward on labelled pairs (Bradley and Terry)");
  command.add_option("--pairs", s.pairs);
  command.add_flag("--only-answered", s.only_answered, "train with the pairs that a person has labelled only");
  command.add_flag("--turned", s.turned,
                   "train with pictures turned by quarters, too: where up and down are alike to the labels");
  command.add_option("--label-smoothing", s.label_smoothing, "share of labels taken to be wrong");
  add_training(command, s.training);
  return command;
}

}  // namespace
}  // namespace reward_models

int main(int argc, char** argv) {
  using namespace reward_models;
  CLI::App app(
      "Reward models for emoji pictures: a two-tower encoder, and a reward learned from choices between two pictures.");
  app.require_subcommand(1);
  app.option_defaults()->always_capture_default();
  two_tower_settings two_tower;
  pairs_settings pairs;
  label_settings label;
  answers_settings answers;
  preference_settings preference;
  const auto& train_encoder = add_two_tower(app, two_tower);
  const auto& draw = add_pairs(app, pairs);
  const auto& write_page = add_label(app, label);
  const auto& read = add_answers(app, answers);
  add_preference(app, preference);
  return text_to_emoji::run_program("reward_models", app, argc, argv, [&] {
    if (train_encoder) return train_two_tower(two_tower);
    if (draw) return draw_pairs(pairs);
    if (write_page) return write_label_page(label);
    if (read) return read_answers(answers);
    return train_preference(preference);
  });
}
