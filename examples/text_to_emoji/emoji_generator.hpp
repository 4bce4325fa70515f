// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/text_unet.hpp>

#include <cstdint>
#include <filesystem>

namespace text_to_emoji {

/// The library's text-conditioned U-Net on the CPU. What a trainer or a sampler calls is declared here and defined in
/// emoji_generator.cpp, so that the network is compiled once and not in every file that uses it.
class emoji_generator : public fewstep::text_unet<fewstep::cpu_backend> {
 public:
  using network_type = fewstep::text_unet<fewstep::cpu_backend>;
  using rows_type = fewstep::batch<fewstep::token_list>;

  emoji_generator(fewstep::cpu_backend& backend, fewstep::vocabulary words, const options& o);
  explicit emoji_generator(network_type loaded);
  emoji_generator(emoji_generator&&) noexcept;
  ~emoji_generator();

  [[nodiscard]] workspace_type make_workspace(fewstep::cpu_backend& backend, fewstep::index_t rows) const;
  void predict(fewstep::cpu_backend& backend, rows_type rows, fewstep::matrix<float> o, workspace_type& workspace);
  void forward(fewstep::cpu_backend& backend, rows_type rows, fewstep::matrix<float> o, workspace_type& workspace);
  void backward(fewstep::cpu_backend& backend, rows_type rows, fewstep::matrix<const float> o_gradient,
                workspace_type& workspace);
};

/// Of the models that `pretrain` makes.
inline constexpr fewstep::edm_consistency emoji_preconditioning{
    .sigma_data = 0.5f, .sigma_min = 0.01f, .sigma_max = 40.0f};

/// Reads a model file. `lora` > 0 adds adapters of that rank to be trained in place of the network; a file that has
/// adapters keeps them. Throws naming the file and what is wrong with it.
[[nodiscard]] emoji_generator load_generator(fewstep::cpu_backend& backend, const std::filesystem::path& path,
                                             int lora = 0, std::uint64_t seed = 0);

/// Writes the model with these values of its trained parameters (its own or an average).
void save_generator(const std::filesystem::path& path, emoji_generator& model, fewstep::vec<const float> parameters,
                    bool half = false);

}  // namespace text_to_emoji
