// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/nn/parameters.hpp>
#include <fewstep/nn/pass.hpp>

#include <cmath>
#include <optional>
#include <string>
#include <string_view>

namespace fewstep {

/// Low-rank adaptation (Hu et al. 2021): y += (alpha / rank) (x A) B with A [in, rank] normal of variance 1/rank and
/// B [rank, out] zero at the start. The adapters live in flat arrays of their own; the base stays frozen.
struct lora_options {
  index_t rank = 16;
  float alpha = 32;

  static constexpr std::string_view name = "lora";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("rank", rank, at_least(1));
    visit("alpha", alpha, above(0));
  }
};

/// y[M,out] = x[M,in] W + bias. A 1x1 convolution over channels-last pixels is this layer with `as_convolution`, which
/// only changes the layout of its file: weight [out, in, 1, 1], and adapters [rank, in, 1, 1] and [out, rank, 1, 1], as
/// PEFT has them.
template <class T>
class linear {
 public:
  struct tape {
    matrix<const T> x;
    matrix<const T> reduced;  ///< x A of the adapter, [M, rank]
  };
  struct options {
    bool as_convolution = false;
    float gain = 1.0f;  ///< of the initial deviation gain / sqrt(in); 0 starts at zero

    static constexpr std::string_view name = "linear";
    template <class Visitor>
    void settings(Visitor& visit) const {
      visit("as_convolution", as_convolution);
      visit("gain", gain, at_least(0));
    }
  };

  linear() = default;
  linear(parameter_layout& layout, const std::string& name, index_t in, index_t out, options o = {})
      : name_(name), in_(in), out_(out), as_convolution_(o.as_convolution) {
    check_settings(message("linear '", name_, "'"), o);
    weight_ = add_matrix(layout, ".weight", in, out, o.gain / std::sqrt(static_cast<float>(in)));
    bias_ = layout.add_constant(name + ".bias", out, 0);
  }

  /// Adds a low-rank adapter whose parameters are reserved in `adapters`.
  void adapt(parameter_layout& adapters, const lora_options& o) {
    check_settings(message("lora of '", name_, "'"), o);
    low_rank_ = low_rank{};
    low_rank_->rank = o.rank;
    low_rank_->scale = static_cast<T>(o.alpha) / static_cast<T>(o.rank);
    low_rank_->a = add_matrix(adapters, ".lora_A.weight", in_, o.rank, 1.0f / std::sqrt(static_cast<float>(o.rank)));
    low_rank_->b = add_matrix(adapters, ".lora_B.weight", o.rank, out_, 0);
  }

  [[nodiscard]] index_t in() const { return in_; }
  [[nodiscard]] index_t out() const { return out_; }

  template <class Pass>
  matrix<T> forward(Pass& p, matrix<const T> x, tape& kept) const {
    return forward(p, x, kept, p.memory);
  }
  /// The result from an arena of one's own.
  template <class Pass>
  matrix<T> forward(Pass& p, matrix<const T> x, tape& kept, arena& result) const {
    const index_t rows = x.rows();
    matrix<T> y = result.template allocate<T, 2>({rows, out_});
    product(p.executor, x, matrix<const T>{p.parameter(weight_), {in_, out_}}, y, false, p.parameter(bias_));
    kept.x = x;
    if (low_rank_) {
      matrix<T> reduced = p.memory.template allocate<T, 2>({rows, low_rank_->rank});
      product(p.executor, x, a(p), reduced);
      p.executor.for_each(reduced.size(), detail::scale_by<T>{reduced.data, low_rank_->scale});
      product(p.executor, matrix<const T>(reduced), b(p), y, true);
      kept.reduced = reduced;
    }
    return y;
  }

  template <class Pass>
  matrix<T> backward(Pass& p, matrix<const T> gy, const tape& kept) const {
    matrix<T> gx = p.memory.template allocate<T, 2>({gy.rows(), in_});
    product(p.executor, gy, matrix<const T>{p.transposed(weight_), {out_, in_}}, gx);
    if (p.trains_parameters()) {
      product_tn_add(p.executor, kept.x, gy, matrix<T>{p.gradient(weight_), {in_, out_}});
      add_column_sums(p.executor, gy, vec<T>{p.gradient(bias_), {out_}});
    }
    if (low_rank_) {
      matrix<T> g = p.memory.template allocate<T, 2>({gy.rows(), low_rank_->rank});
      product_nt(p.executor, gy, b(p), g);
      p.executor.for_each(g.size(), detail::scale_by<T>{g.data, low_rank_->scale});
      product_nt(p.executor, matrix<const T>(g), a(p), gx, true);
      if (p.arrays.adapter_gradients != nullptr) {
        product_tn_add(p.executor, kept.reduced, gy,
                       matrix<T>{p.adapter_gradient(low_rank_->b), {low_rank_->rank, out_}});
        product_tn_add(p.executor, kept.x, matrix<const T>(g),
                       matrix<T>{p.adapter_gradient(low_rank_->a), {in_, low_rank_->rank}});
      }
    }
    return gx;
  }

 private:
  struct low_rank {
    index_t rank = 0, a = 0, b = 0;
    T scale = 0;
  };
  /// Of `rows` inputs and `cols` outputs; in the file of a convolution, a kernel of one tap.
  index_t add_matrix(parameter_layout& layout, const char* suffix, index_t rows, index_t cols, float deviation) const {
    return as_convolution_ ? layout.add(name_ + suffix, slice_kind::convolution, {1, 1, rows, cols}, 0, deviation)
                           : layout.add(name_ + suffix, slice_kind::linear, {rows, cols}, 0, deviation);
  }
  template <class Pass>
  matrix<const T> a(const Pass& p) const {
    return {p.adapter(low_rank_->a), {in_, low_rank_->rank}};
  }
  template <class Pass>
  matrix<const T> b(const Pass& p) const {
    return {p.adapter(low_rank_->b), {low_rank_->rank, out_}};
  }

  std::string name_;
  index_t in_ = 0, out_ = 0, weight_ = 0, bias_ = 0;
  bool as_convolution_ = false;
  std::optional<low_rank> low_rank_;
};

}  // namespace fewstep
