// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/arrays.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/reward_model/preference_model.hpp>
#include <fewstep/reward_model/two_tower.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace fewstep::test {

/// 8 x 8 pictures of a coloured square in one of two places on white, with a little noise.
namespace squares {

inline constexpr index_t side = 8, size = side * side * 3;
inline const std::vector<std::string> words = {"red", "green", "blue", "yellow", "left", "right"};

/// Fills `x` with picture `number` of a seed and returns its caption: a colour and a side.
inline token_list draw(std::uint64_t seed, std::uint64_t number, float* x) {
  const random_stream random{seed, stream::data};
  static constexpr std::array<std::array<float, 3>, 4> colours{{{1, -1, -1}, {-1, 1, -1}, {-1, -1, 1}, {1, 1, -1}}};
  const std::uint32_t colour = random.below(4, number, 1), place = random.below(2, number, 2);
  const std::uint32_t row = random.below(5, number, 3);
  for (index_t i = 0; i < size; ++i) x[i] = 1.0f + 0.1f * random.normal(number, 0, static_cast<std::uint64_t>(i));
  for (index_t i = 0; i < 4; ++i)
    for (index_t j = 0; j < 4; ++j)
      for (index_t c = 0; c < 3; ++c)
        x[((static_cast<index_t>(row) + i) * side + static_cast<index_t>(4 * place) + j) * 3 + c] -=
            1.0f - colours[colour][static_cast<std::size_t>(c)];
  return {{static_cast<std::int32_t>(1 + colour), static_cast<std::int32_t>(5 + place)}};
}

/// Pictures [count, size] from number `first` on, and their captions.
struct examples {
  std::vector<float> pixels;
  std::vector<token_list> captions;

  examples(std::uint64_t seed, std::uint64_t first, index_t count)
      : pixels(static_cast<std::size_t>(count * size)), captions(static_cast<std::size_t>(count)) {
    for (std::size_t i = 0; i < captions.size(); ++i)
      captions[i] = draw(seed, first + i, pixels.data() + i * static_cast<std::size_t>(size));
  }
  [[nodiscard]] matrix<const float> pictures() const {
    return {pixels.data(), {static_cast<index_t>(captions.size()), size}};
  }
  [[nodiscard]] std::span<const token_list> texts() const { return captions; }
};

/// An example_source of them.
struct source {
  std::uint64_t seed = 1;
  void operator()(std::int64_t step, matrix<float> x, std::span<token_list> contexts) const {
    for (index_t i = 0; i < x.rows(); ++i)
      contexts[static_cast<std::size_t>(i)] = draw(seed, static_cast<std::uint64_t>(step * x.rows() + i), x.row(i));
  }
};

inline image_encoder_options encoder() {
  return {.height = side, .width = side, .widths = {8, 16}, .groups = 4, .features = 16};
}

template <class Backend>
two_tower<Backend> make_two_tower(Backend& backend, std::uint64_t seed = 1) {
  return {
      backend, vocabulary(words), {.network = {.image = encoder(), .text_width = 16, .text_hidden = 16}, .seed = seed}};
}
template <class Backend>
preference_model<Backend> make_preference_model(Backend& backend, bool reads_texts, std::uint64_t seed = 1) {
  return {backend,
          reads_texts ? vocabulary(words) : vocabulary(),
          {.network = {.image = encoder(),
                       .reads_texts = reads_texts,
                       .text_width = 16,
                       .text_hidden = 16,
                       .text_features = 8,
                       .hidden = 16},
           .seed = seed}};
}

}  // namespace squares

/// Random values for all parameters of a reward model, those that start at zero included.
template <class Model>
void randomize(Model& model, std::uint64_t seed) {
  const auto noise = normals<float>(model.parameters().size(), seed, 0.1);
  for (index_t i = 0; i < model.parameters().size(); ++i) model.parameters()[i] += noise[static_cast<std::size_t>(i)];
}

}  // namespace fewstep::test
