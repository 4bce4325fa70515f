// SPDX-License-Identifier: Apache-2.0
#include "emoji_generator.hpp"

#include "emoji_data.hpp"

#include <fewstep/io/text_unet_file.hpp>

#include <stdexcept>
#include <utility>

namespace text_to_emoji {

using fewstep::index_t;
using fewstep::message;

emoji_generator::emoji_generator(fewstep::cpu_backend& backend, fewstep::vocabulary words, const options& o)
    : network_type(backend, std::move(words), o) {}
emoji_generator::emoji_generator(network_type loaded) : network_type(std::move(loaded)) {}
emoji_generator::emoji_generator(emoji_generator&&) noexcept = default;
emoji_generator::~emoji_generator() = default;

emoji_generator::workspace_type emoji_generator::make_workspace(fewstep::cpu_backend& backend, index_t rows) const {
  return network_type::make_workspace(backend, rows);
}

void emoji_generator::predict(fewstep::cpu_backend& backend, rows_type rows, fewstep::matrix<float> o,
                              workspace_type& workspace) {
  network_type::predict(backend, rows, o, workspace);
}

void emoji_generator::forward(fewstep::cpu_backend& backend, rows_type rows, fewstep::matrix<float> o,
                              workspace_type& workspace) {
  network_type::forward(backend, rows, o, workspace);
}

void emoji_generator::backward(fewstep::cpu_backend& backend, rows_type rows, fewstep::matrix<const float> o_gradient,
                               workspace_type& workspace) {
  network_type::backward(backend, rows, o_gradient, workspace);
}

emoji_generator load_generator(fewstep::cpu_backend& backend, const std::filesystem::path& path, int lora,
                               std::uint64_t seed) {
  fewstep::load_options options{.seed = seed};
  if (lora > 0) options.lora = fewstep::lora_options{.rank = lora, .alpha = 2.0f * static_cast<float>(lora)};
  emoji_generator model(fewstep::load_consistency_model(backend, path, options));
  if (model.sample_size() != emoji_data::picture_size)
    throw std::runtime_error(message(path.string(), ": makes samples of ", model.sample_size(),
                                     " values, but pictures of 32 x 32 have ", emoji_data::picture_size));
  return model;
}

void save_generator(const std::filesystem::path& path, emoji_generator& model, fewstep::vec<const float> parameters,
                    bool half) {
  fewstep::save_consistency_model(path, static_cast<emoji_generator::network_type&>(model), parameters,
                                  half ? fewstep::element_type::f16 : fewstep::element_type::f32);
}

}  // namespace text_to_emoji
