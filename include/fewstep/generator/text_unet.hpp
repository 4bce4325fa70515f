// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/cpu/executor.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/generator/left_out_words.hpp>
#include <fewstep/generator/network_workspace.hpp>
#include <fewstep/generator/scale_rows.hpp>
#include <fewstep/generator/text_unet_network.hpp>
#include <fewstep/generator/vocabulary.hpp>
#include <fewstep/nn/prepared_parameters.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace fewstep {

/// Text-conditioned pixel generator: a U-Net with a bag-of-words text encoder, under the preconditioning of a
/// consistency model (the default) or of a denoiser. Samples are [H, W, C] pictures in [-1, 1], channels last.
///
/// A few pictures are evaluated together by one thread (on a device, 64); the bits of a picture depend on nothing else
/// in the batch, and parameter gradients add up in blocks of row_block() pictures, block after block.
///
/// With `lora` only the adapters are trained: parameters() and gradients() are then theirs.
template <class Backend, preconditioning Preconditioning = edm_consistency>
class text_unet {
  using network = text_unet_network<float>;

 public:
  using context_type = token_list;
  using workspace_type = network_workspace<Backend, typename network::tape>;

  struct options {
    text_unet_options network;
    Preconditioning preconditioner{};
    std::optional<lora_options> lora;
    std::uint64_t seed = 0;
    index_t together = 0;  ///< pictures that go through the network together; 0: 4, on a device 64

    static constexpr std::string_view name = "text_unet";
    template <class Visitor>
    void settings(Visitor& visit) const {
      visit("network", network);
      visit.part("preconditioner", preconditioner);
      visit("lora", lora);
      visit.not_compared("seed", seed);
      visit("together", together, at_least(0).remark("0: the default"));
    }
  };

  text_unet(Backend& backend, vocabulary words, options o)
      : vocabulary_(std::move(words)),
        preconditioner_(o.preconditioner),
        lora_(o.lora),
        together_(o.together > 0 ? o.together : default_together),
        network_(with_vocabulary(o)) {
    if (o.lora) network_.adapt(adapter_layout_, *o.lora);
    const std::vector<float>& frequencies = network_.options().frequencies;
    frequencies_ = tensor<float, 1, Backend>(backend, {static_cast<index_t>(frequencies.size())});
    backend.copy_to_device(frequencies.data(), frequencies_.data(), frequencies_.size());
    parameters_ = tensor<float, 1, Backend>(backend, {layout_.size()});
    adapters_ = tensor<float, 1, Backend>(backend, {adapter_layout_.size()});
    gradients_ = tensor<float, 1, Backend>(backend, {trained_layout().size()});
    initialize(backend, layout_, parameters_, o.seed);
    if (o.lora) initialize(backend, adapter_layout_, adapters_, o.seed + 1);
  }

  static constexpr std::string_view name = options::name;
  template <class Visitor>
  void settings(Visitor& visit) const {
    options{network_.options(), preconditioner_, lora_, 0, together_ == default_together ? 0 : together_}.settings(
        visit);
  }

  text_unet(text_unet&&) noexcept = default;
  text_unet& operator=(text_unet&&) noexcept = default;

  [[nodiscard]] index_t sample_size() const {
    const auto& u = network_.options().unet;
    return u.height * u.width * u.channels;
  }
  [[nodiscard]] Preconditioning preconditioner() const { return preconditioner_; }
  [[nodiscard]] const text_unet_options& network_options() const { return network_.options(); }
  [[nodiscard]] const vocabulary& words() const { return vocabulary_; }
  [[nodiscard]] index_t row_block() const { return on_host<Backend> ? 2 * together_ : together_; }

  /// Context of a prompt. A prompt without a known word is refused; so are unknown words and those beyond the tenth,
  /// unless they are to be left out (left_out_words says which they are).
  [[nodiscard]] token_list encode(const std::string& prompt, missing_words missing = missing_words::refuse) const {
    return detail::encode_text(vocabulary_, prompt, missing, "text_unet");
  }

  /// The empty text, of which the network sees zeros; for guidance train a share of the rows under it.
  [[nodiscard]] token_list unconditional() const { return {}; }

  /// Refuses tokens beyond the table of words, which would be read from memory that is not the table's.
  void expect_known(std::span<const token_list> contexts) const {
    for (std::size_t r = 0; r < contexts.size(); ++r)
      for (const std::int32_t id : contexts[r].ids)
        expects(id >= 0 && id < vocabulary_.size(), [&] {
          return message("text_unet: row ", r, " has the token ", id, ", but tokens are 0 (padding) to ",
                         vocabulary_.size() - 1, "; make contexts with encode()");
        });
  }

