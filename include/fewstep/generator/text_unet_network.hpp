// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/generator/left_out_words.hpp>
#include <fewstep/generator/vocabulary.hpp>
#include <fewstep/nn/activation.hpp>
#include <fewstep/nn/embedding.hpp>
#include <fewstep/nn/mlp.hpp>
#include <fewstep/nn/row_groups.hpp>
#include <fewstep/nn/unet.hpp>

#include <cmath>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fewstep {

struct text_unet_options {
  unet_options unet;
  index_t vocabulary = 0;          ///< number of tokens, padding (0) included
  index_t text_width = 128;        ///< of a word's embedding
  std::vector<float> frequencies;  ///< of the noise level's Fourier features; empty: 32 from 1/8 to 8, geometric

  [[nodiscard]] static std::vector<float> default_frequencies() {
    std::vector<float> f(32);
    for (std::size_t j = 0; j < f.size(); ++j) f[j] = 0.125f * std::exp2(6.0f * static_cast<float>(j) / 31.0f);
    return f;
  }

  static constexpr std::string_view name = "text_unet";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("unet", unet);
    visit("vocabulary", vocabulary, at_least(2).remark("padding and at least one word"));
    visit("text_width", text_width, between(1, 1 << 16));
    visit("frequencies", frequencies);
  }
};

/// U-Net conditioned on a noise level and a text: the condition is SiLU(time MLP(Fourier features) + text MLP(bag of
/// words)). x[N, H W C] (already scaled by in(t)), times[N], contexts[N] to the raw output o[N, H W C].
template <class T>
class text_unet_network {
 public:
  using context_type = token_list;
  static constexpr std::string_view name = text_unet_options::name;
  struct tape {
    typename mlp<T>::tape time, text;
    typename bag_of_words<T>::tape words;
    typename elementwise<T, silu>::tape condition;
    typename unet<T>::tape unet;
  };

  text_unet_network() = default;
  text_unet_network(parameter_layout& layout, const text_unet_options& o) : options_(o) {
    check_settings(o);
    if (options_.frequencies.empty()) options_.frequencies = text_unet_options::default_frequencies();
    const index_t width = o.unet.condition;
    time_ = mlp<T>(layout, "time", {2 * static_cast<index_t>(options_.frequencies.size()), width, width});
    words_ = bag_of_words<T>(layout, "words", o.vocabulary, o.text_width);
    text_ = mlp<T>(layout, "text", {o.text_width, width, width});
    unet_ = unet<T>(layout, "unet", o.unet);
  }

  [[nodiscard]] const text_unet_options& options() const { return options_; }
  [[nodiscard]] index_t sample_size() const {
    return options_.unet.height * options_.unet.width * options_.unet.channels;
  }
  [[nodiscard]] std::span<const float> frequencies() const { return options_.frequencies; }
  [[nodiscard]] static constexpr row_groups groups(bool on_host) { return row_groups::of_pictures(on_host); }
  /// The empty text, of which the network sees zeros; for guidance train a share of the rows under it.
  [[nodiscard]] static token_list unconditional() { return {}; }
  /// Refuses tokens beyond the table of words, which would be read from memory that is not the table's.
  void expect_known(const context_rows<token_list>& contexts) const {
    detail::expect_known_words(contexts, options_.vocabulary, name);
  }

  /// Low-rank adapters on the time and text MLPs, the conditioning, the 1x1 skips and the attention projections.
  void adapt(parameter_layout& adapters, const lora_options& o) {
    time_.adapt(adapters, o);
    text_.adapt(adapters, o);
    unet_.adapt(adapters, o);
  }

  template <class Pass>
  matrix<T> forward(Pass& p, matrix<const T> x, vec<const float> times, context_rows<token_list> contexts,
                    tape& kept) const {
    const vec<token_list> texts = p.memory.template allocate<token_list, 1>({x.rows()});
    p.executor.for_each(x.rows(), detail::gather_contexts<token_list>{contexts, texts.data});
    const matrix<T> fourier = fourier_features<T>(p, times, p.frequencies(options_.frequencies));
    const matrix<T> sum = time_.forward(p, fourier, kept.time);
    const matrix<T> text = text_.forward(p, words_.forward(p, token_matrix(texts), kept.words), kept.text);
    p.executor.for_each(sum.size(), detail::add_into<T>{text.data, sum.data});
    const matrix<T> condition = elementwise<T, silu>{}.forward(p, sum, kept.condition);
    return {unet_.forward(p, pictures(x), condition, kept.unet).data, x.extents};
  }

  /// Adds parameter gradients; returns the gradient of x.
  template <class Pass>
  matrix<T> backward(Pass& p, matrix<const T> gy, const tape& kept) const {
    matrix<T> condition = p.memory.template allocate<T, 2>(kept.condition.x.extents);
    p.executor.for_each(condition.size(), detail::fill<T>{condition.data, T(0)});
    const images<T> gx = unet_.backward_first(p, pictures(gy), condition, kept.unet);
    const matrix<T> sum = elementwise<T, silu>{}.backward(p, condition, kept.condition);
    words_.backward(p, text_.backward(p, sum, kept.text), kept.words);
    time_.backward(p, sum, kept.time);
    return {gx.data, gy.extents};
  }

 private:
  [[nodiscard]] images<const T> pictures(matrix<const T> rows) const {
    const unet_options& u = options_.unet;
    return {rows.data, {rows.rows(), u.height, u.width, u.channels}};
  }

  text_unet_options options_;
  mlp<T> time_, text_;
  bag_of_words<T> words_;
  unet<T> unet_;
};

}  // namespace fewstep
