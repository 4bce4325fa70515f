// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/settings.hpp>
#include <fewstep/generator/left_out_words.hpp>
#include <fewstep/generator/network_generator.hpp>
#include <fewstep/generator/text_unet_network.hpp>
#include <fewstep/generator/vocabulary.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace fewstep {

/// Text-conditioned pixel generator: a U-Net with a bag-of-words text encoder, under the preconditioning of a
/// consistency model (the default) or of a denoiser. Samples are [H, W, C] pictures in [-1, 1], channels last.
///
/// A few pictures are evaluated together by one thread (on a device, 64); the bits of a picture depend on nothing else
/// in the batch, and parameter gradients add up in blocks of row_block() pictures, block after block.
///
/// With `lora` only the adapters are trained: parameters(), gradients() and layout() are then theirs, and base() is the
/// network without them.
template <class Backend, preconditioning Preconditioning = edm_consistency>
class text_unet : public network_generator<Backend, text_unet_network<float>, Preconditioning> {
  using generator_type = network_generator<Backend, text_unet_network<float>, Preconditioning>;

 public:
  struct options {
    text_unet_options network;
    Preconditioning preconditioner{};
    std::optional<lora_options> lora;
    std::uint64_t seed = 0;
    index_t rows_per_task = 0;  ///< pictures that go through the network together; 0: 4, on a device 64

    static constexpr std::string_view name = "text_unet";
    template <class Visitor>
    void settings(Visitor& visit) const {
      visit("network", network);
      visit.part("preconditioner", preconditioner);
      visit("lora", lora);
      visit.not_compared("seed", seed);
      visit("rows_per_task", rows_per_task, at_least(0).remark("0: the default"));
    }
  };

  text_unet(Backend& backend, vocabulary words, options o, initial_weights weights = initial_weights::drawn)
      : generator_type(backend, with_vocabulary(words, o), o.preconditioner,
                       {.lora = o.lora, .seed = o.seed, .rows_per_task = o.rows_per_task, .weights = weights}),
        vocabulary_(std::move(words)) {}

  template <class Visitor>
  void settings(Visitor& visit) const {
    options{network_options(), this->preconditioner(), this->lora(), 0, this->rows_per_task()}.settings(visit);
  }

  [[nodiscard]] const text_unet_options& network_options() const { return this->network().options(); }
  [[nodiscard]] const vocabulary& words() const { return vocabulary_; }
  /// Context of a prompt. A prompt without a known word is refused; so are unknown words and those beyond the tenth,
  /// unless they are to be left out (left_out_words says which they are).
  [[nodiscard]] token_list encode(const std::string& prompt, missing_words missing = missing_words::refuse) const {
    return detail::encode_text(vocabulary_, prompt, missing, options::name);
  }

 private:
  static const text_unet_options& with_vocabulary(const vocabulary& words, options& o) {
    o.network.vocabulary = words.size();
    check_settings(o);
    return o.network;
  }

  vocabulary vocabulary_;
};

}  // namespace fewstep
