// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/backend.hpp>
#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/generator/guidable.hpp>
#include <fewstep/generator/guidance_rows.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace fewstep {

namespace detail {

// What a generator may have, and a guided one then has too.
template <class G>
concept has_layout = requires(const G& g) {
  g.layout();
};
template <class G>
concept has_words = requires(const G& g) {
  g.words();
};
template <class G, class... Missing>
concept has_encode = requires(const G& g, const std::string& prompt, Missing... missing) {
  { g.encode(prompt, missing...) } -> std::same_as<typename G::context_type>;
};
template <class G>
concept has_expect_known = requires(const G& g, std::span<const typename G::context_type> contexts) {
  g.expect_known(contexts);
};

}  // namespace detail

struct guided_options {
  float scale = 5;  ///< g; 1: no guidance, 0: no condition

  static constexpr std::string_view name = "guided";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("scale", scale);
  }
};

/// Classifier-free guidance as a generator: Ho and Salimans 2022 (arXiv:2207.12598), equation (6), where g = 1 + w,
///
///   o = o_u + g (o_c - o_u),
///
/// with o_c the network's output under the row's context and o_u that under its unconditional() one. It is in predict,
/// forward and backward alike, so every algorithm samples and trains the guided model, as DDPO does (Black et al. 2023,
/// arXiv:2305.13301); the gradient goes through both outputs. At a given x and t the clean prediction f = skip x + out
/// o is affine in o, and so is noise or velocity: guiding one guides them all.
///
/// Both outputs come from one batch of twice the rows, which lie in pairs: sums over rows have the same order, and
/// gradients the same bits, however a batch is cut. Contexts are not copied, but for one that asks for nothing. A scale
/// of 1 leaves rows and bits to the generator alone.
///
///   fewstep::guided model(backend, generator, {.scale = 5.0f});
///
/// Generator is any guidable one; it is held by reference, keeps the parameters, and must outlive this.
template <class Backend, class Generator,
          bool Fits = detail::require_backend<Backend>() && detail::require_predictor<Generator, Backend>() &&
                      detail::require_guidable<Generator>()>
class guided {
  static constexpr bool trains = generator<Generator, Backend>;
  static constexpr bool differentiates = differentiable_generator<Generator, Backend>;

 public:
  using context_type = typename Generator::context_type;
  using options = guided_options;

  /// The network's own workspace and the rows in pairs.
  class workspace_type {
    friend guided;

    workspace_type(Backend& backend, const guided& model, index_t rows)
        : inner_(detail::make_workspace(backend, *model.model_, model.evaluated(rows))),
          rows_(rows),
          room_(model.room(backend, rows)),
          x_(backend, {2 * room_, model.sample_size()}),
          o_(backend, {2 * room_, model.sample_size()}),
          times_(backend, {2 * room_}),
          which_(backend, {2 * room_}),
          x_gradient_(backend, {2 * model.differentiated(rows), model.sample_size()}) {}

    [[nodiscard]] matrix<float> outputs(index_t rows) { return o_.view().subview(0, 2 * rows); }
    void expect_room(const char* call, index_t rows) const {
      expects(rows <= rows_, [&] {
        return message(call, " got ", rows, " rows but the workspace was made for ", rows_, "; make a larger one");
      });
    }

    workspace_of<Generator> inner_;
    index_t rows_, room_;
    tensor<float, 2, Backend> x_, o_;
    tensor<float, 1, Backend> times_;
    tensor<std::int32_t, 1, Backend> which_;
    tensor<float, 2, Backend> x_gradient_;
  };

  guided(Backend& backend, Generator& model, guided_options o = {})
      : model_(&model), scale_(checked(o).scale), unconditional_(backend, 1, model.unconditional()) {
    unconditional_.upload(backend);
  }
  guided(Backend&, Generator&&, guided_options = {}) = delete;

  static constexpr std::string_view name = options::name;
  template <class Visitor>
  void settings(Visitor& visit) const {
    options{scale_}.settings(visit);
    visit.part("unguided", *model_);
  }