  /// What training changes: the adapters if there are any, else all parameters.
  [[nodiscard]] vec<float> parameters() & { return has_adapters() ? adapters_.view() : parameters_.view(); }
  needs_a_named_object parameters() && = delete;
  [[nodiscard]] vec<float> gradients() & { return gradients_.view(); }
  needs_a_named_object gradients() && = delete;
  [[nodiscard]] const parameter_layout& trained_layout() const { return has_adapters() ? adapter_layout_ : layout_; }
  /// The base network's parameters, trained or frozen.
  [[nodiscard]] vec<float> base_parameters() & { return parameters_.view(); }
  needs_a_named_object base_parameters() && = delete;
  [[nodiscard]] const parameter_layout& base_layout() const { return layout_; }
  [[nodiscard]] bool has_adapters() const { return lora_.has_value(); }
  /// Rank and scale of the adapters, if there are any.
  [[nodiscard]] const std::optional<lora_options>& lora() const { return lora_; }

  [[nodiscard]] workspace_type make_workspace(Backend& backend, index_t rows) const {
    typename network::tape tape;
    const auto plan = this->plan(rows, tape);
    return workspace_type(backend, plan, tape);
  }
  [[nodiscard]] std::size_t workspace_bytes(const Backend& backend, index_t rows) const {
    typename network::tape tape;
    return workspace_type::bytes(plan(rows, tape), backend.threads());
  }

  void predict(Backend& backend, batch<token_list> rows, matrix<float> o, workspace_type& workspace) {
    if constexpr (on_host<Backend>) expect_known(as_span(rows.contexts));
    prepare(backend, workspace, false);
    const index_t share = (rows.rows() + backend.threads() - 1) / backend.threads();
    const index_t size = std::clamp<index_t>(share, 1, together_);
    backend.parallel_for(groups(rows.rows(), size), [&](auto& executor, int thread, index_t group) {
      arena memory = workspace.temporaries(thread);
      evaluate(executor, part(rows, group, size), part(o, group, size), memory, workspace.thread_tape(thread),
               workspace.filters().data);
    });
  }

  void forward(Backend& backend, batch<token_list> rows, matrix<float> o, workspace_type& workspace) {
    workspace.expect_room("text_unet: forward", rows.rows());
    if constexpr (on_host<Backend>) expect_known(as_span(rows.contexts));
    prepare(backend, workspace, false);
    backend.parallel_for(groups(rows.rows()), [&](auto& executor, int, index_t group) {
      arena memory = workspace.activations(group);
      evaluate(executor, part(rows, group), part(o, group), memory, workspace.tape(group), workspace.filters().data);
    });
  }

  void backward(Backend& backend, batch<token_list> rows, matrix<const float> o_gradient, workspace_type& workspace) {
    backward(backend, rows, o_gradient, {nullptr, o_gradient.extents}, workspace);
  }

  /// As above, and writes the gradient of the states to x_gradient unless that is null.
  void backward(Backend& backend, batch<token_list> rows, matrix<const float> o_gradient, matrix<float> x_gradient,
                workspace_type& workspace) {
    workspace.expect_room("text_unet: backward", rows.rows());
    prepare(backend, workspace, true);
    const index_t n = groups(rows.rows()), in_block = row_block() / together_, blocks = (n + in_block - 1) / in_block;
    accumulate_in_order(
        backend, workspace, blocks, gradients(), [&](auto& executor, int thread, index_t block, vec<float> partial) {
          network_arrays<float> arrays = this->arrays();
          arrays.transposed = workspace.transposed().data;
          arrays.filters = workspace.filters().data;
          (has_adapters() ? arrays.adapter_gradients : arrays.parameter_gradients) = partial.data;
          for (index_t g = block * in_block; g < std::min(n, (block + 1) * in_block); ++g) {
            arena memory = workspace.temporaries(thread);
            pass<float, std::remove_reference_t<decltype(executor)>> p{executor, arrays, memory};
            const images<float> gx = network_.backward(p, pictures(part(o_gradient, g)), workspace.tape(g));
            if (x_gradient.data != nullptr)
              executor.for_each(part(x_gradient, g).rows(),
                                detail::scale_rows<Preconditioning>{{gx.data, {gx.rows(), sample_size()}},
                                                                    part(rows, g).times,
                                                                    part(x_gradient, g),
                                                                    preconditioner_});
          }
        });
  }

