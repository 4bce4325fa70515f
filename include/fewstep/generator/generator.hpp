// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>
#include <fewstep/generator/preconditioning.hpp>

#include <concepts>
#include <cstddef>
#include <type_traits>

namespace fewstep {

/// Rows that a generator is asked about: x[B,D] states, times[B] noise levels, contexts[B] what each is conditioned on.
/// Every row has its own time, so a whole trajectory is replayed as one batch.
template <class Context>
struct batch {
  matrix<const float> x;
  vec<const float> times;
  vec<const Context> contexts;

  [[nodiscard]] index_t rows() const { return x.rows(); }
  [[nodiscard]] batch subview(index_t first, index_t count) const {
    return {x.subview(first, count), times.subview(first, count), contexts.subview(first, count)};
  }
};

/// A network that can be sampled from: it gives the raw output o for a batch of rows, and its preconditioning turns o
/// into the clean prediction f = skip(t) x + out(t) o. The input factor in(t) is applied inside predict.
///
/// predict takes any number of rows, whatever the workspace was made for (forward and backward take at most those).
///
/// What the compiler cannot check: row r of o depends on row r of the batch only, and has the same bits in every batch
/// (pad to fixed blocks inside where a library's kernels depend on the row count); predict keeps nothing.
///
/// Smallest model:
///   struct constant {
///     using context_type = int;
///     struct workspace_type {};
///     index_t sample_size() const { return 2; }
///     edm_consistency preconditioner() const { return {}; }
///     workspace_type make_workspace(cpu_backend&, index_t rows) { return {}; }
///     std::size_t workspace_bytes(const cpu_backend&, index_t rows) const { return 0; }
///     void predict(cpu_backend&, batch<int> rows, matrix<float> o, workspace_type&) { ... }
///   };
/// Models here: mlp_generator, text_unet.
template <class G, class Backend>
concept predictor = std::is_trivially_copyable_v<typename G::context_type> &&
    requires(G& g, const G& cg, Backend& backend, batch<typename G::context_type> rows, matrix<float> o,
             typename G::workspace_type& workspace, index_t n) {
  { cg.sample_size() } -> std::convertible_to<index_t>;
  { cg.preconditioner() } -> preconditioning;
  { g.make_workspace(backend, n) } -> std::same_as<typename G::workspace_type>;
  { cg.workspace_bytes(backend, n) } -> std::convertible_to<std::size_t>;
  { g.predict(backend, rows, o, workspace) } -> std::same_as<void>;
};

/// A predictor that can be trained: forward keeps in the workspace what backward needs; backward adds into gradients().
/// parameters() and gradients() are flat arrays of equal length; they stay where they are for the generator's lifetime.
///
/// What the compiler cannot check: forward gives the bits of predict; gradients of a batch do not depend on how it is
/// cut into calls, as long as cuts are at multiples of row_block() rows (if it has one; else gradient_row_block).
/// The workspace owns all state between forward and backward, so that two evaluations can be in flight.
template <class G, class Backend>
concept generator = predictor<G, Backend> &&
    requires(G& g, Backend& backend, batch<typename G::context_type> rows, matrix<float> o,
             matrix<const float> o_gradient, typename G::workspace_type& workspace) {
  { g.forward(backend, rows, o, workspace) } -> std::same_as<void>;
  { g.backward(backend, rows, o_gradient, workspace) } -> std::same_as<void>;
  { g.parameters() } -> std::same_as<vec<float>>;
  { g.gradients() } -> std::same_as<vec<float>>;
};

/// Rows whose gradients a generator adds up before they join the total: micro-batches are cut at multiples of it.
template <class G>
[[nodiscard]] index_t row_block_of(const G& g) {
  if constexpr (requires {
                  { g.row_block() } -> std::convertible_to<index_t>;
                })
    return g.row_block();
  else
    return 32;
}

}  // namespace fewstep
