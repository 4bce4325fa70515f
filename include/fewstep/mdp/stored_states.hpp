// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/mdp/state_storage.hpp>

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string_view>

namespace fewstep {

/// The states of B samples at S times, [S B, D], as floats or in 16 bits.
template <class Backend>
class stored_states {
 public:
  stored_states(Backend& backend, index_t times, index_t samples, index_t dimension, state_storage as)
      : as_(as),
        floats_(backend, {packs() ? 0 : length_product(times, samples), dimension}),
        patterns_(backend, {packs() ? length_product(times, samples) : 0, dimension}),
        standing_(backend, {packs() ? samples : 0, dimension}),
        beyond_(backend, packs() ? samples : 0) {}

  [[nodiscard]] bool packs() const { return as_ != state_storage::float32; }
  /// The arrays, of which one is empty.
  [[nodiscard]] matrix<float> floats() { return floats_.view(); }
  [[nodiscard]] matrix<std::uint16_t> patterns() { return patterns_.view(); }
  /// [S B, D]; throws std::invalid_argument where they are in 16 bits.
  [[nodiscard]] matrix<const float> floats() const {
    expects(!packs(), [&] {
      return message("trajectory: states are stored as ", name_of(as_),
                     ", so there is no array of floats; read them by states or rows(backend, first, count, scratch)");
    });
    return floats_.view();
  }
  /// Where `count` rows from `first` on go in 16 bits, which are of the samples from `sample` on; null where they do
  /// not.
  [[nodiscard]] detail::packed_states packed(index_t first, index_t sample, index_t count) {
    if (!packs()) return {};
    return {patterns_.view().subview(first, count), as_, beyond_.device() + sample};
  }
  /// Room for the states of a step as floats, where they are stored in 16 bits, [B, D].
  [[nodiscard]] matrix<float> standing() { return standing_.view(); }

  /// Rows [first, first + count): where they are stored, or in to[count, D], which they are read into.
  [[nodiscard]] matrix<const float> read(Backend& backend, index_t first, index_t count, matrix<float> to) const {
    if (!packs()) return floats().subview(first, count);
    gather(backend, nullptr, first, to.subview(0, count));
    return to.subview(0, count);
  }
  /// Reads rows in 16 bits: to[i] is row numbers[i] + offset, or i + offset where `numbers` is null.
  void gather(Backend& backend, const index_t* numbers, index_t offset, matrix<float> to) const {
    backend.for_each(to.rows(), detail::load_states{patterns_.view(), as_, numbers, offset, to});
  }

  /// Throws std::runtime_error if what was stored of samples [first, first + count) since the last forget_beyond is
  /// beyond the numbers of the format. Waits for what was enqueued, where states are in 16 bits.
  void expect_storable(Backend& backend, index_t first, index_t count, std::string_view caller) {
    if (!packs()) return;
    beyond_.download(backend);
    for (index_t r = first; r < first + count; ++r)
      if (const float value = beyond_.host()[static_cast<std::size_t>(r)]; value != 0)
        throw std::runtime_error(message(caller, ": a state of sample ", r, " is ", value, ", but store_states_as is ",
                                         name_of(as_), ", which holds up to ", largest_of(as_), "; use ",
                                         as_ == state_storage::float16 ? "bfloat16 or float32" : "float32"));
  }
  void forget_beyond(Backend& backend, index_t first, index_t count) {
    if (packs()) backend.for_each(count, detail::fill<float>{beyond_.device() + first, 0.0f});
  }

  [[nodiscard]] static saturated_size bytes(saturated_size times, saturated_size samples, saturated_size dimension,
                                            state_storage as) {
    if (as == state_storage::float32) return times * samples * dimension * sizeof(float);
    return times * samples * dimension * sizeof(std::uint16_t) + samples * (dimension + 1) * sizeof(float);
  }

 private:
  state_storage as_;
  tensor<float, 2, Backend> floats_;
  tensor<std::uint16_t, 2, Backend> patterns_;
  tensor<float, 2, Backend> standing_;
  mirrored<float, Backend> beyond_;  // [B]: a number that the format does not hold, or 0
};

}  // namespace fewstep
