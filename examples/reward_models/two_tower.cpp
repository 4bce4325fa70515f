// SPDX-License-Identifier: Apache-2.0
#include "../compiled_kernels/kernels.hpp"
#include "../text_to_emoji/emoji_data.hpp"
#include "training.hpp"
#include "varied_examples.hpp"

#include <fewstep/model_file/reward_model_file.hpp>
#include <fewstep/reward_model/contrastive_training.hpp>
#include <fewstep/reward_model/retrieval.hpp>

namespace reward_models {
namespace {

using fewstep::index_t;
using fewstep::token_list;
using text_to_emoji::emoji_data;

/// Pictures of the data and what they are looked for by.
struct captioned {
  std::vector<float> pictures;
  std::vector<token_list> captions, names;

  captioned(const emoji_data& data, std::span<const std::int32_t> which) {
    for (const std::int32_t i : which) {
      const auto picture = data.picture(i);
      pictures.insert(pictures.end(), picture.begin(), picture.end());
      captions.push_back(caption_tokens(data, i));
      names.push_back(name_tokens(data, data.captions[static_cast<std::size_t>(i)].name));
    }
  }
};

/// Top-1 and top-5 retrieval in either direction, printed and as JSON.
nlohmann::ordered_json retrieval(fewstep::alignment_reward<fewstep::cpu_backend>& reward, const char* by,
                                 const std::vector<float>& pictures, std::span<const token_list> texts) {
  const auto count = static_cast<index_t>(texts.size());
  const fewstep::matrix<const float> rows{pictures.data(), {count, emoji_data::picture_size}};
  const auto first = fewstep::retrieval_accuracy(reward, rows, texts, 1);
  const auto fifth = fewstep::retrieval_accuracy(reward, rows, texts, 5);
  std::printf("%-24s %8.1f %% %8.1f %%      %8.1f %% %8.1f %%\n", by, 100 * first.picture_to_text,
              100 * fifth.picture_to_text, 100 * first.text_to_picture, 100 * fifth.text_to_picture);
  return {{"pictures", count},
          {"picture_to_text", {{"top_1", first.picture_to_text}, {"top_5", fifth.picture_to_text}}},
          {"text_to_picture", {{"top_1", first.text_to_picture}, {"top_5", fifth.text_to_picture}}}};
}

}  // namespace

int train_two_tower(const two_tower_settings& settings) {
  const training_settings& s = settings.training;
  check(s);
  text_to_emoji::watch_for_interrupts();
  const auto data = emoji_data::load(settings.data);
  fewstep::cpu_backend backend({.threads = s.threads});
  fewstep::two_tower<fewstep::cpu_backend> model(backend, data.words,
                                                 {.network = {.image = encoder_of(s)}, .seed = s.seed});
  std::printf(
      "model        two towers of %td parameters\ndata         %zu pictures, %zu (style, name) pairs held out\n",
      model.layout().size(), data.training.size(), data.unseen.size());
  fewstep::contrastive_training training(backend, model, rule_of(s),
                                         options_of<fewstep::contrastive_training_options>(s));
  varied_examples source(data, s.seed);
  const std::uint32_t checksum = data.checksum();
  const training_place place(s);
  const auto data_matches = [&](auto& archive) { archive.must_match("data_checksum", checksum); };
  if (!train(s, model, training, source, data_matches)) return text_to_emoji::interrupted_status();

  fewstep::save_two_tower(backend, s.output, model, model.parameters(),
                          s.half ? fewstep::element_type::f16 : fewstep::element_type::f32);
  auto written = fewstep::load_two_tower(backend, s.output);
  fewstep::alignment_reward reward(backend, written);
  const captioned held_out(data, data.unseen);
  std::printf("\n%-24s %21s      %21s\n%-24s %10s %10s      %10s %10s\n", "held-out pairs", "picture to text",
              "text to picture", "", "top 1", "top 5", "top 1", "top 5");
  const auto by_caption = retrieval(reward, "by the whole caption", held_out.pictures, held_out.captions);
  const auto by_name = retrieval(reward, "by the name alone", held_out.pictures, held_out.names);
  finish_training(s, "two_tower",
                  {{"parameters", model.layout().size()},
                   {"steps", s.steps},
                   {"batch", s.batch},
                   {"learning_rate", as_written(s.learning_rate)},
                   {"seed", s.seed},
                   {"held_out_by_caption", by_caption},
                   {"held_out_by_name", by_name}});
  return 0;
}

}  // namespace reward_models
