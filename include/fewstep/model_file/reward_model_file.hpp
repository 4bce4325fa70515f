// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/mirror.hpp>
#include <fewstep/model_file/model_description.hpp>
#include <fewstep/model_file/named_parameters.hpp>
#include <fewstep/model_file/text_unet_file.hpp>
#include <fewstep/reward_model/preference_reward.hpp>
#include <fewstep/reward_model/two_tower.hpp>

#include <nlohmann/json.hpp>

#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

/// A two_tower or a preference_model as one safetensors file: weights under their names in PyTorch's layouts, and
/// everything needed to build the network in the metadata.

namespace fewstep {

namespace detail {

inline constexpr const char* two_tower_key = "fewstep.two_tower";
inline constexpr const char* preference_model_key = "fewstep.preference_model";
inline constexpr const char* reward_scale_key = "fewstep.reward_scale";

/// Calls field(name, value) for every option that a file keeps.
template <class Options, class Field>
void visit_image_encoder(Options& o, const Field& field) {
  field("height", o.height);
  field("width", o.width);
  field("channels", o.channels);
  field("patch", o.patch);
  field("widths", o.widths);
  field("blocks", o.blocks);
  field("groups", o.groups);
  field("features", o.features);
}
template <class Field>
void visit_options(two_tower_options& o, const Field& field) {
  visit_image_encoder(o.image, field);
  field("text_width", o.text_width);
  field("text_hidden", o.text_hidden);
}
template <class Field>
void visit_options(preference_options& o, const Field& field) {
  visit_image_encoder(o.image, field);
  field("reads_texts", o.reads_texts);
  field("text_width", o.text_width);
  field("text_hidden", o.text_hidden);
  field("text_features", o.text_features);
  field("hidden", o.hidden);
}

template <class Backend, class Network>
void write_reward_model(Backend& backend, safetensors_writer& file, const char* key,
                        const reward_model<Backend, Network>& model, vec<const float> parameters, element_type type) {
  expects(parameters.size() == model.layout().size(), [&] {
    return message("saving a reward model: ", parameters.size(), " parameters given, but the model has ",
                   model.layout().size());
  });
  nlohmann::json j;
  auto options = model.network().options();
  visit_options(options, [&](const char* name, const auto& value) { j[name] = value; });
  std::string words;
  for (const std::string& word : model.words().words()) words += word + '\n';
  file.metadata(key, j.dump());
  file.metadata(vocabulary_key, words);
  fetched<float, Backend> host(backend, parameters.size());
  add_parameters(file, model.layout().slices(),
                 {host.fetch(backend, parameters.data, 0, parameters.size()), parameters.extents}, {}, type);
}

template <class Model, class Backend>
[[nodiscard]] Model read_reward_model(Backend& backend, const safetensors_file& file, const char* key) {
  const auto words = file.metadata().find(vocabulary_key);
  if (!file.metadata().contains(key) || words == file.metadata().end())
    throw std::runtime_error(message(file.name(), ": the metadata have no '", key, "' or no '", vocabulary_key,
                                     "'; this is no such model written by fewstep"));
  typename Model::options options;
  visit_options(options.network, model_description(file, key, "the metadata of the network are damaged"));
  options.network.vocabulary = vocabulary::count(words->second) + 1;
  make_described(file, [&] {
    const auto shapes = shapes_of(file);
    parameter_layout weights(shapes);
    (void)typename Model::network_type(weights, options.network);
  });
  auto model = make_described(file, [&] {
    return Model(backend, vocabulary(vocabulary::split(words->second)), options, initial_weights::zero);
  });
  std::vector<float> host(static_cast<std::size_t>(model.layout().size()));
  read_slices(file, model.layout().slices(), host);
  backend.copy_to_device(host.data(), model.parameters().data, model.layout().size());
  return model;
}

}  // namespace detail

/// Writes the model with `parameters` (its own, or their EMA) as weights.
template <class Backend>
void save_two_tower(Backend& backend, const std::filesystem::path& path, const two_tower<Backend>& model,
                    vec<const float> parameters, element_type type = element_type::f32) {
  safetensors_writer file;
  detail::write_reward_model(backend, file, detail::two_tower_key, model, parameters, type);
  file.write(path);
}

/// Reads what save_two_tower wrote. What the file says of the network is compared with its own tensors before anything
/// of that size is made. Throws std::runtime_error naming file, weight and reason.
template <class Backend>
[[nodiscard]] two_tower<Backend> load_two_tower(Backend& backend, const safetensors_file& file) {
  return detail::read_reward_model<two_tower<Backend>>(backend, file, detail::two_tower_key);
}
template <class Backend>
[[nodiscard]] two_tower<Backend> load_two_tower(Backend& backend, const std::filesystem::path& path) {
  return load_two_tower(backend, safetensors_file::load(path));
}

/// Writes the model with `parameters` as weights, and how its outputs are read.
template <class Backend>
void save_preference_model(Backend& backend, const std::filesystem::path& path, const preference_model<Backend>& model,
                           vec<const float> parameters, reward_scale scale = {},
                           element_type type = element_type::f32) {
  safetensors_writer file;
  detail::write_reward_model(backend, file, detail::preference_model_key, model, parameters, type);
  file.metadata(detail::reward_scale_key, nlohmann::json{{"mean", scale.mean}, {"deviation", scale.deviation}}.dump());
  file.write(path);
}

template <class Backend>
struct loaded_preference_model {
  preference_model<Backend> model;
  reward_scale scale;
};

/// Reads what save_preference_model wrote, as load_two_tower does.
template <class Backend>
[[nodiscard]] loaded_preference_model<Backend> load_preference_model(Backend& backend, const safetensors_file& file) {
  auto model = detail::read_reward_model<preference_model<Backend>>(backend, file, detail::preference_model_key);
  const detail::model_description description(file, detail::reward_scale_key, "the scale of the reward is damaged");
  reward_scale scale;
  description("mean", scale.mean);
  description("deviation", scale.deviation);
  if (!(scale.deviation > 0))
    throw std::runtime_error(message(file.name(), ": the scale of the reward has mean ", scale.mean, " and deviation ",
                                     scale.deviation, ", which cannot be"));
  return {std::move(model), scale};
}
template <class Backend>
[[nodiscard]] loaded_preference_model<Backend> load_preference_model(Backend& backend,
                                                                     const std::filesystem::path& path) {
  return load_preference_model(backend, safetensors_file::load(path));
}

}  // namespace fewstep
