// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/settings.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/generator/conditioning.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/generator/preconditioning.hpp>
#include <fewstep/generator/scale_rows.hpp>
#include <fewstep/nn/embedding.hpp>
#include <fewstep/nn/mlp.hpp>
#include <fewstep/nn/parameters.hpp>

#include <span>
#include <string_view>
#include <vector>

namespace fewstep {

struct value_network_options {
  index_t dimension = 2;
  index_t classes = 0;  ///< of class_conditioning
  std::vector<index_t> hidden = {64, 64};
  std::vector<float> frequencies = {0.5f, 1.0f, 2.0f, 4.0f};

  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("dimension", dimension, at_least(1));
    visit("classes", classes, at_least(0));
    visit("hidden", hidden, at_least(1));
    visit("frequencies", frequencies);
  }
};

/// V(x, t, c) = MLP([in(t) x, Fourier features of t, context]): what the rest of a trajectory is worth from x[M,D] on.
/// It sees what a small generator sees, and is 0 everywhere until it is trained.
template <class T, preconditioning Preconditioning, class Conditioning = class_conditioning>
class value_network {
 public:
  static constexpr std::string_view name = "value_function";
  using context_type = typename Conditioning::context_type;
  using rows_type = batch<context_type>;
  struct tape {
    typename mlp<T>::tape layers;
  };

  value_network(parameter_layout& layout, const value_network_options& o, Preconditioning p)
      : options_(o), preconditioner_(p) {
    std::vector<index_t> widths{input_width()};
    widths.insert(widths.end(), o.hidden.begin(), o.hidden.end());
    widths.push_back(1);
    layers_ = mlp<T>(layout, "value", widths, 0.0f);
  }

  [[nodiscard]] const value_network_options& options() const { return options_; }
  [[nodiscard]] index_t outputs() const { return 1; }
  [[nodiscard]] std::span<const float> frequencies() const { return options_.frequencies; }
  [[nodiscard]] rows_type dry_rows(index_t n) const {
    return {{nullptr, {n, options_.dimension}}, {nullptr, {n}}, {nullptr, {n}}};
  }

  template <class Pass>
  matrix<T> forward(Pass& p, const rows_type& rows, tape& kept) const {
    const matrix<T> scaled = p.memory.template allocate<T, 2>(rows.x.extents);
    p.executor.for_each(rows.rows(), detail::scale_rows<Preconditioning>{rows.x, rows.times, scaled, preconditioner_});
    const matrix<T> fourier = fourier_features<T>(p, rows.times, p.frequencies(options_.frequencies));
    const matrix<T> joined = p.memory.template allocate<T, 2>({rows.rows(), input_width()});
    p.executor.for_each(rows.rows(), detail::join_columns<T, Conditioning>{scaled, fourier, rows.contexts, joined});
    return layers_.forward(p, joined, kept.layers);
  }
  template <class Pass>
  matrix<T> backward(Pass& p, matrix<const T> gy, const tape& kept) const {
    return layers_.backward(p, gy, kept.layers);
  }

 private:
  [[nodiscard]] index_t input_width() const {
    const saturated_size width =
        saturated_size(options_.dimension) + 2 * options_.frequencies.size() + Conditioning::width(options_.classes);
    return length_product(width.value());
  }

  value_network_options options_;
  Preconditioning preconditioner_;
  mlp<T> layers_;
};

}  // namespace fewstep
