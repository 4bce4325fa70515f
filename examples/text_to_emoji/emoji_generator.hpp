// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/text_unet.hpp>
#include <fewstep/io/half.hpp>

#include <cstdint>
#include <filesystem>

// The network is compiled once, in emoji_generator.cpp.
extern template class fewstep::text_unet<fewstep::cpu_backend>;

namespace text_to_emoji {

using emoji_generator = fewstep::text_unet<fewstep::cpu_backend>;

/// Reads a model file. `lora` > 0 adds adapters of that rank to be trained in place of the network; a file that has
/// adapters keeps them. Throws naming the file and what is wrong with it.
[[nodiscard]] emoji_generator load_generator(fewstep::cpu_backend& backend, const std::filesystem::path& path,
                                             int lora = 0, std::uint64_t seed = 0);

/// Writes the model with these values of its trained parameters (its own or an average).
void save_generator(const std::filesystem::path& path, emoji_generator& model, fewstep::vec<const float> parameters,
                    bool half = false);

}  // namespace text_to_emoji
