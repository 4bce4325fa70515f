// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/cuda/executor.cuh>
#include <fewstep/nn/embedding.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace fewstep {

namespace detail {

/// factors[n] of the texts.
struct bag_factors {
  matrix<const std::int32_t> tokens;
  float* factors;
  FEWSTEP_HD void operator()(index_t n) const { factors[n] = bag_factor<float>(tokens, n); }
};

/// A block has a word's row of the table: it looks for the word in all texts, a stretch of tokens at a time, makes a
/// list of the texts where it stands, and adds their gradients in that order.
struct add_word_rows_of_table {
  static constexpr int threads = 256, per_thread = 4, stretch = threads * per_thread;

  matrix<const std::int32_t> tokens;
  matrix<const float> gy;
  const float* factors;
  float* table;

  [[nodiscard]] static std::size_t shared_bytes() { return sizeof(int) * (threads + stretch); }

  template <class Block>
  FEWSTEP_HD void operator()(Block& block) const {
    int* counts = block.template shared<int>(threads);
    int* texts = block.template shared<int>(stretch);
    const index_t word = block.index() + 1, all = tokens.size(), length = tokens.cols(), width = gy.cols();
    const int thread = block.thread();
    for (index_t slab = 0; slab < width; slab += threads) {
      const index_t column = slab + thread;
      float* to = table + word * width + column;
      float sum = 0;
      bool found = false;
      for (index_t first = 0; first < all; first += stretch) {
        const index_t own = first + thread * per_thread;
        int count = 0;
        for (int k = 0; k < per_thread; ++k) count += own + k < all && tokens.data[own + k] == word ? 1 : 0;
        counts[thread] = count;
        const int occurrences = block.sum(count);  // all threads are done with the last list
        if (occurrences > 0) {
          if (count > 0) {
            int at = 0;
            for (int t = 0; t < thread; ++t) at += counts[t];
            for (int k = 0; k < per_thread; ++k)
              if (own + k < all && tokens.data[own + k] == word)
                texts[at++] = static_cast<int>(quotient(own + k, length));
          }
          block.sync();
          if (column < width) {
            if (!found) sum = *to;
            for (int i = 0; i < occurrences; ++i)
              sum = std::fma(factors[texts[i]], gy.data[texts[i] * width + column], sum);
          }
          found = true;
        }
      }
      if (found && column < width) *to = sum;
    }
  }
};

}  // namespace detail

/// Adds to the rows of table[vocabulary, width] the gradients gy[N, width] of the texts tokens[N, length] that they
/// occur in (bag_of_words), each in the order of the texts.
template <class Device>
void add_word_gradients(device_executor<Device>& executor, matrix<const std::int32_t> tokens, matrix<const float> gy,
                        float* table, index_t vocabulary) {
  expects(tokens.rows() <= std::numeric_limits<std::int32_t>::max(), [&] {
    return message("bag_of_words: a device takes up to 2^31 - 1 texts at a time; there are ", tokens.rows());
  });
  if (tokens.size() == 0 || vocabulary < 2) return;
  float* factors = executor.template scratch<float>(device_executor<Device>::partials, tokens.rows());
  executor.for_each(tokens.rows(), detail::bag_factors{tokens, factors});
  executor.launch(vocabulary - 1, detail::add_word_rows_of_table{tokens, gy, factors, table});
}

}  // namespace fewstep
