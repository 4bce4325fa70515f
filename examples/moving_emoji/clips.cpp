// SPDX-License-Identifier: Apache-2.0
#include "clips.hpp"

#include "../text_to_emoji/emoji_data.hpp"

#include <fewstep/core/error.hpp>

#include <algorithm>
#include <cmath>
#include <set>
#include <stdexcept>

namespace moving_emoji {
namespace {

constexpr std::array moving{"bear",     "cat face", "chicken",     "cow face", "crab",    "dog face",
                            "fish",     "fox",      "frog",        "koala",    "lion",    "lady beetle",
                            "mushroom", "octopus",  "owl",         "panda",    "penguin", "pig face",
                            "shark",    "tiger",    "rabbit face", "turtle",   "unicorn", "whale"};
constexpr const char* style = "twemoji";

/// Of the value of a channel in a clip.
index_t place(index_t frame, index_t y, index_t x, index_t channel) {
  return ((y * side + x) * frames + frame) * channels + channel;
}
float value(std::span<const float> clip, index_t frame, index_t y, index_t x, index_t channel) {
  return clip[static_cast<std::size_t>(place(frame, y, x, channel))];
}

struct point {
  double x = 0, y = 0;
};
/// Where the centre of what is not white lies in a frame, in pixels; what is nearly white counts as white.
point centre(std::span<const float> clip, index_t frame) {
  double sum = 1e-9, sx = sum * (side - 1) / 2.0, sy = sx;
  for (index_t y = 0; y < side; ++y)
    for (index_t x = 0; x < side; ++x) {
      double ink = 0;
      for (index_t c = 0; c < channels; ++c) ink += 1.0 - static_cast<double>(value(clip, frame, y, x, c));
      if (ink <= 0.1 * 2 * channels) continue;
      sum += ink, sx += ink * static_cast<double>(x), sy += ink * static_cast<double>(y);
    }
  return {sx / sum, sy / sum};
}

}  // namespace

emoji_pictures emoji_pictures::load(const std::filesystem::path& folder) {
  const auto data = text_to_emoji::emoji_data::load(folder);
  emoji_pictures made;
  std::set<std::string> words;
  for (const std::string name : moving) {
    const auto found = std::ranges::find_if(data.captions, [&](const text_to_emoji::caption& c) {
      return c.style == style && data.names[static_cast<std::size_t>(c.name)] == name;
    });
    if (found == data.captions.end())
      throw std::runtime_error(fewstep::message(folder.string(), ": has no picture '", name, "' in the style ", style));
    const auto large = data.picture(static_cast<std::int32_t>(found - data.captions.begin()));
    constexpr index_t factor = text_to_emoji::emoji_data::side / picture_side, row = channels * factor * picture_side;
    for (index_t i = 0; i < picture_size; ++i) {
      const index_t top = i / (picture_side * channels) * factor, left = i / channels % picture_side * factor;
      float sum = 0;
      for (index_t k = 0; k < factor * factor; ++k)
        sum +=
            large[static_cast<std::size_t>((top + k / factor) * row + (left + k % factor) * channels + i % channels)];
      made.pictures.push_back(sum / static_cast<float>(factor * factor));
    }
    for (const auto& word : fewstep::vocabulary::split(name)) words.insert(word);
  }
  made.words = fewstep::vocabulary({words.begin(), words.end()});
  for (const char* name : moving) made.prompts.push_back(made.words.encode(name).tokens);
  return made;
}

std::span<const float> emoji_pictures::of(const token_list& prompt) const {
  const auto found = std::ranges::find(prompts, prompt);
  fewstep::expects(found != prompts.end(), "moving_emoji: a prompt is none of the names");
  return std::span(pictures).subspan(static_cast<std::size_t>(found - prompts.begin()) * picture_size, picture_size);
}

void true_clips::operator()(std::int64_t step, fewstep::matrix<float> x, std::span<token_list> contexts) const {
  for (index_t i = 0; i < x.rows(); ++i) {
    const auto number = static_cast<std::uint64_t>(step * x.rows() + i);
    const auto& prompt = emoji_->prompts[random_.below(static_cast<std::uint32_t>(emoji_->prompts.size()), number)];
    const auto picture = emoji_->of(contexts[static_cast<std::size_t>(i)] = prompt);
    const auto end = [&](std::uint32_t k) { return static_cast<float>(places - 1) * random_.uniform(number, k); };
    const float x0 = end(1), x1 = end(2), y0 = end(3), y1 = end(4);
    std::fill_n(x.row(i), clip_size, 1.0f);
    for (index_t f = 0; f < frames; ++f) {
      const float way = static_cast<float>(f) / static_cast<float>(frames - 1);
      const auto left = static_cast<index_t>(std::lround(x0 + way * (x1 - x0)));
      const auto top = static_cast<index_t>(std::lround(y0 + way * (y1 - y0)));
      for (index_t p = 0; p < picture_side * picture_side; ++p)
        std::copy_n(picture.begin() + p * channels, channels,
                    x.row(i) + place(f, top + p / picture_side, left + p % picture_side, 0));
    }
  }
}

std::array<double, frames> distortions(std::span<const float> clip, std::span<const float> picture) {
  std::array<double, frames> out{};
  for (index_t f = 0; f < frames; ++f) {
    // Where the emoji is not, a frame should be white: |frame - placed|^2 = |frame - white|^2 and what changes under
    // it.
    double of_white = 0, best = 0;
    for (index_t i = 0; i < frame_size; ++i) {
      const double d =
          static_cast<double>(value(clip, f, i / (side * channels), i / channels % side, i % channels)) - 1;
      of_white += d * d;
    }
    for (index_t at = 0; at < places * places; ++at) {
      float change = 0;
      for (index_t i = 0; i < picture_size; ++i) {
        const float v = value(clip, f, at / places + i / (picture_side * channels),
                              at % places + i / channels % picture_side, i % channels);
        const float near = v - picture[static_cast<std::size_t>(i)], white = v - 1.0f;
        change += near * near - white * white;
      }
      best = at == 0 ? static_cast<double>(change) : std::min(best, static_cast<double>(change));
    }
    out[static_cast<std::size_t>(f)] = std::sqrt(std::max(of_white + best, 0.0) / static_cast<double>(frame_size));
  }
  return out;
}

double motion(std::span<const float> clip) {
  const point a = centre(clip, 0), b = centre(clip, frames - 1);
  return std::hypot(b.x - a.x, b.y - a.y) / static_cast<double>(frames - 1);
}

std::vector<float> crop(std::span<const float> clip, index_t frame, index_t top, index_t left, index_t size) {
  std::vector<float> out;
  for (index_t i = 0; i < size * size * channels; ++i)
    out.push_back(std::clamp(value(clip, frame, top + i / (size * channels), left + i / channels % size, i % channels),
                             -1.0f, 1.0f));
  return out;
}

std::vector<float> crop_centre(std::span<const float> clip, index_t frame) {
  const auto first = [](double middle) {
    return std::clamp(static_cast<index_t>(std::lround(middle - (picture_side - 1) / 2.0)), index_t{0}, places - 1);
  };
  const point at = centre(clip, frame);
  return crop(clip, frame, first(at.y), first(at.x), picture_side);
}

}  // namespace moving_emoji
