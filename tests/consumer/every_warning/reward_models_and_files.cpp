// SPDX-License-Identifier: Apache-2.0
#include "everything.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "parts.hpp"

namespace {

using fewstep::cpu_backend;
using fewstep::token_list;

fewstep::image_encoder_options encoder() {
  return {.height = parts::side, .width = parts::side, .widths = {8, 16}, .groups = 4, .features = 8};
}

template <class Training>
void train(Training training) {
  parts::examples source;
  while (!training.finished()) training.step(source);
  const auto content = [&](auto& archive) { archive("training", training); };
  fewstep::save_checkpoint("reward_model_checkpoint.safetensors", content);
  fewstep::load_checkpoint("reward_model_checkpoint.safetensors", content);
}

}  // namespace

void parts::reward_models() {
  cpu_backend backend({.threads = 1});
  const fewstep::vocabulary words({"red", "heart"});
  constexpr fewstep::adam moved_by{.learning_rate = 1e-3f};
  std::vector<float> pixels(4 * picture_size), rewards(4);
  std::vector<token_list> texts(4);
  const fewstep::matrix<float> pictures{pixels.data(), {4, picture_size}};
  examples{}(0, pictures, texts);

  fewstep::two_tower<cpu_backend> towers(backend, words, {.network = {.image = encoder()}});
  train(fewstep::contrastive_training(backend, towers, moved_by, {.steps = 2, .batch = 4}));
  fewstep::save_two_tower(backend, "two_tower.safetensors", towers, towers.parameters());
  auto loaded = fewstep::load_two_tower(backend, "two_tower.safetensors");
  fewstep::alignment_reward alignment(backend, loaded);
  alignment(pictures, texts, rewards);
  (void)fewstep::retrieval_accuracy(alignment, pictures, texts, 1);

  fewstep::preference_model<cpu_backend> preference(backend, words,
                                                    {.network = {.image = encoder(), .reads_texts = true}});
  train(fewstep::preference_training(backend, preference, moved_by, {.steps = 2, .batch = 4}));
  fewstep::save_preference_model(backend, "preference.safetensors", preference, preference.parameters(), {});
  auto [chosen, scale] = fewstep::load_preference_model(backend, "preference.safetensors");
  fewstep::preference_reward reward(backend, chosen, scale);
  reward(pictures, std::span<const token_list>(texts), std::span(rewards));
}

void parts::files() {
  const std::vector<float> values{0.5f, -1, 2};
  fewstep::safetensors_writer writer;
  writer.metadata("format", "pt");
  for (const auto type : {fewstep::element_type::f32, fewstep::element_type::f16, fewstep::element_type::bf16})
    writer.add(fewstep::message("values", static_cast<int>(type)), {1, 3}, values, type);
  writer.write("values.safetensors");
  const auto file = fewstep::safetensors_file::load("values.safetensors");
  for (const auto& name : file.names())
    fewstep::expects(file.floats(name) == values, "files: a safetensors file gives back other numbers");

  fewstep::rgb_image picture{side, side, std::vector<std::uint8_t>(picture_size, 99)};
  fewstep::save_png("picture.png", picture);
  fewstep::expects(fewstep::load_png("picture.png") == picture, "files: PNG loses something");
  fewstep::jpeg_encoder encoder;
  const auto jpeg = encoder.encode(picture, 95);
  fewstep::expects(fewstep::jpeg_decode(jpeg).height == side, "files: JPEG has another size");

  fewstep::tensorboard_writer board("board");
  board.add_scalar("reward", 1, 1);
  fewstep::write_svg_plot("plot.svg", {.title = "reward", .x_label = "update"},
                          std::vector<fewstep::plot_series>{{.name = "a", .x = {0, 1}, .y = {0, 1}}});
  fewstep::progress_bar bar(10, "training");
  bar.update(5, {{"reward", 0.5}});
  bar.finish();

  fewstep::external_reward process({.command = {"sh", "-c", "cat > /dev/null & echo 2.5; echo end; wait"}});
  std::vector<float> out(1);
  process(fewstep::matrix<const float>{values.data(), {1, 3}},
          std::span<const std::int32_t>(std::vector<std::int32_t>{7}), std::span(out));
  fewstep::expects(out.front() == 2.5f, "files: the process gave another reward");
}
