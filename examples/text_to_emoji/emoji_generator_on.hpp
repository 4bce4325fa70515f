// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "emoji_data.hpp"
#include "emoji_generator.hpp"
#include "open_weights.hpp"

#include <fewstep/model_file/text_unet_file.hpp>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

namespace text_to_emoji {

template <class Backend, class Preconditioning>
emoji_generator<Backend, Preconditioning>::emoji_generator(Backend& backend, fewstep::vocabulary words,
                                                           const options& o)
    : network_type(backend, std::move(words), o) {}
template <class Backend, class Preconditioning>
emoji_generator<Backend, Preconditioning>::emoji_generator(network_type loaded) : network_type(std::move(loaded)) {}
template <class Backend, class Preconditioning>
emoji_generator<Backend, Preconditioning>::emoji_generator(emoji_generator&&) noexcept = default;
template <class Backend, class Preconditioning>
emoji_generator<Backend, Preconditioning>::~emoji_generator() = default;

template <class Backend, class Preconditioning>
auto emoji_generator<Backend, Preconditioning>::make_workspace(Backend& backend, fewstep::index_t rows) const
    -> workspace_type {
  return network_type::make_workspace(backend, rows);
}

template <class Backend, class Preconditioning>
std::size_t emoji_generator<Backend, Preconditioning>::workspace_bytes(const Backend& backend,
                                                                       fewstep::index_t rows) const {
  return network_type::workspace_bytes(backend, rows);
}

template <class Backend, class Preconditioning>
void emoji_generator<Backend, Preconditioning>::predict(Backend& backend, rows_type rows, fewstep::matrix<float> o,
                                                        workspace_type& workspace) {
  network_type::predict(backend, rows, o, workspace);
}

template <class Backend, class Preconditioning>
void emoji_generator<Backend, Preconditioning>::forward(Backend& backend, rows_type rows, fewstep::matrix<float> o,
                                                        workspace_type& workspace) {
  network_type::forward(backend, rows, o, workspace);
}

template <class Backend, class Preconditioning>
void emoji_generator<Backend, Preconditioning>::backward(Backend& backend, rows_type rows,
                                                         fewstep::matrix<const float> o_gradient,
                                                         workspace_type& workspace) {
  network_type::backward(backend, rows, o_gradient, workspace);
}

template <class Backend, class Preconditioning>
void emoji_generator<Backend, Preconditioning>::backward(Backend& backend, rows_type rows,
                                                         fewstep::matrix<const float> o_gradient,
                                                         fewstep::matrix<float> x_gradient, workspace_type& workspace) {
  network_type::backward(backend, rows, o_gradient, x_gradient, workspace);
}

template <class Backend>
emoji_reference<Backend>::emoji_reference(std::shared_ptr<generator_type> model, bool without_adapters)
    : model_(std::move(model)) {
  if (without_adapters) base_.emplace(model_->base());
}

template <class Backend>
auto emoji_reference<Backend>::make_workspace(Backend& backend, fewstep::index_t rows) const -> workspace_type {
  return base_ ? base_->make_workspace(backend, rows) : model_->make_workspace(backend, rows);
}

template <class Backend>
std::size_t emoji_reference<Backend>::workspace_bytes(const Backend& backend, fewstep::index_t rows) const {
  return base_ ? base_->workspace_bytes(backend, rows) : model_->workspace_bytes(backend, rows);
}

template <class Backend>
void emoji_reference<Backend>::predict(Backend& backend, rows_type rows, fewstep::matrix<float> o,
                                       workspace_type& workspace) {
  base_ ? base_->predict(backend, rows, o, workspace) : model_->predict(backend, rows, o, workspace);
}

template <class Backend>
emoji_generator<Backend> load_generator(Backend& backend, const std::filesystem::path& path, int lora,
                                        std::uint64_t seed) {
  fewstep::load_options options{.seed = seed};
  if (lora > 0) options.lora = fewstep::lora_options{.rank = lora, .alpha = 2.0f * static_cast<float>(lora)};
  emoji_generator<Backend> model(fewstep::load_consistency_model(backend, open_weights(path), options));
  if (model.sample_size() != emoji_data::picture_size)
    throw std::runtime_error(fewstep::message(path.string(), ": makes samples of ", model.sample_size(),
                                              " values, but pictures of 32 x 32 have ", emoji_data::picture_size));
  return model;
}

template <class Backend>
std::shared_ptr<emoji_reference<Backend>> load_reference(Backend& backend, const std::filesystem::path& path,
                                                         std::shared_ptr<emoji_generator<Backend>> model) {
  // Adapters that the file has are a part of what training starts from.
  const auto names = fewstep::safetensors_file::load(path).names();
  const bool are_fresh = model->has_adapters() && std::ranges::none_of(names, [](const std::string& name) {
                           return name.find(".lora_A.") != std::string::npos;
                         });
  if (!are_fresh) model = std::make_shared<emoji_generator<Backend>>(load_generator(backend, path));
  return std::make_shared<emoji_reference<Backend>>(std::move(model), are_fresh);
}

template <class Backend>
void save_generator(Backend& backend, const std::filesystem::path& path, emoji_generator<Backend>& model,
                    fewstep::vec<const float> parameters, bool half) {
  fewstep::save_consistency_model(backend, path, static_cast<fewstep::text_unet<Backend>&>(model), parameters,
                                  half ? fewstep::element_type::f16 : fewstep::element_type::f32);
}

}  // namespace text_to_emoji
