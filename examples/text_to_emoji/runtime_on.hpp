// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime.hpp"

#include <utility>

namespace text_to_emoji {

/// A backend of the library; its members are defined in painter_on.hpp, finetuning_on.hpp, pretraining_on.hpp and
/// first_gradient_on.hpp, and instantiated in a source file each.
template <class Backend>
class runtime_on final : public runtime {
 public:
  explicit runtime_on(typename Backend::options o) : options_(o), backend_(o) {}

  [[nodiscard]] bool is_host() const override { return fewstep::on_host<Backend>; }
  [[nodiscard]] std::unique_ptr<painter> load(const std::filesystem::path& model) override;
  [[nodiscard]] std::unique_ptr<finetuning> finetune(const finetune_settings& settings,
                                                     const emoji_data& data) override;
  [[nodiscard]] std::unique_ptr<pretraining> pretrain(const pretrain_settings& settings,
                                                      const emoji_data& data) override;
  [[nodiscard]] gradient_outcome first_gradient(const finetune_settings& settings, const emoji_data& data,
                                                const gradient_variant& variant) override;

 private:
  typename Backend::options options_;
  Backend backend_;
};

}  // namespace text_to_emoji
