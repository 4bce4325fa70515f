// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/settings.hpp>
#include <fewstep/nn/linear.hpp>
#include <fewstep/nn/mean_pool.hpp>
#include <fewstep/nn/preactivation_block.hpp>
#include <fewstep/nn/resample.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace fewstep {

struct image_encoder_options {
  index_t height = 32, width = 32, channels = 3;  ///< of the pictures
  index_t patch = 1;                              ///< pixels are packed patch x patch into channels first
  std::vector<index_t> widths = {32, 64};         ///< channels of each resolution, halved from one to the next
  index_t blocks = 1;                             ///< residual blocks at each resolution
  index_t groups = 8;
  index_t features = 64;

  /// Sizes are at most 65536, so that products of them stay within an index.
  static constexpr std::string_view name = "image_encoder";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("height", height, between(1, 1 << 16));
    visit("width", width, between(1, 1 << 16));
    visit("channels", channels, between(1, 1 << 16));
    visit("patch", patch, between(1, 1 << 16));
    visit("widths", widths, between(1, 1 << 16));
    visit("blocks", blocks, between(0, 1 << 16));
    visit("groups", groups, between(1, 1 << 16));
    visit("features", features, between(1, 1 << 16));
  }
};

/// Convolutional encoder of pictures x[N,H,W,C] to features y[N,E]: pixel-unshuffle and a convolution; at each
/// resolution residual blocks, and a stride-2 convolution down to the next; group norm and SiLU; the mean over the
/// positions; a linear layer.
template <class T>
class image_encoder {
  using block = preactivation_block<T>;

 public:
  struct tape {
    typename conv2d<T>::tape in;
    std::vector<typename block::tape> blocks;
    std::vector<typename conv2d<T>::tape> down;
    typename group_norm<T>::tape norm;
    typename linear<T>::tape out;
  };

  image_encoder() = default;
  image_encoder(parameter_layout& layout, const std::string& name, const image_encoder_options& o) : options_(o) {
    check(name);
    in_ = conv2d<T>(layout, name + ".in", o.channels * o.patch * o.patch, o.widths.front());
    for (std::size_t i = 0; i < o.widths.size(); ++i) {
      for (index_t b = 0; b < o.blocks; ++b)
        blocks_.emplace_back(layout, message(name, ".blocks.", i, '.', b), o.widths[i], o.groups);
      if (i + 1 < o.widths.size())
        down_.emplace_back(layout, message(name, ".down.", i), o.widths[i], o.widths[i + 1],
                           typename conv2d<T>::options{.stride = 2});
    }
    norm_ = group_norm<T>(layout, name + ".norm", o.widths.back(), o.groups, activation::silu);
    out_ = linear<T>(layout, name + ".out", o.widths.back(), o.features);
  }

  [[nodiscard]] const image_encoder_options& options() const { return options_; }

  template <class Pass>
  matrix<T> forward(Pass& p, images<const T> x, tape& kept) const {
    kept.blocks.resize(blocks_.size());
    kept.down.resize(down_.size());
    images<T> h = in_.forward(p, pixel_unshuffle<T>(p, x, options_.patch, p.weight_inputs()), kept.in);
    std::size_t next = 0;
    for (std::size_t i = 0; i <= down_.size(); ++i) {
      for (index_t b = 0; b < options_.blocks; ++b, ++next) h = blocks_[next].forward(p, h, kept.blocks[next]);
      if (i < down_.size()) h = down_[i].forward(p, h, kept.down[i]);
    }
    return out_.forward(p, mean_pool<T>(p, norm_.forward(p, h, kept.norm)), kept.out);
  }

  /// Adds parameter gradients; returns the gradient of the pictures.
  template <class Pass>
  images<T> backward(Pass& p, matrix<const T> gy, const tape& kept) const {
    return pixel_shuffle<T>(p, in_.backward(p, backward_to_first(p, gy, kept), kept.in), options_.patch);
  }
  /// backward of the first module of a network: returns nothing where nobody wants the gradient of the pictures.
  template <class Pass>
  images<T> backward_first(Pass& p, matrix<const T> gy, const tape& kept) const {
    if (p.arrays.input_gradient) return backward(p, gy, kept);
    in_.backward_weight(p, backward_to_first(p, gy, kept), kept.in);
    return {};
  }

 private:
  /// Up to the first convolution, whose output's gradient it returns.
  template <class Pass>
  images<T> backward_to_first(Pass& p, matrix<const T> gy, const tape& kept) const {
    const matrix<T> pooled = out_.backward(p, gy, kept.out);
    images<T> g = norm_.backward(p, mean_pool_backward<T>(p, pooled, kept.norm.x.extents), kept.norm);
    std::size_t next = blocks_.size();
    for (std::size_t i = down_.size() + 1; i-- > 0;) {
      if (i < down_.size()) g = down_[i].backward(p, g, kept.down[i]);
      for (index_t b = 0; b < options_.blocks; ++b) {
        --next;
        g = blocks_[next].backward(p, g, kept.blocks[next]);
      }
    }
    return g;
  }

  void check(const std::string& name) const {
    const auto& o = options_;
    constexpr std::size_t max_levels = 8;
    expects(!o.widths.empty() && o.widths.size() <= max_levels, [&] {
      return message("image_encoder: '", name, "' has ", o.widths.size(), " widths; give 1 to ", max_levels);
    });
    check_settings(o);
    const index_t factor = o.patch << (o.widths.size() - 1);
    expects(o.height % factor == 0 && o.width % factor == 0, [&] {
      return message("image_encoder: pictures of ", o.height, " x ", o.width, " cannot be halved ", o.widths.size() - 1,
                     " times after patches of ", o.patch, "; both sides must be multiples of ", factor);
    });
  }

  image_encoder_options options_;
  conv2d<T> in_;
  std::vector<block> blocks_;
  std::vector<conv2d<T>> down_;
  group_norm<T> norm_;
  linear<T> out_;
};

}  // namespace fewstep
