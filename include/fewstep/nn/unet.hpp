// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/nn/attention.hpp>
#include <fewstep/nn/resample.hpp>
#include <fewstep/nn/residual_block.hpp>

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace fewstep {

struct unet_options {
  index_t height = 32, width = 32, channels = 3;  ///< of the image
  index_t patch = 2;                              ///< pixels are packed patch x patch into channels first
  std::vector<index_t> widths = {48, 96};         ///< channels of each resolution, halved from one to the next
  index_t encoder_blocks = 2, middle_blocks = 3, decoder_blocks = 2;
  index_t heads = 1;        ///< of the attention after the first middle block; 0 leaves it out
  index_t condition = 128;  ///< width of the conditioning vector
  index_t groups = 8;

  /// Sizes are at most 65536, so that products of them stay within an index.
  static constexpr std::string_view name = "unet";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("height", height, between(1, 1 << 16));
    visit("width", width, between(1, 1 << 16));
    visit("channels", channels, between(1, 1 << 16));
    visit("patch", patch, between(1, 1 << 16));
    visit("widths", widths, between(1, 1 << 16));
    visit("encoder_blocks", encoder_blocks, between(1, 1 << 16));
    visit("middle_blocks", middle_blocks, between(1, 1 << 16));
    visit("decoder_blocks", decoder_blocks, between(1, 1 << 16));
    visit("heads", heads, between(0, 1 << 16));
    visit("condition", condition, between(1, 1 << 16));
    visit("groups", groups, between(1, 1 << 16));
  }
};

/// U-Net (Ronneberger et al. 2015; Ho et al. 2020) over channels-last images x[N,H,W,C] with a conditioning vector
/// [N,E]: pixel-unshuffle; at each resolution residual blocks, kept for the decoder, and a stride-2 convolution; in the
/// middle residual blocks with attention after the first; then nearest up-sampling, a convolution, the kept features
/// concatenated, residual blocks; pixel-shuffle. The last convolution starts at zero.
template <class T>
class unet {
  using block = residual_block<T>;

 public:
  struct level_tape {
    std::vector<typename block::tape> encoder, decoder;
    typename conv2d<T>::tape down, up;
  };
  struct tape {
    typename conv2d<T>::tape in, out;
    typename group_norm<T>::tape norm;
    std::vector<level_tape> levels;
    std::vector<typename block::tape> middle;
    typename self_attention<T>::tape attention;
    std::vector<images<const T>> kept;
  };

  unet() = default;
  unet(parameter_layout& layout, const std::string& name, const unet_options& o) : options_(o) {
    check(name);
    const index_t packed = o.channels * o.patch * o.patch;
    in_ = conv2d<T>(layout, name + ".in", packed, o.widths.front());
    levels_.resize(o.widths.size() - 1);
    for (std::size_t i = 0; i < levels_.size(); ++i) {
      auto& level = levels_[i];
      const index_t width = o.widths[i], below = o.widths[i + 1];
      for (index_t b = 0; b < o.encoder_blocks; ++b)
        level.encoder.push_back(make_block(layout, message(name, ".encoder.", i, '.', b), width, width));
      level.down = conv2d<T>(layout, message(name, ".down.", i), width, below, {.stride = 2});
    }
    const index_t deepest = o.widths.back();
    for (index_t b = 0; b < o.middle_blocks; ++b)
      middle_.push_back(make_block(layout, message(name, ".middle.", b), deepest, deepest));
    if (o.heads > 0) attention_ = self_attention<T>(layout, name + ".attention", deepest, o.heads, o.groups);
    for (std::size_t i = levels_.size(); i-- > 0;) {
      auto& level = levels_[i];
      const index_t width = o.widths[i], below = o.widths[i + 1];
      level.up = conv2d<T>(layout, message(name, ".up.", i), below, width);
      for (index_t b = 0; b < o.decoder_blocks; ++b)
        level.decoder.push_back(
            make_block(layout, message(name, ".decoder.", i, '.', b), b == 0 ? 2 * width : width, width));
    }
    norm_ = group_norm<T>(layout, name + ".norm", o.widths.front(), o.groups, activation::silu);
    out_ = conv2d<T>(layout, name + ".out", o.widths.front(), packed, {.gain = 0.0f});
  }

  [[nodiscard]] const unet_options& options() const { return options_; }

  void adapt(parameter_layout& adapters, const lora_options& o) {
    for (auto& level : levels_)
      for (auto* blocks : {&level.encoder, &level.decoder})
        for (auto& b : *blocks) b.adapt(adapters, o);
    for (auto& b : middle_) b.adapt(adapters, o);
    if (options_.heads > 0) attention_.adapt(adapters, o);
  }

