// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/backend.hpp>
#include <fewstep/backend/cpu/executor.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/generator/left_out_words.hpp>
#include <fewstep/generator/network_workspace.hpp>
#include <fewstep/generator/vocabulary.hpp>
#include <fewstep/nn/pass.hpp>
#include <fewstep/nn/prepared_parameters.hpp>
#include <fewstep/reward_model/reward_model_rows.hpp>

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace fewstep {

/// A network that rates pictures, with the words it knows and its flat arrays of parameters and gradients; Network is
/// two_tower_network<float> or preference_network<float>.
///
/// A few pictures are evaluated together by one thread. The outputs of a row, and the gradient of its picture, have the
/// same bits whatever else is in the batch; parameter gradients add up in blocks of row_block() rows, block after
/// block. Pictures are [H,W,C] in [-1, 1], channels last, one a row.
template <class Backend, class Network>
class reward_model {
  static_assert(detail::require_backend<Backend>());

 public:
  using network_type = Network;
  using network_options = typename Network::options_type;

  struct options {
    network_options network;
    std::uint64_t seed = 0;
    index_t together = 0;  ///< pictures that go through the network together; 0: 4, on a device 64

    static constexpr std::string_view name = "reward_model";
    template <class Visitor>
    void settings(Visitor& visit) const {
      visit("network", network);
      visit.not_compared("seed", seed);
      visit("together", together, at_least(0).remark("0: the default"));
    }
  };

  /// Memory of the calls below, and the parameters in the forms that either direction wants.
  struct workspace {
    network_workspace<Backend, typename Network::tape> memory;
    tensor<float, 1, Backend> backward_filters;
  };

  reward_model(Backend& backend, vocabulary words, options o)
      : vocabulary_(std::move(words)),
        together_(o.together > 0 ? o.together : default_together),
        network_(with_vocabulary(o)) {
    parameters_ = tensor<float, 1, Backend>(backend, {layout_.size()});
    gradients_ = tensor<float, 1, Backend>(backend, {layout_.size()});
    std::vector<float> host(static_cast<std::size_t>(layout_.size()));
    layout_.initialize(as_vec(std::span(host)), o.seed);
    backend.copy_to_device(host.data(), parameters_.data(), layout_.size());
  }

  static constexpr std::string_view name = options::name;
  template <class Visitor>
  void settings(Visitor& visit) const {
    options{network_.options(), 0, together_ == default_together ? 0 : together_}.settings(visit);
  }

  [[nodiscard]] const Network& network() const { return network_; }
  [[nodiscard]] const vocabulary& words() const { return vocabulary_; }
  [[nodiscard]] const parameter_layout& layout() const { return layout_; }
  [[nodiscard]] vec<float> parameters() & { return parameters_.view(); }
  needs_a_named_object parameters() && = delete;
  [[nodiscard]] vec<float> gradients() & { return gradients_.view(); }
  needs_a_named_object gradients() && = delete;
  [[nodiscard]] index_t outputs() const { return network_.outputs(); }
  [[nodiscard]] index_t sample_size() const {
    const auto& o = network_.picture();
    return o.height * o.width * o.channels;
  }
  [[nodiscard]] index_t row_block() const { return on_host<Backend> ? 2 * together_ : together_; }

  /// The text of a prompt. A prompt without a known word is refused; so are unknown words and those beyond the tenth,
  /// unless they are to be left out (left_out_words says which they are).
  [[nodiscard]] token_list encode(const std::string& prompt, missing_words missing = missing_words::refuse) const {
    return detail::encode_text(vocabulary_, prompt, missing, "reward_model");
  }
  /// Refuses tokens beyond the table of words.
  void expect_known(std::span<const token_list> texts) const {
    for (std::size_t r = 0; r < texts.size(); ++r)
      for (const std::int32_t id : texts[r].ids)
        expects(id >= 0 && id < vocabulary_.size(), [&] {
          return message("reward_model: row ", r, " has the token ", id, ", but tokens are 0 (padding) to ",
                         vocabulary_.size() - 1, "; make contexts with encode()");
        });
  }

  /// Memory for forward and backward of so many rows; 0 is enough for predict and predict_with_gradient.
  [[nodiscard]] workspace make_workspace(Backend& backend, index_t rows) const {
    typename Network::tape tape;
    const needed kept = measure(std::clamp<index_t>(rows, 1, together_), tape), most = measure(together_, tape);
    const index_t filters = on_host<Backend> ? length_product(prepared_filter_factor, layout_.size()) : 0;
    return {network_workspace<Backend, typename Network::tape>(backend,
                                                               {.rows = rows,
                                                                .units = groups(rows),
                                                                .activation_bytes = kept.forward,
                                                                .temporary_bytes = most.forward + most.backward,
                                                                .gradients = rows > 0 ? layout_.size() : 0,
                                                                .parameters = layout_.size(),
                                                                .filters = filters},
                                                               tape),
            tensor<float, 1, Backend>(backend, {filters})};
  }

  /// Outputs y[N,outputs()] of any number of rows.
  void predict(Backend& backend, const reward_model_rows<float>& rows, matrix<float> y, workspace& w) const {
    prepare(backend, w, false);
    const index_t size = share(backend, rows.rows());
    backend.parallel_for(groups(rows.rows(), size), [&](auto& executor, int thread, index_t group) {
      arena memory = w.memory.temporaries(thread);
      evaluate(executor, part(rows, group, size), part(y, group, size), memory, w.memory.thread_tape(thread), w);
    });
  }

  /// predict, and the gradient by the pictures of whatever `upstream(y, gy)` says: a kernel of rows that writes the
  /// gradient gy by the outputs y. picture_gradient[N,D] is overwritten.
  template <class Upstream>
  void predict_with_gradient(Backend& backend, const reward_model_rows<float>& rows, matrix<float> y,
                             matrix<float> picture_gradient, workspace& w, const Upstream& upstream) const {
    prepare(backend, w, false);
    prepare(backend, w, true);
    const index_t size = share(backend, rows.rows());
    backend.parallel_for(groups(rows.rows(), size), [&](auto& executor, int thread, index_t group) {
      arena memory = w.memory.temporaries(thread);
      auto& tape = w.memory.thread_tape(thread);
      const matrix<float> out = part(y, group, size), to = part(picture_gradient, group, size);
      evaluate(executor, part(rows, group, size), out, memory, tape, w);
      const matrix<float> gy = memory.template allocate<float, 2>(out.extents);
      executor.for_each(out.rows(), upstream(matrix<const float>(out), gy));
      pass<float, std::remove_reference_t<decltype(executor)>> p{executor, backward_arrays(w), memory};
      executor.for_each(to.size(), detail::copy<float>{network_.backward(p, gy, tape).data, to.data});
    });
  }

  /// Outputs, keeping what backward needs.
  void forward(Backend& backend, const reward_model_rows<float>& rows, matrix<float> y, workspace& w) const {
    w.memory.expect_room("reward_model: forward", rows.rows());
    prepare(backend, w, false);
    backend.parallel_for(groups(rows.rows()), [&](auto& executor, int, index_t group) {
      arena memory = w.memory.activations(group);
      evaluate(executor, part(rows, group, together_), part(y, group, together_), memory, w.memory.tape(group), w);
    });
  }

  /// Adds to gradients() those of the loss whose gradient by the outputs of the last forward is gy[N,outputs()].
  void backward(Backend& backend, matrix<const float> gy, workspace& w) {
    w.memory.expect_room("reward_model: backward", gy.rows());
    prepare(backend, w, true);
    const index_t n = groups(gy.rows()), in_block = row_block() / together_;
    accumulate_in_order(backend, w.memory, groups(n, in_block), gradients(),
                        [&](auto& executor, int thread, index_t block, vec<float> partial) {
                          network_arrays<float> arrays = backward_arrays(w);
                          arrays.parameter_gradients = partial.data;
                          for (index_t g = block * in_block; g < std::min(n, (block + 1) * in_block); ++g) {
                            arena memory = w.memory.temporaries(thread);
                            pass<float, std::remove_reference_t<decltype(executor)>> p{executor, arrays, memory};
                            network_.backward(p, part(gy, g, together_), w.memory.tape(g));
                          }
                        });
  }

 private:
  static constexpr index_t default_together = on_host<Backend> ? 4 : 64;

  Network with_vocabulary(options& o) {
    o.network.vocabulary = vocabulary_.size();
    check_settings(o);
    return Network(layout_, o.network);
  }

  static index_t groups(index_t rows, index_t size) { return parts_of(rows, size); }
  [[nodiscard]] index_t groups(index_t rows) const { return groups(rows, together_); }
  template <class Rows>
  static Rows part(const Rows& rows, index_t group, index_t size) {
    return rows.subview(group * size, std::min(size, rows.rows() - group * size));
  }
  /// Rows that predictions take at a time: few enough to occupy all threads.
  [[nodiscard]] index_t share(const Backend& backend, index_t rows) const {
    return std::clamp<index_t>(groups(rows, backend.threads()), 1, together_);
  }

  void prepare(Backend& backend, workspace& w, bool backwards) const {
    float* filters = backwards ? w.backward_filters.data() : w.memory.filters().data;
    prepare_parameters(backend, layout_, {parameters_.data(), w.memory.transposed().data, filters, backwards});
  }
  [[nodiscard]] network_arrays<float> backward_arrays(workspace& w) const {
    return {.parameters = parameters_.data(),
            .transposed = w.memory.transposed().data,
            .filters = w.backward_filters.data()};
  }

  template <class Executor>
  void evaluate(Executor& executor, const reward_model_rows<float>& rows, matrix<float> y, arena& memory,
                typename Network::tape& tape, workspace& w) const {
    pass<float, Executor> p{executor, {.parameters = parameters_.data(), .filters = w.memory.filters().data}, memory};
    executor.for_each(y.size(), detail::copy<float>{network_.forward(p, rows, tape).data, y.data});
  }

  struct needed {
    std::size_t forward, backward;
  };
  /// Dry run: the bytes that so many rows take on their way through the network, and back with their gradients.
  [[nodiscard]] needed measure(index_t count, typename Network::tape& tape) const {
    dry_executor executor;
    arena activations, temporaries;
    pass<float, dry_executor> forward_pass{executor, {}, activations};
    network_.forward(forward_pass, {{nullptr, {count, sample_size()}}, {nullptr, {count, token_list::length}}}, tape);
    // Somewhere to write parameter gradients to, which a dry run does not do: paths without them take no more memory.
    float trains = 0;
    pass<float, dry_executor> backward_pass{executor, {.parameter_gradients = &trains}, temporaries};
    const matrix<float> gy = temporaries.template allocate<float, 2>({count, outputs()});
    network_.backward(backward_pass, gy, tape);
    return {activations.peak(), temporaries.peak()};
  }

  vocabulary vocabulary_;
  index_t together_;
  parameter_layout layout_;
  Network network_;
  tensor<float, 1, Backend> parameters_, gradients_;
};

}  // namespace fewstep