  [[nodiscard]] float scale() const { return scale_; }
  /// The generator that is guided.
  [[nodiscard]] Generator& unguided() const { return *model_; }

  [[nodiscard]] index_t sample_size() const { return model_->sample_size(); }
  [[nodiscard]] auto preconditioner() const { return model_->preconditioner(); }
  [[nodiscard]] index_t row_block() const { return row_block_of(*model_); }
  [[nodiscard]] vec<float> parameters() requires trains { return model_->parameters(); }
  [[nodiscard]] vec<float> gradients() requires trains { return model_->gradients(); }
  void parameters_changed() requires requires(Generator& g) { g.parameters_changed(); }
  { model_->parameters_changed(); }
  /// Of the generator, and the one context that asks for nothing.
  [[nodiscard]] std::size_t held_bytes(bool trained) const {
    return (saturated_size(detail::held_bytes(*model_, trained)) + sizeof(context_type)).value();
  }
  [[nodiscard]] const auto& layout() const requires detail::has_layout<Generator> { return model_->layout(); }
  [[nodiscard]] const auto& words() const requires detail::has_words<Generator> { return model_->words(); }
  /// With or without missing_words, as the generator takes it.
  template <class... Missing>
  requires detail::has_encode<Generator, Missing...>
  [[nodiscard]] context_type encode(const std::string& prompt, Missing... missing) const {
    return model_->encode(prompt, missing...);
  }
  void expect_known(std::span<const context_type> contexts) const requires detail::has_expect_known<Generator> {
    model_->expect_known(contexts);
  }

  [[nodiscard]] workspace_type make_workspace(Backend& backend, index_t rows) const {
    return workspace_type(backend, *this, rows);
  }
  [[nodiscard]] std::size_t workspace_bytes(const Backend& backend, index_t rows) const {
    const saturated_size size = saturated_size(sample_size()) * sizeof(float);
    const saturated_size paired = room(backend, rows), differentiated = this->differentiated(rows);
    return (detail::workspace_bytes(backend, *model_, evaluated(rows)) +
            2 * paired * (2 * size + sizeof(float) + sizeof(std::int32_t)) + 2 * differentiated * size)
        .value();
  }

  void predict(Backend& backend, batch<context_type> rows, matrix<float> o, workspace_type& workspace) {
    if (!guides()) return detail::predict(backend, *model_, rows, o, workspace.inner_);
    check(rows.contexts);
    for (index_t first = 0; first < rows.rows(); first += workspace.room_) {
      const index_t n = std::min(workspace.room_, rows.rows() - first);
      const batch<context_type> pairs = pair(backend, rows.subview(first, n), workspace);
      detail::predict(backend, *model_, pairs, workspace.outputs(n), workspace.inner_);
      guide(backend, workspace.outputs(n), o.subview(first, n));
    }
  }

  void forward(Backend& backend, batch<context_type> rows, matrix<float> o, workspace_type& workspace) requires trains {
    workspace.expect_room("guided: forward", rows.rows());
    if (!guides()) return detail::forward(backend, *model_, rows, o, workspace.inner_);
    check(rows.contexts);
    detail::forward(backend, *model_, pair(backend, rows, workspace), workspace.outputs(rows.rows()), workspace.inner_);
    guide(backend, workspace.outputs(rows.rows()), o);
  }

  void backward(Backend& backend, batch<context_type> rows, matrix<const float> o_gradient,
                workspace_type& workspace) requires trains {
    workspace.expect_room("guided: backward", rows.rows());
    if (!guides()) return detail::backward(backend, *model_, rows, o_gradient, workspace.inner_);
    const batch<context_type> pairs = pair_gradient(backend, rows, o_gradient, workspace);
    detail::backward(backend, *model_, pairs, workspace.outputs(rows.rows()), workspace.inner_);
  }

