// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime.hpp"

#include <fewstep/generator/text_unet.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace text_to_emoji {

/// The library's text-conditioned U-Net. What a trainer or a sampler calls is declared here, defined in
/// emoji_generator_on.hpp and instantiated in one source file for each backend, so that the network is not compiled in
/// every file that uses it (docs/compile-time.md).
//! [compiled_once]
template <class Backend, class Preconditioning = fewstep::edm_consistency>
class emoji_generator : public fewstep::text_unet<Backend, Preconditioning> {
 public:
  using network_type = fewstep::text_unet<Backend, Preconditioning>;
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
  void backward(Backend& backend, rows_type rows, fewstep::matrix<const float> o_gradient,
                fewstep::matrix<float> x_gradient, workspace_type& workspace);
};
//! [compiled_once]

/// A generator that does not change: `model` itself, which nobody trains, or `without_adapters` the same memory with
/// the adapters off (text_unet::base), which stays what it was while they are trained. Defined and instantiated as
/// above.
template <class Backend>
class emoji_reference {
 public:
  using generator_type = emoji_generator<Backend>;
  using rows_type = typename generator_type::rows_type;
  using context_type = fewstep::token_list;
  using workspace_type = typename generator_type::workspace_type;

  emoji_reference(std::shared_ptr<generator_type> model, bool without_adapters);

  static constexpr std::string_view name = generator_type::options::name;
  template <class Visitor>
  void settings(Visitor& visit) const {
    const auto adapters = base_ ? std::nullopt : model_->lora();
    typename generator_type::options{model_->network_options(), preconditioner(), adapters, 0, model_->rows_per_task()}
        .settings(visit);
  }

  [[nodiscard]] const fewstep::vocabulary& words() const { return model_->words(); }
  [[nodiscard]] fewstep::token_list encode(const std::string& prompt, fewstep::missing_words missing) const {
    return model_->encode(prompt, missing);
  }
  [[nodiscard]] fewstep::index_t sample_size() const { return model_->sample_size(); }
  [[nodiscard]] auto preconditioner() const { return model_->preconditioner(); }
  /// See fewstep::generator; what base() holds is counted where the model is trained.
  [[nodiscard]] std::size_t held_bytes(bool trained) const {
    return base_ ? base_->held_bytes(trained) : model_->held_bytes(trained);
  }

  [[nodiscard]] workspace_type make_workspace(Backend& backend, fewstep::index_t rows) const;
  [[nodiscard]] std::size_t workspace_bytes(const Backend& backend, fewstep::index_t rows) const;
  void predict(Backend& backend, rows_type rows, fewstep::matrix<float> o, workspace_type& workspace);

 private:
  std::shared_ptr<generator_type> model_;
  std::optional<typename generator_type::network_type::base_type> base_;
};

/// Reads a model file. `lora` > 0 adds adapters of that rank to be trained in place of the network; a file that has
/// adapters keeps them. Throws naming the file and what is wrong with it.
template <class Backend>
[[nodiscard]] emoji_generator<Backend> load_generator(Backend& backend, const std::filesystem::path& path, int lora = 0,
                                                      std::uint64_t seed = 0);

/// What a model that was read from the file is before it is trained. Where only fresh adapters are trained, that is the
/// model without them, and takes no memory; else the file is read once more.
template <class Backend>
[[nodiscard]] std::shared_ptr<emoji_reference<Backend>> load_reference(Backend& backend,
                                                                       const std::filesystem::path& path,
                                                                       std::shared_ptr<emoji_generator<Backend>> model);

/// Writes the model with these values of its trained parameters (its own or their EMA).
template <class Backend>
void save_generator(Backend& backend, const std::filesystem::path& path, emoji_generator<Backend>& model,
                    fewstep::vec<const float> parameters, bool half = false);

/// Draws with the model (an emoji_generator or emoji_reference) as it is at the time; defined in painter_on.hpp.
template <class Backend, class Model>
[[nodiscard]] std::unique_ptr<painter> make_painter(Backend& backend, std::shared_ptr<Model> model);

}  // namespace text_to_emoji
