// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/settings.hpp>
#include <fewstep/nn/image_encoder.hpp>
#include <fewstep/nn/text_encoder.hpp>
#include <fewstep/nn/unit_rows.hpp>
#include <fewstep/reward_model/reward_model_rows.hpp>

#include <string_view>

namespace fewstep {

struct two_tower_options {
  image_encoder_options image;  ///< image.features is the dimension E of the shared space
  index_t vocabulary = 0;       ///< number of tokens, padding (0) included
  index_t text_width = 64, text_hidden = 64;

  static constexpr std::string_view name = "two_tower_network";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("image", image);
    visit("vocabulary", vocabulary, at_least(2).remark("padding and at least one word"));
    visit("text_width", text_width, between(1, 1 << 16));
    visit("text_hidden", text_hidden, between(1, 1 << 16));
  }
};

/// Pictures and texts as unit vectors of one space (CLIP: Radford et al. 2021, arXiv:2103.00020, figure 3): rows to
/// y[N,2E], the picture's vector and then the text's. What rows do not have is zero in y.
///
/// `logit_scale`, the logarithm of the factor on similarities in the loss, is a parameter of no layer.
template <class T>
class two_tower_network {
 public:
  using options_type = two_tower_options;
  struct tape {
    typename image_encoder<T>::tape image;
    typename text_encoder<T>::tape text;
    typename unit_rows<T>::tape image_unit, text_unit;
    index_t pictures = 0, texts = 0;
  };

  two_tower_network() = default;
  two_tower_network(parameter_layout& layout, const two_tower_options& o) : options_(checked(o)) {
    image_ = image_encoder<T>(layout, "image", o.image);
    text_ = text_encoder<T>(layout, "text", {o.vocabulary, o.text_width, o.text_hidden, o.image.features});
    constexpr float initial = 2.6592600369327783f;  // ln(1 / 0.07), as published
    logit_scale_ = layout.add_constant("logit_scale", 1, initial, parameter_kind::scale);
  }

  [[nodiscard]] const two_tower_options& options() const { return options_; }
  [[nodiscard]] const image_encoder_options& picture() const { return options_.image; }
  [[nodiscard]] bool reads_texts() const { return true; }
  [[nodiscard]] index_t features() const { return options_.image.features; }
  [[nodiscard]] index_t outputs() const { return 2 * features(); }
  /// Where the parameter stands in the flat array.
  [[nodiscard]] index_t logit_scale() const { return logit_scale_; }

  template <class Pass>
  matrix<T> forward(Pass& p, const reward_model_rows<T>& rows, tape& kept) const {
    const index_t n = rows.rows(), width = features();
    matrix<T> y = p.memory.template allocate<T, 2>({n, outputs()});
    p.executor.for_each(y.size(), detail::fill<T>{y.data, T(0)});
    kept.pictures = rows.pictures.rows();
    kept.texts = rows.tokens.rows();
    if (kept.pictures > 0) {
      const auto& o = options_.image;
      const images<const T> x{rows.pictures.data, {n, o.height, o.width, o.channels}};
      unit_rows<T>{}.forward(p, image_.forward(p, x, kept.image), {y.data, outputs()}, kept.image_unit);
    }
    if (kept.texts > 0)
      unit_rows<T>{}.forward(p, text_.forward(p, rows.tokens, kept.text), {part(y, width), outputs()}, kept.text_unit);
    return y;
  }

  /// Adds parameter gradients; returns the gradient of the pictures, empty where there were none.
  template <class Pass>
  images<T> backward(Pass& p, matrix<const T> gy, const tape& kept) const {
    const index_t width = features();
    if (kept.texts > 0 && p.trains_parameters())
      text_.backward(p, unit_rows<T>{}.backward(p, {part(gy, width), outputs()}, kept.texts, width, kept.text_unit),
                     kept.text);
    if (kept.pictures == 0) return {};
    return image_.backward_first(
        p, unit_rows<T>{}.backward(p, {gy.data, outputs()}, kept.pictures, width, kept.image_unit), kept.image);
  }

 private:
  /// The columns from `first` on; null in a dry run.
  template <class U>
  static U* part(matrix<U> rows, index_t first) {
    return rows.data == nullptr ? nullptr : rows.data + first;
  }

  two_tower_options options_;
  image_encoder<T> image_;
  text_encoder<T> text_;
  index_t logit_scale_ = 0;
};

}  // namespace fewstep
