// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/arena.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/tensor.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace fewstep {

/// Memory of a network between forward and backward: one tape and one slab of activations for each unit of rows in
/// flight, per thread a slab of temporaries, and partial gradients. Sizes come from a dry run.
template <class Backend, class Tape>
class network_workspace {
 public:
  struct plan {
    index_t rows = 0;                  ///< that forward may be given
    index_t units = 0;                 ///< evaluations in flight
    std::size_t activation_bytes = 0;  ///< of one evaluation
    std::size_t temporary_bytes = 0;   ///< of one backward pass, or of one prediction if that is more
    index_t gradients = 0;             ///< length of the partial gradient
  };

  /// `ready` is a tape that a dry run has gone through. Which thread predicts which rows is chance, so every thread
  /// gets a copy, and none allocates when its turn comes late.
  network_workspace(Backend& backend, const plan& p, const Tape& ready)
      : plan_(p),
        tapes_(static_cast<std::size_t>(p.units)),
        thread_tapes_(static_cast<std::size_t>(backend.threads()), ready),
        activations_(backend, {length_product(p.units, p.activation_bytes)}),
        temporaries_(backend, {length_product(backend.threads(), p.temporary_bytes)}),
        partials_(backend, {length_product(partials(p, backend.threads()), p.gradients)}) {}

  /// Bytes of a workspace that follows the plan on a backend of so many threads.
  [[nodiscard]] static std::size_t bytes(const plan& p, int threads) {
    const saturated_size t = threads, units = p.units;
    const saturated_size of_unit = saturated_size(p.activation_bytes) + sizeof(Tape);
    const saturated_size of_thread = saturated_size(p.temporary_bytes) + sizeof(Tape);
    const saturated_size floats = saturated_size(partials(p, threads)) * p.gradients;
    return (units * of_unit + t * of_thread + floats * sizeof(float)).value();
  }

  [[nodiscard]] index_t rows() const { return plan_.rows; }
  /// Refuses more rows than the workspace was made for.
  void expect_room(std::string_view who, const char* call, index_t rows) const {
    expects(rows <= plan_.rows, [&] {
      return message(who, ": ", call, " got ", rows, " rows but the workspace was made for ", plan_.rows,
                     "; make a larger one");
    });
  }
  [[nodiscard]] Tape& tape(index_t unit) { return tapes_[static_cast<std::size_t>(unit)]; }
  [[nodiscard]] Tape& thread_tape(int thread) { return thread_tapes_[static_cast<std::size_t>(thread)]; }
  [[nodiscard]] arena activations(index_t unit) { return slab(activations_, unit, plan_.activation_bytes); }
  [[nodiscard]] arena temporaries(int thread) { return slab(temporaries_, thread, plan_.temporary_bytes); }
  /// Partial gradients that can be computed at the same time.
  [[nodiscard]] index_t partials() const { return partials_.size() / std::max<index_t>(1, plan_.gradients); }
  [[nodiscard]] vec<float> partial(index_t which) {
    return partials_.view().subview(which * plan_.gradients, plan_.gradients);
  }

 private:
  /// One for each thread, and more of small networks: threads that meet after every block would mostly wait.
  static index_t partials(const plan& p, int threads) {
    if (threads == 1) return 1;
    constexpr index_t few = index_t{1} << 19;
    return threads * std::clamp<index_t>(few / std::max<index_t>(1, p.gradients), 1, 8);
  }
  static arena slab(tensor<std::byte, 1, Backend>& memory, index_t which, std::size_t bytes) {
    return arena(std::span<std::byte>(memory.data() + static_cast<std::size_t>(which) * bytes, bytes));
  }

  plan plan_;
  std::vector<Tape> tapes_, thread_tapes_;
  tensor<std::byte, 1, Backend> activations_, temporaries_;
  tensor<float, 1, Backend> partials_;
};

/// Adds to `total` the gradients of `blocks` blocks of rows, each computed by add_block(executor, thread, block,
/// partial) into a zeroed partial of its own, in the order of the blocks: the result depends neither on the
/// number of threads nor on how the blocks are spread over calls. The workspace gives partial(i), i < partials().
template <class Backend, class Workspace, class AddBlock>
void accumulate_in_order(Backend& backend, Workspace& workspace, index_t blocks, vec<float> total,
                         const AddBlock& add_block) {
  for (index_t first = 0; first < blocks; first += workspace.partials()) {
    const index_t wave = std::min(workspace.partials(), blocks - first);
    backend.parallel_for(wave, [&](auto& executor, int thread, index_t slot) {
      const vec<float> partial = workspace.partial(slot);
      executor.for_each(partial.size(), detail::fill<float>{partial.data, 0.0f});
      add_block(executor, thread, first + slot, partial);
    });
    for (index_t slot = 0; slot < wave; ++slot)
      backend.for_each(total.size(), detail::add_into<float>{workspace.partial(slot).data, total.data});
  }
}

}  // namespace fewstep