  /// As above, and writes the gradient of the states.
  void backward(Backend& backend, batch<context_type> rows, matrix<const float> o_gradient, matrix<float> x_gradient,
                workspace_type& workspace) requires differentiates {
    workspace.expect_room("guided: backward", rows.rows());
    if (!guides()) return detail::backward(backend, *model_, rows, o_gradient, x_gradient, workspace.inner_);
    const batch<context_type> pairs = pair_gradient(backend, rows, o_gradient, workspace);
    const matrix<float> gradient = workspace.x_gradient_.view().subview(0, 2 * rows.rows());
    detail::backward(backend, *model_, pairs, workspace.outputs(rows.rows()), gradient, workspace.inner_);
    for_each_row(backend, rows.rows(), detail::add_pairs{gradient, x_gradient});
  }

 private:
  [[nodiscard]] bool guides() const { return scale_ != 1.0f; }
  /// Rows that the network is given for so many.
  [[nodiscard]] index_t evaluated(index_t rows) const { return guides() ? 2 * rows : rows; }
  /// Rows that are paired at a time: all of forward's, and enough for all threads in a workspace made for few.
  [[nodiscard]] index_t room(const Backend& backend, index_t rows) const {
    return guides() ? std::max(rows, row_block() * backend.threads()) : 0;
  }

  /// Pairs whose gradients by the state are kept.
  [[nodiscard]] index_t differentiated(index_t rows) const { return guides() && differentiates ? rows : 0; }

  /// Refuses unknown contexts by the caller's numbers of the rows.
  void check([[maybe_unused]] const context_rows<context_type>& contexts) const {
    if constexpr (on_host<Backend> && requires { model_->expect_known(contexts); })
      model_->expect_known(contexts);
    else if constexpr (on_host<Backend> && detail::has_expect_known<Generator>)
      for (index_t r = 0; r < contexts.size(); ++r) model_->expect_known(std::span(&contexts[r], 1));
  }
  /// The rows in pairs, under the contexts where they lie.
  batch<context_type> pair(Backend& backend, const batch<context_type>& rows, workspace_type& workspace) const {
    for_each_row(
        backend, rows.rows(),
        detail::pair_rows<context_type>{rows, workspace.x_.view(), workspace.times_.view(), workspace.which_.view()});
    const index_t n = 2 * rows.rows();
    return {workspace.x_.view().subview(0, n),
            workspace.times_.view().subview(0, n),
            {rows.contexts.values, workspace.which_.data(), n, unconditional_.device()}};
  }
  /// The rows again, as a prediction may have been in between, and the gradients of their outputs.
  batch<context_type> pair_gradient(Backend& backend, const batch<context_type>& rows, matrix<const float> o_gradient,
                                    workspace_type& workspace) const {
    const batch<context_type> pairs = pair(backend, rows, workspace);
    for_each_row(backend, rows.rows(), detail::guide_gradient_rows{o_gradient, workspace.outputs(rows.rows()), scale_});
    return pairs;
  }
  /// One copy for predict and forward, which must round alike.
  [[gnu::noinline]] void guide(Backend& backend, matrix<const float> pairs, matrix<float> o) const {
    for_each_row(backend, o.rows(), detail::guide_rows{pairs, o, scale_});
  }
  /// kernel(r) for all rows; a host's threads get a few neighbours at a time.
  template <class Kernel>
  static void for_each_row(Backend& backend, index_t rows, const Kernel& kernel) {
    if constexpr (on_host<Backend>) {
      constexpr index_t together = 32;
      backend.parallel_for((rows + together - 1) / together, [&](auto&, int, index_t block) {
        const Kernel of_row = kernel;
        for (index_t r = block * together; r < std::min(rows, (block + 1) * together); ++r) of_row(r);
      });
    } else {
      backend.for_each(rows, kernel);
    }
  }

  Generator* model_;
  float scale_;
  mirrored<context_type, Backend> unconditional_;
};

/// Stands in where Generator does not fit: what is missing has been said.
template <class Backend, class Generator>
class guided<Backend, Generator, false> {
 public:
  guided(Backend&, Generator&, guided_options = {}) {}
};

}  // namespace fewstep
