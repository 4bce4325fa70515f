// SPDX-License-Identifier: Apache-2.0
#include "program.hpp"
#include "settings.hpp"

#include <CLI/CLI.hpp>

namespace text_to_emoji {
namespace {

template <class Settings>
void add_backend(CLI::App& command, Settings& s) {
  command.add_option("--backend", s.backend,
                     "where networks run: cpu, or cuda where the program was built with it. Files of one are read by "
                     "the other, and a run resumes on either; their results agree to rounding, not to the bit");
}

void add_pretrain(CLI::App& app, pretrain_settings& s) {
  auto& command = *app.add_subcommand("pretrain", "Train the generator from nothing on the emoji pictures");
  add_backend(command, s);
  command.add_option("--data", s.data, "folder of the pictures");
  command.add_option("--output", s.output, "folder for the models, loss curve and checkpoint");
  command.add_option("--steps", s.steps);
  command.add_option("--batch", s.batch);
  command.add_option("--widths", s.widths, "channels of each resolution, e.g. 48,96")->delimiter(',');
  command.add_option("--learning-rate", s.learning_rate);
  command.add_option("--beta2", s.beta2, "of Adam");
  command.add_option("--log-time-mean", s.log_time_mean, "of the noise levels trained at");
  command.add_option("--log-time-deviation", s.log_time_deviation);
  command.add_option("--huber", s.huber, "constant of the pseudo-Huber distance");
  command.add_option("--warmup", s.warmup, "steps in which the learning rate rises");
  command.add_option("--seed", s.seed);
  command.add_option("--threads", s.threads, "0: all");
  command.add_option("--checkpoint-every", s.checkpoint_every, "steps");
  command.add_flag("--half", s.half, "write the models in half precision");
  command.add_flag("--resume", s.resume, "go on with an interrupted run, if there is one");
  command.add_flag("--overwrite", s.overwrite, "begin anew in a folder with a run, and lose its results");
}

void add_finetune(CLI::App& app, finetune_settings& s, bool& only_test) {
  auto& command = *app.add_subcommand("finetune", "Fine-tune a generator by a reward (RLCM)");
  add_backend(command, s);
  command.add_option("--checkpoint", s.checkpoint, "the pretrained model");
  command.add_option("--data", s.data, "folder of the pictures");
  command.add_option("--output", s.output, "folder for all results");
  command.add_option("--reward", s.task)
      ->check(CLI::IsMember({"compressibility", "incompressibility", "alignment", "preference"}));
  command.add_option("--reward-model", s.reward_model, "the model of the reward alignment (a two-tower) or preference");
  command.add_option("--updates", s.updates);
  command.add_option("--horizon", s.horizon, "network calls per sample");
  command.add_option("--times", s.times, "noise levels of the network calls, falling, in place of --horizon")
      ->delimiter(',');
  command.add_option("--first-trained", s.first_trained,
                     "network calls before this one (from 0) are not trained; -1: 1, or 0 without a KL");
  command.add_option("--prompts", s.prompts, "of one update");
  command.add_option("--samples", s.samples, "of one prompt");
  command.add_option("--learning-rate", s.learning_rate);
  command.add_option("--kl", s.kl, "coefficient of the KL to the pretrained model; 0: the published objective");
  command.add_option("--clip", s.clip, "range of the importance ratio; 0: follows the size of a sample");
  command.add_option("--last-step", s.last_step)->check(CLI::IsMember({"mask", "reference", "stochastic"}));
  command.add_option("--advantage", s.advantage)->check(CLI::IsMember({"group", "buffer", "batch"}));
  command.add_option("--lora", s.lora, "train adapters of this rank; 0: all parameters");
  command.add_option("--memory-budget", s.memory_budget, "MB; decides how many rows are trained at a time");
  command.add_option("--seed", s.seed);
  command.add_option("--threads", s.threads, "0: all");
  command.add_option("--checkpoint-every", s.checkpoint_every, "updates");
  command.add_option("--evaluation-prompts", s.evaluation_prompts, "of each kind, before and after");
  command.add_option("--evaluation-samples", s.evaluation_samples, "of each of these prompts");
  command.add_flag("--resume", s.resume, "go on with an interrupted run, if there is one");
  command.add_flag("--overwrite", s.overwrite, "begin anew in a folder with a run, and lose its results");
  command.add_flag("--self-test", only_test,
                   "train nothing; check that ratios are exactly 1 and gradients do not depend on micro-batches and "
                   "threads");
}

void add_sample(CLI::App& app, sample_settings& s) {
  auto& command = *app.add_subcommand("sample", "Draw pictures for prompts");
  add_backend(command, s);
  command.add_option("--prompt", s.prompts, "words, e.g. \"green heart\"; each prompt gives a row")->required();
  command.add_option("--checkpoint", s.checkpoint, "the model");
  command.add_option("--output", s.output, "file of the pictures, .png or .jpg");
  command.add_option("--steps", s.steps, "network calls per picture");
  command.add_option("--count", s.count, "pictures per prompt");
  command.add_option("--scale", s.scale, "side of the square that a pixel becomes");
  command.add_option("--seed", s.seed);
  command.add_option("--threads", s.threads, "0: all");
}

void add_evaluate(CLI::App& app, evaluate_settings& s) {
  auto& command = *app.add_subcommand("evaluate", "Evaluate a model's pictures at several numbers of steps");
  add_backend(command, s);
  command.add_option("--checkpoint", s.checkpoint, "the model");
  command.add_option("--data", s.data, "folder of the pictures");
  command.add_option("--prompts", s.prompts);
  command.add_option("--samples", s.samples, "of one prompt");
  command.add_option("--steps", s.steps, "numbers of network calls, e.g. 1,2,4,8")->delimiter(',');
  command.add_option("--threads", s.threads, "0: all");
}

}  // namespace
}  // namespace text_to_emoji

int main(int argc, char** argv) {
  using namespace text_to_emoji;
  CLI::App app("A small text-to-emoji generator: pretraining, fine-tuning by a reward, and looking at the results.");
  app.require_subcommand(1);
  app.option_defaults()->always_capture_default();
  pretrain_settings pretraining;
  finetune_settings finetuning;
  sample_settings sampling;
  evaluate_settings evaluating;
  bool only_test = false;
  add_pretrain(app, pretraining);
  add_finetune(app, finetuning, only_test);
  add_sample(app, sampling);
  add_evaluate(app, evaluating);
  return run_program("text_to_emoji", app, argc, argv, [&] {
    if (app.got_subcommand("pretrain")) return pretrain(pretraining);
    if (app.got_subcommand("finetune")) return only_test ? self_test(finetuning) : finetune(finetuning);
    if (app.got_subcommand("sample")) return sample(sampling);
    return evaluate(evaluating);
  });
}
