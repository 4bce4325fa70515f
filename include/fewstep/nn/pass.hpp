// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/operation_shapes.hpp>
#include <fewstep/core/arena.hpp>
#include <fewstep/core/view.hpp>

#include <cstddef>
#include <span>

namespace fewstep {

/// Flat arrays of one model as a network sees them: parameters, and the low-rank adapters if it has any.
/// Null gradients mean "frozen": the backward pass then skips that part.
template <class T>
struct network_arrays {
  const T* parameters = nullptr;
  const T* adapters = nullptr;
  T* parameter_gradients = nullptr;
  T* adapter_gradients = nullptr;
  const T* transposed = nullptr;  ///< parameters with every matrix transposed (transpose_parameters), for backward
  /// Filters of all convolutions, prepared for the direction that is run (prepare_filter), each at the offset of its
  /// weight times prepared_filter_factor; null: every call prepares its own.
  const T* filters = nullptr;
  /// Frequencies of the Fourier features where operations find them; null: the host's memory will do.
  const float* frequencies = nullptr;
  /// Whether anybody wants the gradient of the network's input; else its first module may leave it out.
  bool input_gradient = true;
};

/// One evaluation of a network: where it runs, with which arrays, and the memory it takes activations from.
///
/// Modules are structs with
///   y  = forward(pass, x, tape)    keeps in `tape`, a struct of the module, what its backward needs;
///   gx = backward(pass, gy, tape)  adds parameter gradients and returns the gradient of x.
/// Results live in the pass's arenas: what backward reads in `memory`, what it reads for the gradients of parameters
/// only in weight_inputs(), and what it does not read in temporaries(). A module gives back what nobody reads any more
/// by a pass_scope.
template <class T, class Executor>
struct pass {
  Executor& executor;
  network_arrays<T> arrays;
  arena& memory;
  arena* passing = nullptr;  ///< memory that is not kept for backward; null: `memory`, of which all is kept or none
  bool keeps = true;         ///< whether this is a forward pass that backward will follow
  bool frozen = false;       ///< whether that will want no gradients of parameters

  [[nodiscard]] arena& temporaries() const { return passing == nullptr ? memory : *passing; }
  [[nodiscard]] arena& weight_inputs() const { return frozen ? temporaries() : memory; }
  [[nodiscard]] const T* parameter(index_t offset) const { return at(arrays.parameters, offset); }
  [[nodiscard]] const T* adapter(index_t offset) const { return at(arrays.adapters, offset); }
  [[nodiscard]] T* gradient(index_t offset) const { return at(arrays.parameter_gradients, offset); }
  [[nodiscard]] T* adapter_gradient(index_t offset) const { return at(arrays.adapter_gradients, offset); }
  [[nodiscard]] const T* transposed(index_t offset) const { return at(arrays.transposed, offset); }
  [[nodiscard]] const T* filter(index_t offset) const { return at(arrays.filters, prepared_filter_factor * offset); }
  /// The frequencies of the network as operations see them.
  [[nodiscard]] vec<const float> frequencies(std::span<const float> of_host) const {
    return {arrays.frequencies == nullptr ? of_host.data() : arrays.frequencies,
            {static_cast<index_t>(of_host.size())}};
  }
  /// Whether parameter gradients are wanted.
  [[nodiscard]] bool trains_parameters() const { return arrays.parameter_gradients != nullptr; }

 private:
  template <class U>
  static U* at(U* base, index_t offset) {
    return base == nullptr ? nullptr : base + offset;
  }
};

/// Gives back at its end what a module took from the arenas of a pass since, but for what backward will read. The
/// module's result is to be allocated before.
template <class Pass>
class pass_scope {
 public:
  explicit pass_scope(Pass& p) : pass_(p), memory_(p.memory.used()), temporaries_(p.temporaries().used()) {}
  pass_scope(const pass_scope&) = delete;
  pass_scope& operator=(const pass_scope&) = delete;
  ~pass_scope() {
    if (!pass_.keeps || pass_.passing != nullptr) pass_.temporaries().give_back(temporaries_);
    if (!pass_.keeps) pass_.memory.give_back(memory_);
  }

 private:
  Pass& pass_;
  std::size_t memory_, temporaries_;
};

}  // namespace fewstep
