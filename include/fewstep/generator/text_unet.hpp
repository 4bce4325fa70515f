// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/cpu/executor.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/generator/network_workspace.hpp>
#include <fewstep/generator/text_unet_network.hpp>
#include <fewstep/generator/vocabulary.hpp>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace fewstep {

/// Text-conditioned pixel generator: a U-Net with a bag-of-words text encoder, under the preconditioning of a
/// consistency model (the default) or of a denoiser. Samples are [H, W, C] pictures in [-1, 1], channels last.
///
/// Every picture of a batch is evaluated on its own by one thread, so its bits depend on nothing else in the batch;
/// parameter gradients add up in blocks of row_block() pictures, block after block.
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
  };

  text_unet(Backend& backend, vocabulary words, options o)
      : vocabulary_(std::move(words)), preconditioner_(o.preconditioner), lora_(o.lora), network_(with_vocabulary(o)) {
    if (o.lora) network_.adapt(adapter_layout_, *o.lora);
    parameters_ = tensor<float, 1, Backend>(backend, {layout_.size()});
    adapters_ = tensor<float, 1, Backend>(backend, {adapter_layout_.size()});
    gradients_ = tensor<float, 1, Backend>(backend, {trained_layout().size()});
    initialize(backend, layout_, parameters_, o.seed);
    if (o.lora) initialize(backend, adapter_layout_, adapters_, o.seed + 1);
    measure();
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
  [[nodiscard]] static constexpr index_t row_block() { return 8; }

  /// Context of a prompt; unknown words are left out, and a prompt without a known word is refused.
  [[nodiscard]] token_list encode(const std::string& prompt) const {
    const auto encoded = vocabulary_.encode(prompt);
    expects(encoded.tokens != token_list{}, [&] {
      return message("text_unet: no word of the prompt '", prompt, "' is in the vocabulary of ",
                     vocabulary_.words().size(), " words; use words the model was trained on");
    });
    return encoded.tokens;
  }

  /// What training changes: the adapters if there are any, else all parameters.
  [[nodiscard]] vec<float> parameters() { return has_adapters() ? adapters_.view() : parameters_.view(); }
  [[nodiscard]] vec<float> gradients() { return gradients_.view(); }
  [[nodiscard]] const parameter_layout& trained_layout() const { return has_adapters() ? adapter_layout_ : layout_; }
  /// The base network's parameters, trained or frozen.
  [[nodiscard]] vec<float> base_parameters() { return parameters_.view(); }
  [[nodiscard]] const parameter_layout& base_layout() const { return layout_; }
  [[nodiscard]] bool has_adapters() const { return lora_.has_value(); }
  /// Rank and scale of the adapters, if there are any.
  [[nodiscard]] const std::optional<lora_options>& lora() const { return lora_; }

  [[nodiscard]] workspace_type make_workspace(Backend& backend, index_t rows) const {
    return workspace_type(backend, plan(rows), tape_);
  }
  [[nodiscard]] std::size_t workspace_bytes(const Backend& backend, index_t rows) const {
    return workspace_type::bytes(plan(rows), backend.threads());
  }

  void predict(Backend& backend, batch<token_list> rows, matrix<float> o, workspace_type& workspace) {
    expect_known(rows.contexts);
    backend.parallel_for(rows.rows(), [&](auto& executor, int thread, index_t r) {
      arena memory = workspace.temporaries(thread);
      evaluate(executor, rows, o, r, memory, workspace.thread_tape(thread));
    });
  }

  void forward(Backend& backend, batch<token_list> rows, matrix<float> o, workspace_type& workspace) {
    expect_room("forward", rows, workspace);
    expect_known(rows.contexts);
    backend.parallel_for(rows.rows(), [&](auto& executor, int, index_t r) {
      arena memory = workspace.activations(r);
      evaluate(executor, rows, o, r, memory, workspace.tape(r));
    });
  }

  void backward(Backend& backend, batch<token_list> rows, matrix<const float> o_gradient, workspace_type& workspace) {
    expect_room("backward", rows, workspace);
    const index_t n = rows.rows(), blocks = (n + row_block() - 1) / row_block();
    const auto& slices = layout_.slices();
    backend.parallel_for(static_cast<index_t>(slices.size()), [&](auto&, int, index_t i) {
      const auto& slice = slices[static_cast<std::size_t>(i)];
      transpose_slice(slice, parameters_.data() + slice.offset, workspace.transposed().data + slice.offset);
    });
    accumulate_in_order(backend, workspace, blocks, gradients(),
                        [&](auto& executor, int thread, index_t block, vec<float> partial) {
                          network_arrays<float> arrays = this->arrays();
                          arrays.transposed = workspace.transposed().data;
                          (has_adapters() ? arrays.adapter_gradients : arrays.parameter_gradients) = partial.data;
                          for (index_t r = block * row_block(); r < std::min(n, (block + 1) * row_block()); ++r) {
                            arena memory = workspace.temporaries(thread);
                            pass<float, std::remove_reference_t<decltype(executor)>> p{executor, arrays, memory};
                            network_.backward(p, image(o_gradient.row(r)), workspace.tape(r));
                          }
                        });
  }

 private:
  static void expect_room(const char* call, const batch<token_list>& rows, const workspace_type& workspace) {
    expects(rows.rows() <= workspace.units(), [&] {
      return message("text_unet: ", call, " got ", rows.rows(), " rows but the workspace was made for ",
                     workspace.units(), "; make a larger one");
    });
  }
  /// A token beyond the table of words would be read from memory that is not the table's.
  void expect_known(vec<const token_list> contexts) const {
    for (index_t r = 0; r < contexts.size(); ++r)
      for (const std::int32_t id : contexts[r].ids)
        expects(id >= 0 && id < vocabulary_.size(), [&] {
          return message("text_unet: row ", r, " has the token ", id, ", but tokens are 0 (padding) to ",
                         vocabulary_.size() - 1, "; make contexts with encode()");
        });
  }

  network with_vocabulary(options& o) {
    o.network.vocabulary = vocabulary_.size();
    return network(layout_, o.network);
  }
  static void initialize(Backend& backend, const parameter_layout& layout, tensor<float, 1, Backend>& values,
                         std::uint64_t seed) {
    std::vector<float> host(static_cast<std::size_t>(layout.size()));
    layout.initialize(as_vec(std::span(host)), seed);
    backend.copy_to_device(host.data(), values.data(), layout.size());
  }

  [[nodiscard]] network_arrays<float> arrays() const {
    return {parameters_.data(), has_adapters() ? adapters_.data() : nullptr, nullptr, nullptr};
  }
  template <class U>
  [[nodiscard]] images<U> image(U* data) const {
    const auto& u = network_.options().unet;
    return {data, {1, u.height, u.width, u.channels}};
  }

  template <class Executor>
  void evaluate(Executor& executor, batch<token_list> rows, matrix<float> o, index_t r, arena& memory,
                typename network::tape& tape) const {
    pass<float, Executor> p{executor, arrays(), memory};
    const images<float> scaled = image(memory.allocate<float>(sample_size()));
    executor.for_each(sample_size(),
                      detail::scale<float>{rows.x.row(r), scaled.data, preconditioner_(rows.times[r]).in});
    const images<float> result =
        network_.forward(p, scaled, rows.times.subview(r, 1), token_matrix(rows.contexts.subview(r, 1)), tape);
    executor.for_each(sample_size(), detail::copy<float>{result.data, o.row(r)});
  }

  /// Dry run of one picture.
  void measure() {
    dry_executor executor;
    arena activations, temporaries;
    const float time = preconditioner_.max_time();
    const token_list text{};
    pass<float, dry_executor> forward_pass{executor, {}, activations};
    const images<float> x = image(activations.allocate<float>(sample_size()));
    network_.forward(forward_pass, x, vec<const float>{&time, {1}}, token_matrix({&text, {1}}), tape_);
    activation_bytes_ = activations.peak();
    pass<float, dry_executor> backward_pass{executor, {}, temporaries};
    network_.backward(backward_pass, image(static_cast<const float*>(nullptr)), tape_);
    temporary_bytes_ = temporaries.peak();
  }
  [[nodiscard]] typename workspace_type::plan plan(index_t rows) const {
    return {rows, activation_bytes_, temporary_bytes_, trained_layout().size(), layout_.size()};
  }

  vocabulary vocabulary_;
  Preconditioning preconditioner_;
  std::optional<lora_options> lora_;
  parameter_layout layout_, adapter_layout_;
  network network_;
  typename network::tape tape_;  // of a dry run
  tensor<float, 1, Backend> parameters_, adapters_, gradients_;
  std::size_t activation_bytes_ = 0, temporary_bytes_ = 0;
};

}  // namespace fewstep
