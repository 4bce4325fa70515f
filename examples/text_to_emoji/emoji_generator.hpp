// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime.hpp"

#include <fewstep/generator/text_unet.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>

namespace text_to_emoji {

/// The library's text-conditioned U-Net. What a trainer or a sampler calls is declared here, defined in
/// emoji_generator_on.hpp and instantiated in one source file for each backend, so that the network is not compiled in
/// every file that uses it.
template <class Backend>
class emoji_generator : public fewstep::text_unet<Backend> {
 public:
  using network_type = fewstep::text_unet<Backend>;
  using rows_type = fewstep::batch<fewstep::token_list>;
  using typename network_type::options;
  using typename network_type::workspace_type;

  emoji_generator(Backend& backend, fewstep::vocabulary words, const options& o);
  explicit emoji_generator(network_type loaded);
  emoji_generator(emoji_generator&&) noexcept;
  ~emoji_generator();

  [[nodiscard]] workspace_type make_workspace(Backend& backend, fewstep::index_t rows) const;
  [[nodiscard]] std::size_t workspace_bytes(const Backend& backend, fewstep::index_t rows) const;
  void predict(Backend& backend, rows_type rows, fewstep::matrix<float> o, workspace_type& workspace);
  void forward(Backend& backend, rows_type rows, fewstep::matrix<float> o, workspace_type& workspace);
  void backward(Backend& backend, rows_type rows, fewstep::matrix<const float> o_gradient, workspace_type& workspace);
};

/// Reads a model file. `lora` > 0 adds adapters of that rank to be trained in place of the network; a file that has
/// adapters keeps them. Throws naming the file and what is wrong with it.
template <class Backend>
[[nodiscard]] emoji_generator<Backend> load_generator(Backend& backend, const std::filesystem::path& path, int lora = 0,
                                                      std::uint64_t seed = 0);

/// Writes the model with these values of its trained parameters (its own or their EMA).
template <class Backend>
void save_generator(Backend& backend, const std::filesystem::path& path, emoji_generator<Backend>& model,
                    fewstep::vec<const float> parameters, bool half = false);

/// Draws with the model as it is at the time; defined in painter_on.hpp.
template <class Backend>
[[nodiscard]] std::unique_ptr<painter> make_painter(Backend& backend, std::shared_ptr<emoji_generator<Backend>> model);

}  // namespace text_to_emoji