  /// x[N,H,W,C], condition[N,E] to y[N,H,W,C].
  template <class Pass>
  images<T> forward(Pass& p, images<const T> x, matrix<const T> condition, tape& kept) const {
    prepare(kept);
    images<T> h = in_.forward(p, pixel_unshuffle<T>(p, x, options_.patch, p.weight_inputs()), kept.in);
    for (std::size_t i = 0; i < levels_.size(); ++i) {
      for (std::size_t b = 0; b < levels_[i].encoder.size(); ++b)
        h = levels_[i].encoder[b].forward(p, h, condition, kept.levels[i].encoder[b]);
      kept.kept[i] = h;
      h = levels_[i].down.forward(p, h, kept.levels[i].down);
    }
    for (std::size_t b = 0; b < middle_.size(); ++b) {
      h = middle_[b].forward(p, h, condition, kept.middle[b]);
      if (b == 0 && options_.heads > 0) h = attention_.forward(p, h, kept.attention);
    }
    for (std::size_t i = levels_.size(); i-- > 0;) {
      h = levels_[i].up.forward(p, upsample_nearest<T>(p, h, p.weight_inputs()), kept.levels[i].up, p.temporaries());
      h = concatenate<T>(p, h, kept.kept[i]);
      for (std::size_t b = 0; b < levels_[i].decoder.size(); ++b)
        h = levels_[i].decoder[b].forward(p, h, condition, kept.levels[i].decoder[b]);
    }
    h = norm_.forward(p, h, kept.norm, nullptr, p.weight_inputs());
    return pixel_shuffle<T>(p, out_.forward(p, h, kept.out, p.temporaries()), options_.patch);
  }

  /// Adds parameter gradients, and the gradient of the condition to `condition_gradient`; returns the gradient of x.
  template <class Pass>
  images<T> backward(Pass& p, images<const T> gy, matrix<T> condition_gradient, const tape& kept) const {
    const images<T> g = backward_to_first(p, gy, condition_gradient, kept);
    return pixel_shuffle<T>(p, in_.backward(p, g, kept.in), options_.patch);
  }
  /// backward of the first module of a network: returns nothing where nobody wants the gradient of the input.
  template <class Pass>
  images<T> backward_first(Pass& p, images<const T> gy, matrix<T> condition_gradient, const tape& kept) const {
    if (p.arrays.input_gradient) return backward(p, gy, condition_gradient, kept);
    in_.backward_weight(p, backward_to_first(p, gy, condition_gradient, kept), kept.in);
    return {};
  }

 private:
  static constexpr std::size_t max_levels = 8;
  struct resolution {
    std::vector<block> encoder, decoder;
    conv2d<T> down, up;
  };

  /// Up to the first convolution, whose output's gradient it returns.
  template <class Pass>
  images<T> backward_to_first(Pass& p, images<const T> gy, matrix<T> condition_gradient, const tape& kept) const {
    images<T> g = out_.backward(p, pixel_unshuffle<T>(p, gy, options_.patch), kept.out);
    g = norm_.backward(p, g, kept.norm);
    std::array<images<T>, max_levels> skips{};
    for (std::size_t i = 0; i < levels_.size(); ++i) {
      for (std::size_t b = levels_[i].decoder.size(); b-- > 0;)
        g = levels_[i].decoder[b].backward(p, g, condition_gradient, kept.levels[i].decoder[b]);
      const index_t width = options_.widths[i];
      skips[i] = channel_slice<T>(p, g, width, width);
      g = levels_[i].up.backward(p, channel_slice<T>(p, g, 0, width), kept.levels[i].up);
      g = upsample_nearest_backward<T>(p, g);
    }
    for (std::size_t b = middle_.size(); b-- > 0;) {
      if (b == 0 && options_.heads > 0) g = attention_.backward(p, g, kept.attention);
      g = middle_[b].backward(p, g, condition_gradient, kept.middle[b]);
    }
    for (std::size_t i = levels_.size(); i-- > 0;) {
      g = levels_[i].down.backward(p, g, kept.levels[i].down);
      p.executor.for_each(g.size(), detail::add_into<T>{skips[i].data, g.data});
      for (std::size_t b = levels_[i].encoder.size(); b-- > 0;)
        g = levels_[i].encoder[b].backward(p, g, condition_gradient, kept.levels[i].encoder[b]);
    }
    return g;
  }

  block make_block(parameter_layout& layout, const std::string& name, index_t in, index_t out) const {
    return block(layout, name, in, out, options_.condition, options_.groups);
  }
  void check(const std::string& name) const {
    const auto& o = options_;
    expects(!o.widths.empty() && o.widths.size() <= max_levels,
            [&] { return message("unet: '", name, "' has ", o.widths.size(), " widths; give 1 to ", max_levels); });
    check_settings(o);
    const index_t factor = o.patch << (o.widths.size() - 1);
    expects(o.height % factor == 0 && o.width % factor == 0, [&] {
      return message("unet: pictures of ", o.height, " x ", o.width, " cannot be halved ", o.widths.size() - 1,
                     " times after patches of ", o.patch, "; both sides must be multiples of ", factor);
    });
  }
  /// Sizes the tape's lists; allocates on first use only.
  void prepare(tape& kept) const {
    kept.levels.resize(levels_.size());
    kept.kept.resize(levels_.size());
    kept.middle.resize(middle_.size());
    for (std::size_t i = 0; i < levels_.size(); ++i) {
      kept.levels[i].encoder.resize(levels_[i].encoder.size());
      kept.levels[i].decoder.resize(levels_[i].decoder.size());
    }
  }

  unet_options options_;
  conv2d<T> in_, out_;
  std::vector<resolution> levels_;
  std::vector<block> middle_;
  self_attention<T> attention_;
  group_norm<T> norm_;
};

}  // namespace fewstep
