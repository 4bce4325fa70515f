// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/settings.hpp>
#include <fewstep/nn/activation.hpp>
#include <fewstep/nn/image_encoder.hpp>
#include <fewstep/nn/text_encoder.hpp>
#include <fewstep/reward_model/reward_model_rows.hpp>

#include <string_view>

namespace fewstep {

struct preference_options {
  image_encoder_options image;
  bool reads_texts = false;  ///< r(picture, text) instead of r(picture)
  index_t vocabulary = 0;    ///< number of tokens, padding (0) included
  index_t text_width = 64, text_hidden = 64, text_features = 64;
  index_t hidden = 64;  ///< of the head

  static constexpr std::string_view name = "preference_network";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("image", image);
    visit("reads_texts", reads_texts);
    visit("vocabulary", vocabulary, at_least(reads_texts ? 2 : 0));
    visit("text_width", text_width, between(1, 1 << 16));
    visit("text_hidden", text_hidden, between(1, 1 << 16));
    visit("text_features", text_features, between(1, 1 << 16));
    visit("hidden", hidden, between(1, 1 << 16));
  }
};

/// Scalar reward of a picture, and optionally of its text: rows to y[N,1] by SiLU and an MLP of one hidden layer on the
/// encoders' features.
template <class T>
class preference_network {
 public:
  using options_type = preference_options;
  struct tape {
    typename image_encoder<T>::tape image;
    typename text_encoder<T>::tape text;
    typename elementwise<T, silu>::tape joined;
    typename mlp<T>::tape head;
  };

  preference_network() = default;
  preference_network(parameter_layout& layout, const preference_options& o) : options_(checked(o)) {
    image_ = image_encoder<T>(layout, "image", o.image);
    if (o.reads_texts)
      text_ = text_encoder<T>(layout, "text", {o.vocabulary, o.text_width, o.text_hidden, o.text_features});
    head_ = mlp<T>(layout, "head", {joined(), o.hidden, 1});
  }

  [[nodiscard]] const preference_options& options() const { return options_; }
  [[nodiscard]] const image_encoder_options& picture() const { return options_.image; }
  [[nodiscard]] bool reads_texts() const { return options_.reads_texts; }
  [[nodiscard]] index_t outputs() const { return 1; }

  template <class Pass>
  matrix<T> forward(Pass& p, const reward_model_rows<T>& rows, tape& kept) const {
    const auto& o = options_.image;
    const index_t n = rows.pictures.rows();
    matrix<T> h =
        image_.forward(p, images<const T>{rows.pictures.data, {n, o.height, o.width, o.channels}}, kept.image);
    if (reads_texts()) {
      const matrix<T> text = text_.forward(p, rows.tokens, kept.text);
      const matrix<T> both = p.memory.template allocate<T, 2>({n, joined()});
      p.executor.for_each(n, detail::copy_channels<T>{h.data, both.data, 0, o.features, 0, joined(), o.features});
      p.executor.for_each(n, detail::copy_channels<T>{text.data, both.data, 0, options_.text_features, o.features,
                                                      joined(), options_.text_features});
      h = both;
    }
    return head_.forward(p, elementwise<T, silu>{}.forward(p, h, kept.joined), kept.head);
  }

  /// Adds parameter gradients; returns the gradient of the pictures.
  template <class Pass>
  images<T> backward(Pass& p, matrix<const T> gy, const tape& kept) const {
    const index_t n = gy.rows();
    const matrix<T> g = elementwise<T, silu>{}.backward(p, head_.backward(p, gy, kept.head), kept.joined);
    if (!reads_texts()) return image_.backward_first(p, g, kept.image);
    if (p.trains_parameters())
      text_.backward(p, columns(p, g, options_.image.features, options_.text_features, n), kept.text);
    return image_.backward_first(p, columns(p, g, 0, options_.image.features, n), kept.image);
  }

 private:
  [[nodiscard]] index_t joined() const {
    return options_.image.features + (options_.reads_texts ? options_.text_features : 0);
  }
  template <class Pass>
  matrix<T> columns(Pass& p, matrix<const T> from, index_t first, index_t count, index_t n) const {
    matrix<T> to = p.memory.template allocate<T, 2>({n, count});
    p.executor.for_each(n, detail::copy_channels<T>{from.data, to.data, first, from.cols(), 0, count, count});
    return to;
  }

  preference_options options_;
  image_encoder<T> image_;
  text_encoder<T> text_;
  mlp<T> head_;
};

}  // namespace fewstep
