// SPDX-License-Identifier: Apache-2.0
#include "../text_to_emoji/program.hpp"
#include "settings.hpp"

#include <CLI/CLI.hpp>

int main(int argc, char** argv) {
  CLI::App app(
      "Trains the text-to-emoji generator on which of two pictures was preferred, and says what became better.");
  app.option_defaults()->always_capture_default();
  preferences::settings s;
  app.add_option("--system", s.system)->check(CLI::IsMember({"diffusion_dpo", "ddim_inpo", "d3po"}));
  app.add_option("--checkpoint", s.checkpoint, "the model that is trained");
  app.add_option("--denoiser", s.denoiser, "the model that ddim_inpo inverts with");
  app.add_option("--data", s.data, "folder of the emoji data, which has the prompts");
  app.add_option("--judge", s.judge, "a preference model, that was not trained on these pairs");
  app.add_option("--two-tower", s.two_tower, "measures how pictures fit their prompts");
  app.add_option("--pairs", s.pairs,
                 "a file of `reward_models pairs` or `read-answers`, in place of pairs that are drawn");
  app.add_option("--output", s.output, "folder for all results");
  app.add_option("--drawn", s.drawn, "pairs that are drawn, and labelled by the rule");
  app.add_option("--updates", s.updates, "0: what suits the system, as with the next two");
  app.add_option("--learning-rate", s.learning_rate);
  app.add_option("--beta", s.beta, "of log-ratios that are means over the values of a picture");
  app.add_option("--batch", s.batch, "pairs of an update");
  app.add_option("--safeguard", s.safeguard, "keeps the winner from being lost: mu, from 0 to 1, or -1 for none");
  app.add_option("--lora", s.lora, "train adapters of this rank; 0: all parameters");
  app.add_option("--inversion-steps", s.inversion_steps, "network calls of an inversion of ddim_inpo");
  app.add_option("--memory-budget", s.memory_budget, "MB of the trainer; decides how many rows are trained at a time");
  app.add_option("--seed", s.seed);
  app.add_option("--threads", s.threads, "0: all");
  app.add_option("--checkpoint-every", s.checkpoint_every, "updates");
  app.add_option("--prompts", s.prompts, "names that are judged");
  app.add_option("--samples", s.samples, "pictures of each of them");
  app.add_flag("--resume", s.resume, "go on with an interrupted run, if there is one");
  app.add_flag("--overwrite", s.overwrite, "begin anew in a folder with a run, and lose its results");
  return text_to_emoji::run_program("preferences", app, argc, argv, [&] { return preferences::run(s); });
}
