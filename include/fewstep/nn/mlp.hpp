// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/nn/activation.hpp>
#include <fewstep/nn/linear.hpp>

#include <string>
#include <vector>

namespace fewstep {

/// Multilayer perceptron: linear layers with `Activation` between them, x[M, widths.front()] to y[M, widths.back()].
/// Layers are named as in PyTorch's Sequential: name.0, name.2, ...
template <class T, class Activation = silu>
class mlp {
 public:
  struct tape {
    std::vector<typename linear<T>::tape> layers;
    std::vector<typename elementwise<T, Activation>::tape> activations;
  };

  mlp() = default;
  mlp(parameter_layout& layout, const std::string& name, const std::vector<index_t>& widths, float last_gain = 1.0f) {
    expects(widths.size() >= 2, [&] {
      return message("mlp: '", name, "' has ", widths.size(), " widths; give at least the input's and the output's");
    });
    for (std::size_t i = 0; i + 1 < widths.size(); ++i)
      layers_.emplace_back(layout, message(name, '.', 2 * i), widths[i], widths[i + 1],
                           typename linear<T>::options{.gain = i + 2 == widths.size() ? last_gain : 1.0f});
  }

  void adapt(parameter_layout& adapters, const lora_options& o) {
    for (auto& layer : layers_) layer.adapt(adapters, o);
  }

  template <class Pass>
  matrix<T> forward(Pass& p, matrix<const T> x, tape& kept) const {
    kept.layers.resize(layers_.size());
    kept.activations.resize(layers_.size());
    matrix<T> y = layers_[0].forward(p, x, kept.layers[0]);
    for (std::size_t i = 1; i < layers_.size(); ++i) {
      const matrix<T> hidden = elementwise<T, Activation>{}.forward(p, y, kept.activations[i]);
      y = layers_[i].forward(p, hidden, kept.layers[i]);
    }
    return y;
  }

  template <class Pass>
  matrix<T> backward(Pass& p, matrix<const T> gy, const tape& kept) const {
    matrix<T> g = layers_.back().backward(p, gy, kept.layers.back());
    for (std::size_t i = layers_.size() - 1; i > 0; --i) {
      const matrix<T> hidden = elementwise<T, Activation>{}.backward(p, g, kept.activations[i]);
      g = layers_[i - 1].backward(p, hidden, kept.layers[i - 1]);
    }
    return g;
  }

 private:
  std::vector<linear<T>> layers_;
};

}  // namespace fewstep
