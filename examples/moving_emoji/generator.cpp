// SPDX-License-Identifier: Apache-2.0
#include "../compiled_kernels/kernels.hpp"
#include "../text_to_emoji/open_weights.hpp"
#include "moving_emoji.hpp"

#include <fewstep/algorithm/consistency_training.hpp>
#include <fewstep/log/progress_bar.hpp>
#include <fewstep/mdp/rollout.hpp>
#include <fewstep/model_file/named_parameters.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/sampler/ddim.hpp>

#include <algorithm>
#include <cstdio>
#include <ctime>

namespace moving_emoji {
namespace {

using fewstep::cpu_backend;

clip_generator untrained(cpu_backend& backend, const emoji_pictures& emoji, std::uint64_t seed) {
  fewstep::text_unet_options o;
  o.vocabulary = emoji.words.size();
  o.unet.height = o.unet.width = side;
  o.unet.channels = frames * channels;
  o.unet.widths = {32, 64};
  o.unet.encoder_blocks = o.unet.decoder_blocks = 1;
  o.unet.middle_blocks = 2;
  return {backend, o, {}, {.seed = seed}};
}

}  // namespace

int pretrain(const pretrain_settings& s) {
  cpu_backend backend({.threads = s.threads});
  const auto emoji = emoji_pictures::load(s.data);
  auto model = untrained(backend, emoji, s.seed);
  // Far above the distances it is given, the pseudo-Huber loss is a squared error, whose least is the flow's velocity.
  fewstep::consistency_training training(
      backend, model, fewstep::adam{.learning_rate = s.learning_rate, .beta2 = 0.99f},
      {.steps = s.steps,
       .batch = s.batch,
       .stages = 0,
       .log_time_mean = -0.8f,
       .log_time_deviation = 0.8f,
       .huber = 30,
       .schedule = {.warmup = 100, .hold = s.steps / 2, .total = s.steps, .final = 0.02f},
       .seed = s.seed});
  true_clips source(emoji, s.seed);
  std::printf("%td parameters, %lld steps of %d clips\n", model.parameters().size(), static_cast<long long>(s.steps),
              s.batch);
  const std::clock_t begin = std::clock();
  double loss = 0;
  {
    fewstep::progress_bar bar(s.steps, "pretraining");
    while (!training.finished()) {
      const auto report = training.step(source);
      loss += (report.loss - loss) * (report.step < 100 ? 1.0 / static_cast<double>(report.step + 1) : 0.01);
      bar.update(training.index(), {{"loss", loss}});
    }
  }
  save(s.output, model, training.ema());
  std::printf("loss %.4f after %.0f s of a processor; written to %s\n", loss,
              static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC, s.output.c_str());
  return 0;
}

void save(const std::filesystem::path& file, clip_generator& model, fewstep::vec<const float> parameters) {
  fewstep::safetensors_writer writer;
  fewstep::add_parameters(writer, model.layout().slices(), parameters, {}, fewstep::element_type::f16);
  writer.write(file);
}

clip_generator load(cpu_backend& backend, const std::filesystem::path& file, const emoji_pictures& emoji) {
  auto model = untrained(backend, emoji, 0);
  fewstep::load_parameters(text_to_emoji::open_weights(file), model.layout().slices(), model.parameters());
  model.parameters_changed();
  return model;
}

std::vector<float> draw(cpu_backend& backend, clip_generator& model, std::span<const token_list> prompts, int steps,
                        std::uint64_t seed) {
  constexpr index_t at_once = 64;
  const auto table = fewstep::ddim_sampler{.eta = 0}.table(model.preconditioner(), steps);
  auto workspace = model.make_workspace(backend, 0);
  fewstep::tensor<float, 2, cpu_backend> output(backend, {at_once, clip_size});
  std::vector<float> clips;
  const auto all = static_cast<index_t>(prompts.size());
  for (index_t first = 0; first < all; first += at_once) {
    const index_t count = std::min(at_once, all - first);
    fewstep::trajectory<cpu_backend, token_list> path(backend, table, count, clip_size);
    for (index_t i = 0; i < count; ++i) path.set_context(i, prompts[static_cast<std::size_t>(first + i)]);
    fewstep::rollout(backend, model, workspace, path, output.view(), {seed, static_cast<std::uint64_t>(first)},
                     fewstep::reduction::mean, 0, count);
    const auto result = path.result();
    clips.insert(clips.end(), result.begin(), result.end());
  }
  return clips;
}

}  // namespace moving_emoji
