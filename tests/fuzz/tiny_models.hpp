// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/model_file/reward_model_file.hpp>
#include <fewstep/model_file/text_unet_file.hpp>

#include <optional>

/// The smallest models: their files are the seeds of the targets that load such.
namespace fewstep::fuzz {

inline vocabulary two_words() { return vocabulary({"red", "cat"}); }

inline text_unet<cpu_backend> tiny_text_unet(cpu_backend& backend, bool with_adapters) {
  text_unet<cpu_backend>::options o;
  o.network.unet = {.height = 2,
                    .width = 2,
                    .channels = 1,
                    .patch = 1,
                    .widths = {1, 2},
                    .encoder_blocks = 1,
                    .middle_blocks = 1,
                    .decoder_blocks = 1,
                    .heads = 1,
                    .condition = 1,
                    .groups = 1};
  o.network.text_width = 1;
  o.network.frequencies = {1};
  if (with_adapters) o.lora = lora_options{.rank = 1, .alpha = 2};
  return {backend, two_words(), o};
}

inline image_encoder_options tiny_encoder() {
  return {
      .height = 2, .width = 2, .channels = 1, .patch = 1, .widths = {1, 2}, .blocks = 1, .groups = 1, .features = 1};
}
inline two_tower<cpu_backend> tiny_two_tower(cpu_backend& backend) {
  return {backend, two_words(), {.network = {.image = tiny_encoder(), .text_width = 1, .text_hidden = 1}}};
}
inline preference_model<cpu_backend> tiny_preference_model(cpu_backend& backend, bool reads_texts) {
  return {backend,
          reads_texts ? two_words() : vocabulary(),
          {.network = {.image = tiny_encoder(),
                       .reads_texts = reads_texts,
                       .text_width = 1,
                       .text_hidden = 1,
                       .text_features = 1,
                       .hidden = 1}}};
}

}  // namespace fewstep::fuzz
