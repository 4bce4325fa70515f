// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/backend.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/nn/linear.hpp>
#include <fewstep/nn/parameters.hpp>
#include <fewstep/nn/pass.hpp>
#include <fewstep/nn/prepared_parameters.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace fewstep {

/// What a network's weights are before anyone has touched them.
enum class initial_weights {
  drawn,  ///< from their laws, as the seed has it
  zero,   ///< for a loader to overwrite, which saves the time of the draw
};

struct network_options {
  std::optional<lora_options> lora{};  ///< only the adapters are trained then
  std::uint64_t seed = 0;              ///< of the initial parameters; adapters have the next one
  index_t rows_per_task = 0;           ///< rows that go through the network together; 0: the network's row_groups
  initial_weights weights = initial_weights::drawn;
};

/// A network and its flat arrays: parameters, low-rank adapters if it has any, gradients, and the parameters in the
/// forms that kernels want (prepared_parameters). network_runner says what a network is.
template <class Backend, class Network>
class network_parameters {
 public:
  /// make(layout) gives the network, whose modules take their places in the layout.
  template <class Make>
  network_parameters(Backend& backend, const Make& make, const network_options& o)
      : base_(std::make_shared<base_network>(backend, make)), network_(base_->network), lora_(o.lora) {
    if (lora_) {
      if constexpr (requires { network_.adapt(adapter_layout_, *lora_); })
        network_.adapt(adapter_layout_, *lora_);
      else
        expects(false, [&] { return message(name(), ": the network has no adapters; leave lora out"); });
    }
    adapters_ = tensor<float, 1, Backend>(backend, {adapter_layout_.size()});
    gradients_ = tensor<float, 1, Backend>(backend, {layout().size()});
    if (o.weights == initial_weights::zero) return;
    draw(backend, base_->layout, base_->parameters, o.seed);
    draw_adapters(backend, o.seed + 1);
  }

  [[nodiscard]] static constexpr std::string_view name() {
    if constexpr (requires { std::string_view(Network::name); })
      return Network::name;
    else
      return "network";
  }
  [[nodiscard]] const Network& network() const { return network_; }
  /// Rank and scale of the adapters, if there are any.
  [[nodiscard]] const std::optional<lora_options>& lora() const { return lora_; }

  /// What training changes: the adapters if there are any, else all parameters. A view is for writing at once: prepared
  /// forms are dropped here. Whoever writes to it again after the next use of the network calls parameters_changed();
  /// on a host, that use finds a forgotten call.
  [[nodiscard]] vec<float> parameters() & { return lora_ ? adapters_.view() : base_parameters(); }
  [[nodiscard]] vec<const float> parameters() const& {
    return lora_ ? adapters_.view() : std::as_const(base_->parameters).view();
  }
  needs_a_named_object parameters() && = delete;
  [[nodiscard]] vec<float> gradients() & { return gradients_.view(); }
  needs_a_named_object gradients() && = delete;
  [[nodiscard]] const parameter_layout& layout() const { return lora_ ? adapter_layout_ : base_->layout; }
  /// The parameters without the adapters, trained or frozen.
  [[nodiscard]] vec<float> base_parameters() & {
    base_->prepared.drop();
    return base_->parameters.view();
  }
  needs_a_named_object base_parameters() && = delete;
  [[nodiscard]] const parameter_layout& base_layout() const { return base_->layout; }
  /// What parameters() gives has been written to. Nothing is prepared of adapters.
  void parameters_changed() {
    if (!lora_) base_->prepared.drop();
  }
  /// Gives the adapters their initial values.
  void draw_adapters(Backend& backend, std::uint64_t seed) { draw(backend, adapter_layout_, adapters_, seed); }

  /// Bytes that are held beside parameters() and gradients() where the network is trained: prepared forms, and a base
  /// that is frozen; else those that come with predictions. Those of base() are counted here, not there.
  [[nodiscard]] std::size_t held_bytes(bool trained) const {
    const std::size_t prepared = is_base_ ? 0 : base_->prepared.bytes(trained);
    return (saturated_size(trained && lora_ ? base_->layout.size() : 0) * sizeof(float) + prepared).value();
  }

  /// The same memory with the adapters off: the network that training started from, and does not change. Throws
  /// std::invalid_argument where there are no adapters, as the base itself is trained then.
  [[nodiscard]] network_parameters base() const {
    expects(lora_.has_value(), [&] {
      return message(name(),
                     ": there are no adapters, so the base is what training changes; give it lora, or load a "
                     "second model as the reference");
    });
    return network_parameters(base_);
  }

  /// What a pass in the direction reads.
  [[nodiscard]] network_arrays<float> arrays(Backend& backend, bool backwards) const {
    network_arrays<float> a{.parameters = base_->parameters.data(),
                            .adapters = lora_ ? adapters_.data() : nullptr,
                            .frequencies = base_->frequencies.data()};
    base_->prepared.give(backend, base_->layout, base_->parameters.view(), backwards, a);
    return a;
  }

 private:
  /// What the adapted network and its base() share.
  struct base_network {
    template <class Make>
    base_network(Backend& backend, const Make& make)
        : network(make(layout)), parameters(backend, {layout.size()}), prepared(layout) {
      if constexpr (requires { network.frequencies(); }) {
        const std::span<const float> host = network.frequencies();
        frequencies = tensor<float, 1, Backend>(backend, {static_cast<index_t>(host.size())});
        backend.copy_to_device(host.data(), frequencies.data(), frequencies.size());
      }
    }

    parameter_layout layout;
    Network network;
    tensor<float, 1, Backend> parameters, frequencies;
    prepared_parameters<Backend> prepared;
  };

  explicit network_parameters(std::shared_ptr<base_network> base)
      : base_(std::move(base)), network_(base_->network), is_base_(true) {}

  static void draw(Backend& backend, const parameter_layout& layout, tensor<float, 1, Backend>& values,
                   std::uint64_t seed) {
    std::vector<float> host(static_cast<std::size_t>(layout.size()));
    layout.initialize(as_vec(std::span(host)), seed);
    backend.copy_to_device(host.data(), values.data(), layout.size());
  }

  std::shared_ptr<base_network> base_;
  Network network_;
  std::optional<lora_options> lora_;
  bool is_base_ = false;
  parameter_layout adapter_layout_;
  tensor<float, 1, Backend> adapters_, gradients_;
};

}  // namespace fewstep
