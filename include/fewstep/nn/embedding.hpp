// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/nn/parameters.hpp>
#include <fewstep/nn/pass.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

namespace fewstep {

namespace detail {

/// 1 / sqrt(number of words) of text n.
template <class T>
FEWSTEP_HD T bag_factor(matrix<const std::int32_t> tokens, index_t n) {
  index_t count = 0;
  for (index_t i = 0; i < tokens.cols(); ++i) count += tokens(n, i) != 0 ? 1 : 0;
  return T(1) / std::sqrt(static_cast<T>(count > 0 ? count : 1));
}

template <class T>
struct sum_word_rows {
  matrix<const std::int32_t> tokens;
  const T* table;
  matrix<T> y;
  FEWSTEP_HD void operator()(index_t n) const {
    T* out = y.row(n);
    for (index_t j = 0; j < y.cols(); ++j) out[j] = T(0);
    for (index_t i = 0; i < tokens.cols(); ++i) {
      if (tokens(n, i) == 0) continue;
      const T* row = table + tokens(n, i) * y.cols();
      for (index_t j = 0; j < y.cols(); ++j) out[j] += row[j];
    }
    const T factor = bag_factor<T>(tokens, n);
    for (index_t j = 0; j < y.cols(); ++j) out[j] *= factor;
  }
  [[nodiscard]] FEWSTEP_HD index_t columns() const { return y.cols(); }
  FEWSTEP_HD void operator()(index_t n, index_t j) const {
    T sum = T(0);
    for (index_t i = 0; i < tokens.cols(); ++i)
      if (tokens(n, i) != 0) sum += table[tokens(n, i) * y.cols() + j];
    y(n, j) = sum * bag_factor<T>(tokens, n);
  }
};

/// One task for the whole batch: texts share words, and the order of additions is fixed.
template <class T>
struct add_word_rows {
  matrix<const std::int32_t> tokens;
  matrix<const T> gy;
  T* table;
  FEWSTEP_HD void operator()(index_t) const {
    for (index_t n = 0; n < tokens.rows(); ++n) {
      const T factor = bag_factor<T>(tokens, n);
      const T* in = gy.row(n);
      for (index_t i = 0; i < tokens.cols(); ++i) {
        if (tokens(n, i) == 0) continue;
        T* row = table + tokens(n, i) * gy.cols();
        for (index_t j = 0; j < gy.cols(); ++j) row[j] += factor * in[j];
      }
    }
  }
};

/// Row n of the Fourier features of times[n].
template <class T>
struct fourier_waves {
  vec<const float> times, frequencies;
  T* y;
  FEWSTEP_HD void operator()(index_t n) const {
    const index_t count = frequencies.size();
    const T c = noise(n);
    for (index_t j = 0; j < count; ++j) {
      y[n * 2 * count + j] = std::sin(c * static_cast<T>(frequencies[j]));
      y[n * 2 * count + count + j] = std::cos(c * static_cast<T>(frequencies[j]));
    }
  }
  [[nodiscard]] FEWSTEP_HD index_t columns() const { return 2 * frequencies.size(); }
  FEWSTEP_HD void operator()(index_t n, index_t j) const {
    const index_t count = frequencies.size();
    const T angle = noise(n) * static_cast<T>(frequencies[j < count ? j : j - count]);
    y[n * 2 * count + j] = j < count ? std::sin(angle) : std::cos(angle);
  }

 private:
  [[nodiscard]] FEWSTEP_HD T noise(index_t n) const {
    constexpr float least = 1e-6f;  // the logarithm of 0 has no sine
    return std::log(static_cast<T>(times[n] > least ? times[n] : least)) / T(4);
  }
};

}  // namespace detail

/// Adds to the rows of table[vocabulary, width] the gradients gy[N, width] of the texts tokens[N, length] that they
/// occur in (bag_of_words), in the order of the texts.
template <class Executor, class T>
void add_word_gradients(Executor& executor, matrix<const std::int32_t> tokens, matrix<const T> gy, T* table,
                        [[maybe_unused]] index_t vocabulary) {
  executor.for_each(1, detail::add_word_rows<T>{tokens, gy, table});
}

/// Bag of words: the sum of the rows of a table [vocabulary, width] for the tokens of each text, divided by the square
/// root of their number. Token 0 is padding and counts for nothing; an empty text is the zero vector.
template <class T>
class bag_of_words {
 public:
  struct tape {
    matrix<const std::int32_t> tokens;
  };

  bag_of_words() = default;
  bag_of_words(parameter_layout& layout, const std::string& name, index_t vocabulary, index_t width)
      : vocabulary_(vocabulary),
        width_(width),
        table_(layout.add(name + ".weight", slice_kind::plain, {vocabulary, width}, 0, 1, parameter_kind::table)) {}

  [[nodiscard]] index_t vocabulary() const { return vocabulary_; }

  /// tokens[N, length] to y[N, width].
  template <class Pass>
  matrix<T> forward(Pass& p, matrix<const std::int32_t> tokens, tape& kept) const {
    matrix<T> y = p.memory.template allocate<T, 2>({tokens.rows(), width_});
    kept.tokens = tokens;
    p.executor.for_each(tokens.rows(), detail::sum_word_rows<T>{tokens, p.parameter(table_), y});
    return y;
  }

  template <class Pass>
  void backward(Pass& p, matrix<const T> gy, const tape& kept) const {
    if (p.trains_parameters()) add_word_gradients(p.executor, kept.tokens, gy, p.gradient(table_), vocabulary_);
  }

 private:
  index_t vocabulary_ = 0, width_ = 0, table_ = 0;
};

/// Fourier features of the noise level: y[n] = [sin(c f_0) ... sin(c f_{F-1}), cos(c f_0) ... cos(c f_{F-1})] with
/// c = ln(t)/4 (Karras et al. 2022, table 1) and F fixed frequencies, which are constants of the network and no
/// parameters: neither weight decay nor an optimizer touches them.
/// times[N] to [N, 2F].
template <class T, class Pass>
matrix<T> fourier_features(Pass& p, vec<const float> times, vec<const float> frequencies) {
  matrix<T> y = p.memory.template allocate<T, 2>({times.size(), 2 * frequencies.size()});
  p.executor.for_each(times.size(), detail::fourier_waves<T>{times, frequencies, y.data});
  return y;
}

}  // namespace fewstep
