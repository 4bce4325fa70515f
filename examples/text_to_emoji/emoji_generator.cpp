// SPDX-License-Identifier: Apache-2.0
#include "emoji_generator.hpp"

#include <fewstep/io/text_unet_file.hpp>

#include <stdexcept>
#include <string>

template class fewstep::text_unet<fewstep::cpu_backend>;

namespace text_to_emoji {
namespace {

/// Rank of the adapters in a model file; 0 if it has none.
int adapter_rank(const std::filesystem::path& path) {
  const auto file = fewstep::safetensors_file::load(path);
  constexpr const char* first_adapter = "time.0.lora_A.weight";
  return file.contains(first_adapter) ? static_cast<int>(file.shape(first_adapter).front()) : 0;
}

}  // namespace

emoji_generator load_generator(fewstep::cpu_backend& backend, const std::filesystem::path& path, int lora,
                               std::uint64_t seed) {
  const int in_file = adapter_rank(path);
  if (lora > 0 && in_file > 0 && lora != in_file)
    throw std::runtime_error(fewstep::message(path.string(), ": has adapters of rank ", in_file, ", but rank ", lora,
                                              " was asked for; use --lora ", in_file));
  const int rank = std::max(lora, in_file);
  fewstep::load_options options{.seed = seed};
  if (rank > 0) options.lora = fewstep::lora_options{.rank = rank, .alpha = 2.0f * static_cast<float>(rank)};
  return fewstep::load_consistency_model(backend, path, options);
}

void save_generator(const std::filesystem::path& path, emoji_generator& model, fewstep::vec<const float> parameters,
                    bool half) {
  fewstep::save_consistency_model(path, model, parameters,
                                  half ? fewstep::element_type::f16 : fewstep::element_type::f32);
}

}  // namespace text_to_emoji
