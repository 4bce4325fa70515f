// SPDX-License-Identifier: Apache-2.0
#include "../compiled_kernels/kernels.hpp"
#include "../text_to_emoji/emoji_data.hpp"
#include "../text_to_emoji/open_weights.hpp"
#include "moving_emoji.hpp"

#include <fewstep/model_file/reward_model_file.hpp>
#include <fewstep/reward_model/alignment_reward.hpp>

#include <numeric>

namespace moving_emoji {

clip_figures measure(fewstep::cpu_backend& backend, const std::filesystem::path& encoder, const emoji_pictures& emoji,
                     std::span<const float> clips, std::span<const token_list> prompts) {
  auto model = fewstep::load_two_tower(backend, text_to_emoji::open_weights(encoder));
  fewstep::alignment_reward reward(backend, model);
  // Of pictures of the emoji's size, each pixel of which becomes 4 x 4 of the encoder's.
  const auto features = [&](std::span<const float> pictures) {
    constexpr index_t large = text_to_emoji::emoji_data::side, factor = large / picture_side;
    std::vector<float> enlarged;
    const auto count = static_cast<index_t>(pictures.size()) / picture_size;
    for (index_t i = 0; i < count * large * large * channels; ++i) {
      const index_t c = i % channels, x = i / channels % large, y = i / (channels * large) % large;
      const index_t n = i / (channels * large * large);
      enlarged.push_back(pictures[static_cast<std::size_t>(n * picture_size +
                                                           (y / factor * picture_side + x / factor) * channels + c)]);
    }
    std::vector<float> out(static_cast<std::size_t>(count * reward.features()));
    reward.features({enlarged.data(), {count, large * large * channels}}, {out.data(), {count, reward.features()}});
    return out;
  };

  clip_figures made;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const auto clip = clips.subspan(i * clip_size, clip_size), picture = emoji.of(prompts[i]);
    const auto bad = distortions(clip, picture);
    std::vector<float> seen;
    for (index_t f = 0; f < frames; ++f)
      for (const float v : crop_centre(clip, f)) seen.push_back(v);
    const auto of_frames = features(seen), of_picture = features(picture);
    double similarity = 0;
    for (std::size_t k = 0; k < of_frames.size(); ++k)
      similarity += static_cast<double>(of_frames[k]) * static_cast<double>(of_picture[k % of_picture.size()]);
    made.motion.push_back(static_cast<float>(motion(clip)));
    made.distortion.push_back(static_cast<float>(std::accumulate(bad.begin(), bad.end(), 0.0) / frames));
    made.likeness.push_back(static_cast<float>(similarity / frames));
  }
  return made;
}

}  // namespace moving_emoji
