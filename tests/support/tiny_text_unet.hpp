// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/arrays.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/text_unet.hpp>

#include <cstdint>
#include <optional>
#include <vector>

namespace fewstep::test {

using tiny_text_unet = text_unet<cpu_backend>;

template <class Backend = cpu_backend>
[[nodiscard]] typename text_unet<Backend>::options tiny_text_unet_options(std::optional<lora_options> lora = {}) {
  typename text_unet<Backend>::options o;
  o.network.unet.height = o.network.unet.width = 8;
  o.network.unet.widths = {8, 24};
  o.network.unet.encoder_blocks = o.network.unet.decoder_blocks = 1;
  o.network.unet.middle_blocks = 2;
  o.network.unet.condition = 12;
  o.network.text_width = 6;
  o.lora = lora;
  o.seed = 5;
  return o;
}

/// A generator whose parameters are all random, those that start at zero included.
template <class Backend>
[[nodiscard]] text_unet<Backend> make_tiny_text_unet(Backend& backend, std::optional<lora_options> lora = {},
                                                     index_t rows_per_task = 0) {
  auto o = tiny_text_unet_options<Backend>(lora);
  o.rows_per_task = rows_per_task;
  text_unet<Backend> g(backend, vocabulary({"red", "heart", "cat", "moon"}), o);
  const auto randomize = [&](vec<float> values, std::uint64_t seed) {
    auto moved = normals<float>(values.size(), seed, 0.1);
    std::vector<float> start(moved.size());
    backend.copy_to_host(values.data, start.data(), values.size());
    for (std::size_t i = 0; i < moved.size(); ++i) moved[i] += start[i];
    backend.copy_to_device(moved.data(), values.data, values.size());
  };
  randomize(g.base_parameters(), 1);
  if (lora) randomize(g.parameters(), 2);
  return g;
}

/// Rows for the generator: states, noise levels from 0.002 to 80, and texts of none to three words.
struct text_rows {
  index_t count, dimension;
  std::vector<float> x, times, probe;
  std::vector<token_list> texts;

  text_rows(index_t rows, index_t size, std::uint64_t seed)
      : count(rows),
        dimension(size),
        x(normals<float>(rows * size, seed)),
        probe(normals<float>(rows * size, seed + 1)) {
    for (index_t r = 0; r < rows; ++r) {
      times.push_back(0.002f * std::pow(40000.0f, static_cast<float>(r) / static_cast<float>(rows)));
      token_list text;
      for (index_t w = 0; w < r % 4; ++w)
        text.ids[static_cast<std::size_t>(w)] = static_cast<std::int32_t>((r + w) % 4 + 1);
      texts.push_back(text);
      for (index_t i = 0; i < size; ++i) x[static_cast<std::size_t>(r * size + i)] *= times.back();
    }
  }

  [[nodiscard]] batch<token_list> rows() const {
    return {{x.data(), {count, dimension}}, {times.data(), {count}}, {texts.data(), {count}}};
  }
  [[nodiscard]] matrix<const float> gradient() const { return {probe.data(), {count, dimension}}; }
};

}  // namespace fewstep::test
