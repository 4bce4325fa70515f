// SPDX-License-Identifier: Apache-2.0
// Trains by algorithms of every kind, on a perceptron in the plane and on a network that draws, and takes each run
// through a checkpoint.
#include "everything.hpp"

#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "parts.hpp"

namespace {

using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::policy_gradient_parts;
using fewstep::token_list;
using plane = fewstep::mlp_generator<cpu_backend>;
using flow = fewstep::mlp_generator<cpu_backend, fewstep::rectified_flow<fewstep::edm_consistency>>;
using drawing = fewstep::text_unet<cpu_backend>;

constexpr fewstep::adam optimizer{.learning_rate = 1e-3f};
constexpr const char* checkpoint = "checkpoint.safetensors";

template <class Trainer>
void through_a_checkpoint(Trainer& trainer) {
  const auto content = [&](auto& archive) { archive("trainer", trainer); };
  fewstep::save_checkpoint(checkpoint, content);
  fewstep::load_checkpoint(checkpoint, content);
}

template <class Trainer, class Context>
void train(Trainer trainer, const std::vector<Context>& contexts) {
  fewstep::metrics_csv table("metrics.csv", {"reward"});
  for (const auto& update : trainer.run(contexts, 2)) table.append(update.index, std::vector{update.reward_mean});
  through_a_checkpoint(trainer);
  fewstep::expects(trainer.index() == 2, "trainers: the trainer has not made two updates");
}

float nearness(fewstep::vec<const float> x, std::int32_t) { return -std::hypot(x[0] - 1.0f, x[1]); }

void in_the_plane() {
  cpu_backend backend({.threads = 1});
  plane model(backend, {.seed = 1}), base(backend, {.seed = 1});
  flow straight(backend, {.seed = 1});
  const std::vector<std::int32_t> contexts{0};
  const auto reward = fewstep::per_sample(nearness);
  const fewstep::policy_gradient_options o{.horizon = 3, .batch = {.prompts = 1, .samples_per_prompt = 8}};

  train(fewstep::ddpo(backend, model, reward, optimizer, {.batch = {.prompts = 2, .samples_per_prompt = 4}}), contexts);
  train(fewstep::grpo_guard(backend, straight, reward, optimizer, o), contexts);
  train(fewstep::flow_dppo(backend, model,
                           policy_gradient_parts{.reward = reward,
                                                 .optimizer = optimizer,
                                                 .objective = fewstep::divergence_mask{.threshold = 0.05f},
                                                 .sampler = fewstep::cps_sampler{}},
                           o),
        contexts);
  train(fewstep::rebel(backend, model, reward, optimizer, o), contexts);
  train(
      fewstep::rlcm(backend, model,
                    policy_gradient_parts{.reward = fewstep::async(reward),
                                          .optimizer = fewstep::sgd{.learning_rate = 1e-3f},
                                          .advantage = fewstep::batch_advantage{},
                                          .regularizer = fewstep::kl_to_reference<plane>(base, {.coefficient = 0.1f})},
                    o),
      contexts);

  auto slope =
      fewstep::differentiable_per_sample([](fewstep::vec<const float> x, std::int32_t, fewstep::vec<float> gradient) {
        gradient[0] = -2 * (x[0] - 1);
        gradient[1] = -2 * x[1];
        return -(x[0] - 1) * (x[0] - 1) - x[1] * x[1];
      });
  train(fewstep::rlcm_hybrid(backend, model, slope, optimizer, o), contexts);
  train(fewstep::draft(backend, model, slope, optimizer,
                       {.horizon = 3, .steps_with_gradient = 2, .batch = {.prompts = 1, .samples_per_prompt = 8}}),
        contexts);

  auto trainer = fewstep::rlcm(backend, model, reward, optimizer, o);
  (void)fewstep::measure_gradient(backend, model, trainer, std::span<const std::int32_t>(contexts), 2);
  fewstep::held_out_samples looks(backend, model, trainer.table(), contexts, 4);
  looks.draw();
  auto reward_of_looks = reward;
  (void)looks.mean_reward(reward_of_looks);
  fewstep::early_stopping stop({{.figure = "reward", .bound = 0}});
  (void)stop.look(0, std::vector<fewstep::named_figure>{{"reward", 1.0}});
  fewstep::policy policy(backend, model, trainer.table());
  (void)policy.act(contexts.front(), 1);
  fewstep::check_generator(backend, model, contexts);
  for (const auto& table : {fewstep::consistency_sampler{}.table(model.preconditioner(), 3),
                            fewstep::dance_sde_sampler{}.table(straight.preconditioner(), 3)})
    fewstep::expects(table.horizon() == 3, "trainers: a table has another horizon");
}

void drawn() {
  cpu_backend backend({.threads = 1});
  drawing::options o;
  o.network.unet.height = o.network.unet.width = 8;
  o.network.unet.widths = {16, 32};
  o.network.unet.encoder_blocks = o.network.unet.decoder_blocks = 1;
  drawing model(backend, fewstep::vocabulary({"red", "heart"}), o);
  const std::vector<token_list> contexts{model.encode("red"), model.encode("heart")};

  fewstep::consistency_training training(backend, model, optimizer, {.steps = 2, .batch = 4});
  parts::examples source;
  while (!training.finished()) training.step(source);
  through_a_checkpoint(training);
  fewstep::save_consistency_model(backend, "drawing.safetensors", model, training.ema());

  auto tuned = fewstep::load_consistency_model(backend, "drawing.safetensors", {.lora = fewstep::lora_options{}});
  train(fewstep::rlcm(backend, tuned, fewstep::jpeg_compressibility{}, fewstep::adamw{.learning_rate = 1e-3f},
                      {.horizon = 3, .batch = {.prompts = 2, .samples_per_prompt = 2}}),
        contexts);
  fewstep::guided guide(backend, tuned, {.scale = 2});
  train(fewstep::grpo(backend, guide, fewstep::jpeg_compressibility{}, optimizer,
                      {.horizon = 3, .batch = {.prompts = 1, .samples_per_prompt = 2}}),
        contexts);
}

}  // namespace

int main() {
  in_the_plane();
  drawn();
  parts::reward_models();
  parts::files();
}