 private:
  /// More pictures at a time use the weights more often, and their activations leave a core's second-level cache. A
  /// device wants enough of them to be busy everywhere.
  static constexpr index_t default_together = on_host<Backend> ? 4 : 64;

  static index_t groups(index_t rows, index_t size) { return parts_of(rows, size); }
  [[nodiscard]] index_t groups(index_t rows) const { return groups(rows, together_); }
  template <class Rows>
  static Rows part(Rows rows, index_t group, index_t size) {
    return rows.subview(group * size, std::min(size, rows.rows() - group * size));
  }
  template <class Rows>
  [[nodiscard]] Rows part(Rows rows, index_t group) const {
    return part(rows, group, together_);
  }
  void prepare(Backend& backend, workspace_type& workspace, bool backwards) const {
    prepare_parameters(backend, layout_,
                       {parameters_.data(), workspace.transposed().data, workspace.filters().data, backwards});
  }

  network with_vocabulary(options& o) {
    o.network.vocabulary = vocabulary_.size();
    check_settings(o);
    return network(layout_, o.network);
  }
  static void initialize(Backend& backend, const parameter_layout& layout, tensor<float, 1, Backend>& values,
                         std::uint64_t seed) {
    std::vector<float> host(static_cast<std::size_t>(layout.size()));
    layout.initialize(as_vec(std::span(host)), seed);
    backend.copy_to_device(host.data(), values.data(), layout.size());
  }

  [[nodiscard]] network_arrays<float> arrays() const {
    return {.parameters = parameters_.data(),
            .adapters = has_adapters() ? adapters_.data() : nullptr,
            .frequencies = frequencies_.data()};
  }
  template <class U>
  [[nodiscard]] images<U> pictures(matrix<U> rows) const {
    const auto& u = network_.options().unet;
    return {rows.data, {rows.rows(), u.height, u.width, u.channels}};
  }

  template <class Executor>
  void evaluate(Executor& executor, batch<token_list> rows, matrix<float> o, arena& memory,
                typename network::tape& tape, const float* filters) const {
    network_arrays<float> arrays = this->arrays();
    arrays.filters = filters;
    pass<float, Executor> p{executor, arrays, memory};
    const matrix<float> scaled = memory.allocate<float, 2>(rows.x.extents);
    executor.for_each(rows.rows(), detail::scale_rows<Preconditioning>{rows.x, rows.times, scaled, preconditioner_});
    const images<float> result = network_.forward(p, pictures(scaled), rows.times, token_matrix(rows.contexts), tape);
    executor.for_each(o.size(), detail::copy<float>{result.data, o.data});
  }

  struct needed {
    std::size_t forward, backward;
  };
  /// Dry run: the bytes that so many pictures take on their way through the network.
  [[nodiscard]] needed measure(index_t count, typename network::tape& tape) const {
    dry_executor executor;
    arena activations, temporaries;
    pass<float, dry_executor> forward_pass{executor, {}, activations};
    const matrix<float> x = activations.allocate<float, 2>({count, sample_size()});
    network_.forward(forward_pass, pictures(x), vec<const float>{nullptr, {count}},
                     matrix<const std::int32_t>{nullptr, {count, token_list::length}}, tape);
    pass<float, dry_executor> backward_pass{executor, {}, temporaries};
    network_.backward(backward_pass, pictures(matrix<const float>{nullptr, {count, sample_size()}}), tape);
    return {activations.peak(), temporaries.peak()};
  }
  /// Any number of rows may be predicted, whatever `rows` is.
  [[nodiscard]] typename workspace_type::plan plan(index_t rows, typename network::tape& tape) const {
    const needed kept = measure(std::clamp<index_t>(rows, 1, together_), tape), most = measure(together_, tape);
    return {.rows = rows,
            .units = groups(rows),
            .activation_bytes = kept.forward,
            .temporary_bytes = std::max(most.forward, kept.backward),
            .gradients = trained_layout().size(),
            .parameters = layout_.size(),
            .filters = on_host<Backend> ? length_product(prepared_filter_factor, layout_.size()) : 0};
  }

  vocabulary vocabulary_;
  Preconditioning preconditioner_;
  std::optional<lora_options> lora_;
  index_t together_;
  parameter_layout layout_, adapter_layout_;
  network network_;
  tensor<float, 1, Backend> parameters_, adapters_, gradients_, frequencies_;
};

}  // namespace fewstep
