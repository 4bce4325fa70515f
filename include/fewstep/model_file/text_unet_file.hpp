// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/generator/rescaled.hpp>
#include <fewstep/generator/text_unet.hpp>
#include <fewstep/io/safetensors.hpp>
#include <fewstep/model_file/model_description.hpp>
#include <fewstep/model_file/named_parameters.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

/// A text_unet as one safetensors file: weights under their names in PyTorch's layouts, and everything needed to build
/// the network (shape, preconditioning, vocabulary) in the metadata.

namespace fewstep {

namespace detail {

inline constexpr const char* text_unet_key = "fewstep.text_unet";
inline constexpr const char* vocabulary_key = "fewstep.vocabulary";
inline constexpr const char* lora_key = "fewstep.lora";
inline constexpr const char* frequencies_name = "time.frequencies";

/// The preconditioning of the network itself, whose numbers the file has, within one that rescales the process.
template <preconditioning P>
auto& network_preconditioning(P& p) {
  if constexpr (edm_preconditioning<P>) {
    return p;
  } else {
    static_assert(
        requires { p.base; },
        "fewstep: the file of a text_unet has sigma_data, sigma_min and sigma_max: it is for edm_consistency, "
        "edm_denoiser, and variance_preserving or rectified_flow of these");
    return p.base;
  }
}

/// Calls field(name, value) for every number that a file keeps.
template <edm_preconditioning P, class Field>
void visit_text_unet(text_unet_options& o, P& p, const Field& field) {
  auto& u = o.unet;
  field("height", u.height);
  field("width", u.width);
  field("channels", u.channels);
  field("patch", u.patch);
  field("widths", u.widths);
  field("encoder_blocks", u.encoder_blocks);
  field("middle_blocks", u.middle_blocks);
  field("decoder_blocks", u.decoder_blocks);
  field("heads", u.heads);
  field("condition", u.condition);
  field("groups", u.groups);
  field("text_width", o.text_width);
  field("sigma_data", p.sigma_data);
  field("sigma_min", p.sigma_min);
  field("sigma_max", p.sigma_max);
}

/// As save_text_unet; to_host(values) is where the host reads them.
template <class Backend, preconditioning P, class ToHost>
void write_text_unet(const std::filesystem::path& path, text_unet<Backend, P>& model, vec<const float> parameters,
                     element_type type, const ToHost& to_host) {
  expects(parameters.size() == model.parameters().size(), [&] {
    return message("save_text_unet: ", parameters.size(), " parameters given, but the model trains ",
                   model.parameters().size());
  });
  safetensors_writer file;
  std::string words;
  for (const std::string& word : model.words().words()) words += word + '\n';
  P rescaled = model.preconditioner();
  text_unet_options options = model.network_options();
  nlohmann::json j;
  visit_text_unet(options, network_preconditioning(rescaled),
                  [&](const char* name, const auto& value) { j[name] = value; });
  file.metadata(text_unet_key, j.dump());
  file.metadata(vocabulary_key, words);
  const auto& frequencies = model.network_options().frequencies;
  file.add(frequencies_name, {static_cast<index_t>(frequencies.size())}, frequencies);
  add_parameters(file, model.base_layout().slices(),
                 to_host(model.has_adapters() ? model.base_parameters() : parameters), {}, type);
  if (model.has_adapters()) {
    file.metadata(lora_key, nlohmann::json{{"rank", model.lora()->rank}, {"alpha", model.lora()->alpha}}.dump());
    add_parameters(file, model.layout().slices(), to_host(parameters), {}, type);
  }
  file.write(path);
}

}  // namespace detail

/// Writes the network with `parameters` (its own, or their EMA) as weights. Adapters are written beside the
/// base under their names, with their rank and scale in the metadata. Of the preconditioning the file has sigma_data,
/// sigma_min and sigma_max; which one it is says whoever loads it. Throws std::runtime_error naming the weight, and
/// leaves the file at `path` as it was, where a weight is no finite number.
template <class Backend, preconditioning P>
requires on_host<Backend>
void save_text_unet(const std::filesystem::path& path, text_unet<Backend, P>& model, vec<const float> parameters,
                    element_type type = element_type::f32) {
  detail::write_text_unet(path, model, parameters, type, [](vec<const float> values) { return values; });
}

/// As above for any backend: the file is the same whatever the weights were trained on.
template <class Backend, preconditioning P>
void save_text_unet(Backend& backend, const std::filesystem::path& path, text_unet<Backend, P>& model,
                    vec<const float> parameters, element_type type = element_type::f32) {
  fetched<float, Backend> host(backend, std::max(model.base_parameters().size(), parameters.size()));
  detail::write_text_unet(path, model, parameters, type, [&](vec<const float> values) {
    return vec<const float>{host.fetch(backend, values.data, 0, values.size()), values.extents};
  });
}

/// save_text_unet for a consistency model.
template <class Backend>
requires on_host<Backend>
void save_consistency_model(const std::filesystem::path& path, text_unet<Backend>& model, vec<const float> parameters,
                            element_type type = element_type::f32) {
  save_text_unet(path, model, parameters, type);
}

/// As above for any backend.
template <class Backend>
void save_consistency_model(Backend& backend, const std::filesystem::path& path, text_unet<Backend>& model,
                            vec<const float> parameters, element_type type = element_type::f32) {
  save_text_unet(backend, path, model, parameters, type);
}

struct load_options {
  std::optional<lora_options> lora{};  ///< adds fresh adapters to a file that has none; a file's own are always loaded
  std::uint64_t seed = 0;              ///< of fresh adapters
};

/// Reads what save_text_unet wrote, as a network of any preconditioning that has the file's sigma_data, sigma_min and
/// sigma_max, or rescales one that has: load_text_unet<variance_preserving<edm_denoiser>>(backend, path). All other
/// numbers (a schedule) are those of `preconditioner`. What the file says of the network is compared with its own
/// tensors before anything of that size is made. Throws std::runtime_error naming file, weight and reason; so it does
/// where a weight is no finite number, and where the file has adapters of another rank than is asked for.
template <preconditioning Preconditioning, class Backend>
[[nodiscard]] text_unet<Backend, Preconditioning> load_text_unet(Backend& backend, const safetensors_file& file,
                                                                 const load_options& o = {},
                                                                 Preconditioning preconditioner = {}) {
  const auto words = file.metadata().find(detail::vocabulary_key);
  const bool has_adapters = file.metadata().contains(detail::lora_key);
  if (!file.metadata().contains(detail::text_unet_key) || words == file.metadata().end())
    throw std::runtime_error(message(file.name(), ": the metadata have no '", detail::text_unet_key, "' or no '",
                                     detail::vocabulary_key, "'; this is no text_unet written by fewstep"));
  typename text_unet<Backend, Preconditioning>::options options;
  options.preconditioner = preconditioner;
  options.lora = o.lora;
  options.seed = o.seed;
  const char* const damaged = "the metadata of the network are damaged";
  const detail::model_description description(file, detail::text_unet_key, damaged);
  auto& process = detail::network_preconditioning(options.preconditioner);
  detail::visit_text_unet(options.network, process, description);
  if (!(process.sigma_data > 0) || !(process.sigma_min >= 0) || !(process.sigma_max > process.sigma_min))
    description.fail("sigma_data is ", process.sigma_data, ", sigma_min ", process.sigma_min, " and sigma_max ",
                     process.sigma_max, "; sigma_data must be positive, sigma_min not negative, sigma_max above it");
  if (has_adapters) {
    options.lora.emplace();
    const detail::model_description adapters(file, detail::lora_key, damaged);
    adapters("rank", options.lora->rank);
    adapters("alpha", options.lora->alpha);
  }
  for (const std::string& name : file.names())
    if (!has_adapters && name.find(".lora_A.") != std::string::npos)
      throw std::runtime_error(message(file.name(), ": has the adapter '", name, "', but the metadata '",
                                       detail::lora_key, "' that give its rank and scale are missing"));
  if (o.lora && o.lora->rank != options.lora->rank)
    throw std::runtime_error(message(file.name(), ": has adapters of rank ", options.lora->rank, ", but rank ",
                                     o.lora->rank, " was asked for; ask for the file's rank, or for none"));
  if (!file.contains(detail::frequencies_name))
    throw std::runtime_error(message(file.name(), ": the tensor '", detail::frequencies_name, "' is missing"));
  options.network.frequencies = file.floats(detail::frequencies_name);
  if (!detail::all_finite(options.network.frequencies))
    throw std::runtime_error(message(file.name(), ": the tensor '", detail::frequencies_name,
                                     "' has values that are no finite numbers; the file is damaged"));

  options.network.vocabulary = vocabulary::count(words->second) + 1;
  detail::make_described(file, [&] {
    const auto shapes = detail::shapes_of(file);
    parameter_layout weights(shapes), adapters(shapes);
    text_unet_network<float> network(weights, options.network);
    if (has_adapters) network.adapt(adapters, *options.lora);
  });
  auto model = detail::make_described(file, [&] {
    return text_unet<Backend, Preconditioning>(backend, vocabulary(vocabulary::split(words->second)), options,
                                               initial_weights::zero);
  });
  const auto read = [&](const parameter_layout& layout, vec<float> values) {
    std::vector<float> host(static_cast<std::size_t>(values.size()));
    detail::read_slices(file, layout.slices(), host);
    backend.copy_to_device(host.data(), values.data, values.size());
  };
  read(model.base_layout(), model.base_parameters());
  if (has_adapters)
    read(model.layout(), model.parameters());
  else
    model.draw_adapters(backend, o.seed + 1);
  return model;
}
template <preconditioning Preconditioning, class Backend>
[[nodiscard]] text_unet<Backend, Preconditioning> load_text_unet(Backend& backend, const std::filesystem::path& path,
                                                                 const load_options& o = {},
                                                                 Preconditioning preconditioner = {}) {
  return load_text_unet<Preconditioning>(backend, safetensors_file::load(path), o, preconditioner);
}

/// load_text_unet as a consistency model.
template <class Backend>
[[nodiscard]] text_unet<Backend> load_consistency_model(Backend& backend, const safetensors_file& file,
                                                        const load_options& o = {}) {
  return load_text_unet<edm_consistency>(backend, file, o);
}
template <class Backend>
[[nodiscard]] text_unet<Backend> load_consistency_model(Backend& backend, const std::filesystem::path& path,
                                                        const load_options& o = {}) {
  return load_consistency_model(backend, safetensors_file::load(path), o);
}

}  // namespace fewstep
