// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/random.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/generator/vocabulary.hpp>
#include <fewstep/preference/segment_map.hpp>

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace moving_emoji {

using fewstep::index_t;
using fewstep::token_list;

/// A clip: 8 frames of 16 x 16 pixels, [height, width, frames, channels] in [-1, 1], so that the frames are channels of
/// a picture to a U-Net. On white, an emoji of 8 x 8 pixels moves on a straight line, at whole pixels.
inline constexpr index_t frames = 8, side = 16, picture_side = 8, channels = 3;
inline constexpr index_t picture_size = picture_side * picture_side * channels, frame_size = side * side * channels;
inline constexpr index_t clip_size = frames * frame_size, places = side - picture_side + 1;
/// What is judged apart: two frames together.
inline constexpr fewstep::segment_map segments{.inner = channels, .extent = frames, .length = 2};

/// The emoji that move, of one art style.
struct emoji_pictures {
  std::vector<token_list> prompts;  ///< by name
  std::vector<float> pictures;      ///< [names, picture_size] in [-1, 1]
  fewstep::vocabulary words;        ///< of the names

  /// Of the pictures of text_to_emoji, 4 x 4 pixels averaged. Throws naming what the folder lacks.
  [[nodiscard]] static emoji_pictures load(const std::filesystem::path& text_to_emoji_data);
  /// The picture that a prompt asks for.
  [[nodiscard]] std::span<const float> of(const token_list& prompt) const;
};

/// True clips: an example_source. The two ends of an emoji's way are drawn uniformly, so some clips hardly move.
class true_clips {
 public:
  true_clips(const emoji_pictures& emoji, std::uint64_t seed) : emoji_(&emoji), random_{seed, fewstep::stream::data} {}

  void operator()(std::int64_t step, fewstep::matrix<float> x, std::span<token_list> contexts) const;

 private:
  const emoji_pictures* emoji_;
  fewstep::random_stream random_;
};

/// How far each frame is from the emoji as it should be, at its best place: the root mean square of the difference of
/// all pixels. What the labels are made by: it sees blur, distortion, flicker and doubled drawings, and not how the
/// emoji moves.
[[nodiscard]] std::array<double, frames> distortions(std::span<const float> clip, std::span<const float> picture);

/// Magnitude of motion: pixels a frame, from where the centre of what is not white is in the first to the last.
[[nodiscard]] double motion(std::span<const float> clip);

/// Pixels [size, size, channels] of a frame, cut to [-1, 1].
[[nodiscard]] std::vector<float> crop(std::span<const float> clip, index_t frame, index_t top, index_t left,
                                      index_t size);
/// The emoji's pixels around the centre of a frame.
[[nodiscard]] std::vector<float> crop_centre(std::span<const float> clip, index_t frame);

}  // namespace moving_emoji
