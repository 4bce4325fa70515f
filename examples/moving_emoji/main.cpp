// SPDX-License-Identifier: Apache-2.0
#include "../text_to_emoji/program.hpp"
#include "moving_emoji.hpp"

#include <CLI/CLI.hpp>

#include <limits>

int main(int argc, char** argv) {
  const CLI::Range count(1, std::numeric_limits<int>::max()), threads(0, 1024), share(0.0, 1.0);
  CLI::App app("Short clips of a moving emoji: whole-clip DPO beside DenseDPO.");
  app.require_subcommand(1);
  app.option_defaults()->always_capture_default();

  moving_emoji::pretrain_settings p;
  auto& pretrain = *app.add_subcommand("pretrain", "Train a generator of clips from nothing");
  pretrain.add_option("--data", p.data, "folder of the emoji pictures");
  pretrain.add_option("--output", p.output, "the model");
  pretrain.add_option("--steps", p.steps)->check(count);
  pretrain.add_option("--batch", p.batch, "clips of a step")->check(count);
  pretrain.add_option("--learning-rate", p.learning_rate)->check(CLI::PositiveNumber);
  pretrain.add_option("--seed", p.seed);
  pretrain.add_option("--threads", p.threads, "0: all")->check(threads);

  moving_emoji::compare_settings c;
  auto& compare = *app.add_subcommand(
      "compare", "Train the generator by whole-clip DPO and by DenseDPO on as many labelled pairs, and measure both");
  compare.add_option("--base", c.base, "the generator before");
  compare.add_option("--data", c.data, "folder of the emoji pictures");
  compare.add_option("--encoder", c.encoder, "the encoder of pictures that judges");
  compare.add_option("--output", c.output, "folder for the models and the picture");
  compare.add_option("--pairs", c.pairs, "labelled pairs of each kind")->check(count);
  compare.add_option("--steps", c.steps, "network calls of a clip")->check(count);
  compare.add_option("--least", c.least, "of the way to noise, from where copies are made anew")->check(share);
  compare.add_option("--most", c.most)->check(share);
  compare.add_option("--tie", c.tie, "share by which the distortions of two segments have to differ")->check(share);
  compare.add_option("--updates", c.updates, "of each system")->check(count);
  compare.add_option("--batch", c.batch, "pairs of an update")->check(count);
  compare.add_option("--beta", c.beta)->check(CLI::PositiveNumber);
  compare.add_option("--learning-rate", c.learning_rate)->check(CLI::PositiveNumber);
  compare.add_option("--clips", c.clips, "clips of each name to measure with")->check(count);
  compare.add_option("--seed", c.seed);
  compare.add_option("--threads", c.threads, "0: all")->check(threads);

  return text_to_emoji::run_program("moving_emoji", app, argc, argv,
                                    [&] { return pretrain ? moving_emoji::pretrain(p) : moving_emoji::compare(c); });
}
