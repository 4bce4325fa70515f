// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/settings.hpp>
#include <fewstep/nn/embedding.hpp>
#include <fewstep/nn/mlp.hpp>

#include <string>
#include <string_view>

namespace fewstep {

struct text_encoder_options {
  index_t vocabulary = 0;  ///< number of tokens, padding (0) included
  index_t width = 64;      ///< of a word's embedding
  index_t hidden = 64;
  index_t features = 64;

  static constexpr std::string_view name = "text_encoder";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("vocabulary", vocabulary, at_least(2).remark("padding and at least one word"));
    visit("width", width, between(1, 1 << 16));
    visit("hidden", hidden, between(1, 1 << 16));
    visit("features", features, between(1, 1 << 16));
  }
};

/// Encoder of texts tokens[N,L] to features y[N,E]: the bag of words through an MLP of one hidden layer.
template <class T>
class text_encoder {
 public:
  struct tape {
    typename bag_of_words<T>::tape words;
    typename mlp<T>::tape layers;
  };

  text_encoder() = default;
  text_encoder(parameter_layout& layout, const std::string& name, const text_encoder_options& o) : options_(o) {
    check_settings(o);
    words_ = bag_of_words<T>(layout, name + ".words", o.vocabulary, o.width);
    layers_ = mlp<T>(layout, name + ".layers", {o.width, o.hidden, o.features});
  }

  [[nodiscard]] const text_encoder_options& options() const { return options_; }

  template <class Pass>
  matrix<T> forward(Pass& p, matrix<const std::int32_t> tokens, tape& kept) const {
    return layers_.forward(p, words_.forward(p, tokens, kept.words), kept.layers);
  }

  /// Adds parameter gradients.
  template <class Pass>
  void backward(Pass& p, matrix<const T> gy, const tape& kept) const {
    words_.backward(p, layers_.backward(p, gy, kept.layers), kept.words);
  }

 private:
  text_encoder_options options_;
  bag_of_words<T> words_;
  mlp<T> layers_;
};

}  // namespace fewstep
