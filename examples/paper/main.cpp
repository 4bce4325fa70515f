// SPDX-License-Identifier: Apache-2.0
#include "settings.hpp"
#include "study/study_settings.hpp"
#include "text_to_emoji/program.hpp"

#include <CLI/CLI.hpp>

namespace paper {
namespace {

const char* const models_help = "folder of denoiser.safetensors and consistency.safetensors (or base.safetensors)";

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
  auto& command = *app.add_subcommand("evaluate", "Evaluate the pictures of both models, drawn in several ways");
  command.add_option("--data", s.data, "folder of the pictures");
  command.add_option("--models", s.models, models_help);
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
  command.add_option("--models", s.models, models_help);
  command.add_option("--output", s.output, "folder of the run");
  command.add_option("--method", s.method,
                     "rlcm, reinforce, rebel, grpo, cps_grpo, flow_dppo, rlcm_hybrid, draft, refl of the consistency "
                     "model; ddpo, ddpo_sf, flow_grpo, mix_grpo, grpo_guard of the denoiser");
  command.add_option("--label", s.label, "name in a report; empty: the method");
  command.add_option("--reward", s.reward)->check(CLI::IsMember(all_rewards));
  command.add_option("--reward-model", s.reward_model, "the model of the reward preference or alignment");
  command.add_option("--horizon", s.horizon, "steps of a picture");
  command.add_option("--guidance", s.guidance, "of ddpo, in sampling and training; 1: none");
  command.add_option("--learning-rate", s.learning_rate);
  command.add_option("--kl", s.kl,
                     "coefficient of the KL to the model that training begins with; not for draft and refl");
  command.add_option("--prompts", s.prompts, "of one update");
  command.add_option("--samples", s.samples, "of one prompt");
  command.add_option("--optimizer-steps", s.optimizer_steps, "of one update");
  command.add_option("--updates", s.updates, "0: as many as there is time for");
  command.add_option("--seconds", s.seconds, "of training, evaluations excluded; 0: as many as the updates take");
  command.add_option("--evaluations", s.evaluations,
                     "on held-out names, evenly spread, after the one before training; the last at the end");
  command.add_flag("--early-evaluations", s.early_evaluations,
                   "closer together at the beginning: evaluation k of n at (k/n)^2 of the run");
  command.add_option("--evaluation-prompts", s.evaluation_prompts, "held-out names");
  command.add_option("--evaluation-samples", s.evaluation_samples, "of each of these");
  command.add_option("--stop", s.stop,
                     "end early by a figure of held_out.csv: \"retrieval<0.15\", \"kl>20\", \"reward<best+2:3\" (no "
                     "more than 2 above its best at three evaluations in a row); several rules: the first that holds");
  command.add_option("--seed", s.seed);
  command.add_option("--threads", s.threads, "0: all");
  command.add_option("--checkpoint-every", s.checkpoint_every, "updates");
}

void add_search(CLI::App& app, search_settings& s) {
  auto& command = *app.add_subcommand("search",
                                      "Search for learning rates, with the same rates, seconds and seed for every "
                                      "method; goes on with what the folder has");
  command.add_option("--output", s.output, "folder of the runs and of search.csv");
  command.add_option("--methods", s.methods)->delimiter(',');
  command.add_option("--rates", s.rates, "learning rates")->delimiter(',');
  command.add_option("--reward", s.reward)->check(CLI::IsMember(all_rewards));
  command.add_option("--seconds", s.seconds, "of training, each run");
  command.add_option("--keep", s.keep, "least share of the retrieval before training that the best rate keeps");
  command.add_option("--seed", s.seed, "none that the study uses");
  command.add_option("--evaluations", s.evaluations, "of each run, after the first");
  command.add_option("--threads", s.threads, "0: all");
  command.add_option("train", s.more, "further arguments of `paper train`, after --");
}

void add_study(CLI::App& app, study_settings& s) {
  auto& command = *app.add_subcommand("study",
                                      "Train RLCM, DDPO and the family around them over seeds, and report; goes on "
                                      "with what the folder has");
  command.add_option("--plan", s.plan, "seconds, 2 hours or a day on two cores")
      ->check(CLI::IsMember({"tiny", "default", "full"}));
  command.add_option("--output", s.output, "folder of the runs");
  command.add_option("--results", s.results, "the page; what it shows goes to the folder of the same name");
  command.add_option("--search", s.search, "search.csv of `paper search`, to be shown");
  command.add_option("--reward", s.rewards, "one or several; default: compressibility, and all four in the plan full")
      ->delimiter(',')
      ->check(CLI::IsMember(all_rewards));
  command.add_option("--hours", s.hours, "of all runs together; 0: those of the plan");
  command.add_option("--threads", s.threads, "0: all");
  command.add_option("train", s.more, "further arguments of `paper train`, after --");
}

void add_report(CLI::App& app, report_settings& s) {
  auto& command = *app.add_subcommand("report", "Write the page of finished studies");
  command.add_option("studies", s.studies, "folders of `paper study`")->required();
  command.add_option("--results", s.results, "the page; what it shows goes to the folder of the same name");
  command.add_option("--search", s.search, "search.csv of `paper search`, to be shown");
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
  search_settings searching;
  study_settings studying;
  report_settings reporting;
  add_search(app, searching);
  add_study(app, studying);
  add_report(app, reporting);
  return text_to_emoji::run_program("paper", app, argc, argv, [&] {
    if (app.got_subcommand("search")) return search(searching);
    if (app.got_subcommand("study")) return study(studying);
    if (app.got_subcommand("report")) return report(reporting);
    if (app.got_subcommand("pretrain")) return pretrain(pretraining);
    if (app.got_subcommand("train")) return train(training);
    return evaluate(evaluating);
  });
}
