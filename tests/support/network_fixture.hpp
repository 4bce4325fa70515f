// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/arrays.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/core/arena.hpp>
#include <fewstep/nn/parameters.hpp>
#include <fewstep/nn/pass.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace fewstep::test {

/// An input array of a module.
template <class T, int Rank>
struct array {
  array_extents<Rank> extents;
  std::vector<T> values;

  array(array_extents<Rank> shape, std::vector<T> content) : extents(shape), values(std::move(content)) {}
  array(array_extents<Rank> shape, std::uint64_t seed, double scale = 1)
      : array(shape, normals<T>(tensor_view<T, Rank>(nullptr, shape).size(), seed, scale)) {}

  [[nodiscard]] tensor_view<const T, Rank> view() const { return {values.data(), extents}; }
  operator tensor_view<const T, Rank>() const { return view(); }  // NOLINT: stands for its view
};

template <class T, int Rank>
std::vector<std::remove_const_t<T>> to_vector(tensor_view<T, Rank> view) {
  return {view.begin(), view.end()};
}

/// What one forward and backward pass gave.
template <class T>
struct evaluation {
  std::vector<T> output;
  std::vector<std::vector<T>> input_gradients;
};

/// Memory and flat arrays for modules under test. A test adds modules to `layout` (and `adapter_layout`), calls
/// randomize() and then evaluate().
template <class T>
struct network_fixture {
  using pass_type = pass<T, cpu_executor>;

  parameter_layout layout, adapter_layout;
  std::vector<T> parameters, adapters, gradients, adapter_gradients, transposed;
  cpu_executor executor;
  bool train_base = true;

  /// Random values for everything, those that start at zero included: weights of deviation 1/sqrt(fan-in), gains about
  /// 1, biases of deviation 0.1, tables of deviation 1.
  void randomize(std::uint64_t seed) {
    parameters = random_values(layout, seed);
    adapters = random_values(adapter_layout, seed + 1);
  }

  /// The modules' own initial values.
  void initialize(std::uint64_t seed) {
    parameters.resize(static_cast<std::size_t>(layout.size()));
    layout.initialize(vec<T>{parameters.data(), {layout.size()}}, seed);
    adapters.resize(static_cast<std::size_t>(adapter_layout.size()));
    adapter_layout.initialize(vec<T>{adapters.data(), {adapter_layout.size()}}, seed);
  }

  [[nodiscard]] network_arrays<T> arrays() {
    return {parameters.data(), adapters.empty() ? nullptr : adapters.data(),
            train_base && !gradients.empty() ? gradients.data() : nullptr,
            adapter_gradients.empty() ? nullptr : adapter_gradients.data(), transposed.data()};
  }

  /// forward(pass) returns a view of the result.
  template <class Forward>
  auto output(const Forward& forward) {
    arena memory = whole_arena();
    pass_type p{executor, arrays(), memory};
    const auto y = to_vector(forward(p));
    used_ = std::max(used_, memory.peak());
    return y;
  }

  /// Runs forward(pass) -> y and backward(pass, gy) -> vector of input gradients (vectors), gy being `probe` with y's
  /// extents. Parameter gradients are then those of sum(y * probe).
  template <class Forward, class Backward>
  evaluation<T> evaluate(const std::vector<T>& probe, const Forward& forward, const Backward& backward) {
    gradients.assign(parameters.size(), T(0));
    adapter_gradients.assign(adapters.size(), T(0));
    transposed.assign(parameters.size(), T(0));
    for (const auto& slice : layout.slices())
      transpose_slice(slice, parameters.data() + slice.offset, transposed.data() + slice.offset);
    arena memory = whole_arena();
    pass_type p{executor, arrays(), memory};
    const auto y = forward(p);
    evaluation<T> result{to_vector(y), {}};
    if (probe.size() != result.output.size()) throw std::logic_error("network_fixture: the probe has the wrong length");
    auto gy = y;
    std::vector<T> upstream = probe;
    gy.data = upstream.data();
    result.input_gradients = backward(p, gy);
    used_ = std::max(used_, memory.peak());
    return result;
  }

 private:
  arena whole_arena() {
    if (memory_.size() == 0) {
      memory_ = bytes(index_t{1} << 24);
      used_ = static_cast<std::size_t>(memory_.size());
    }
    // Results must not depend on what the memory held before.
    std::fill_n(memory_.data(), used_, std::byte{0x7f});
    used_ = 0;
    return arena(std::span<std::byte>(memory_.data(), static_cast<std::size_t>(memory_.size())));
  }
  static cpu_tensor<std::byte, 1> bytes(index_t n) {
    cpu_backend backend({.threads = 1});
    return {backend, {n}};
  }
  static std::vector<T> random_values(const parameter_layout& layout, std::uint64_t seed) {
    std::vector<T> values(static_cast<std::size_t>(layout.size()));
    for (const auto& slice : layout.slices()) {
      const auto& name = slice.name;
      index_t fan_in = 1;
      if (slice.kind != slice_kind::plain) fan_in = slice.size() / slice.extents.back();
      const bool is_gain = slice.initial_mean != 0, is_bias = name.ends_with("bias");
      const double scale = is_bias ? 0.1 : is_gain ? 0.2 : 1 / std::sqrt(static_cast<double>(fan_in));
      const auto drawn = normals<T>(slice.size(), seed * 1000003 + static_cast<std::uint64_t>(slice.offset), scale,
                                    static_cast<double>(slice.initial_mean));
      std::copy(drawn.begin(), drawn.end(), values.begin() + slice.offset);
    }
    return values;
  }

  cpu_tensor<std::byte, 1> memory_;
  std::size_t used_ = 0;  ///< by the last evaluation
};

}  // namespace fewstep::test
