// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

namespace fewstep {

/// What contrastive_loss gave beside the gradient.
struct contrastive_report {
  double loss = 0;
  double scale_gradient = 0;  ///< d loss / d log_scale
  double accuracy = 0;        ///< share of pictures whose own text is nearer than every other one
};

/// Symmetric cross-entropy over the similarities of a batch of pairs (CLIP: Radford et al. 2021, arXiv:2103.00020,
/// figure 3). y[B,2E] has row by row the unit vectors I_i of the picture and T_i of its text; with logits
/// l_ij = exp(log_scale) <I_i, T_j> the loss is the mean over i of
///   -1/2 log(exp(l_ii) / sum_j exp(l_ij)) - 1/2 log(exp(l_ii) / sum_j exp(l_ji)).
///
/// Pairs of one caption are not negatives of each other: both sums leave out every j other than i with
/// captions[j] == captions[i]. With captions that all differ this is the published loss. (Removal of false negatives:
/// Huynh et al. 2020, arXiv:2011.11765.)
///
/// Overwrites gradient[B,2E] with d loss / d y. Sums are taken in double, in order.
template <class T>
contrastive_report contrastive_loss(input<matrix<const T>> y, double log_scale, std::span<const index_t> captions,
                                    matrix<T> gradient) {
  const index_t n = y.rows(), width = y.cols() / 2;
  expects(n > 0 && static_cast<index_t>(captions.size()) == n && gradient.extents == y.extents, [&] {
    return message("contrastive_loss: there are ", n, " pairs, ", captions.size(), " captions and a gradient of ",
                   gradient.rows(), " rows; give one of each for every pair, and at least one pair");
  });
  const double scale = std::exp(log_scale), share = 0.5 / static_cast<double>(n);
  const auto at = [n](index_t i, index_t j) { return static_cast<std::size_t>(i * n + j); };
  const auto counts = [&](index_t i, index_t j) {
    return i == j || captions[static_cast<std::size_t>(i)] != captions[static_cast<std::size_t>(j)];
  };
  std::vector<double> logits(at(n, 0)), slopes(at(n, 0));
  for (index_t i = 0; i < n; ++i)
    for (index_t j = 0; j < n; ++j) {
      double sum = 0;
      for (index_t e = 0; e < width; ++e) sum += static_cast<double>(y(i, e)) * static_cast<double>(y(j, width + e));
      logits[at(i, j)] = scale * sum;
    }

  contrastive_report report;
  // The cross-entropy of one row or column of the logits, whose j-th element is logits[place(j)].
  const auto add_cross_entropy = [&](index_t i, const auto& place) {
    double largest = logits[at(i, i)], sum = 0;
    for (index_t j = 0; j < n; ++j)
      if (counts(i, j)) largest = std::max(largest, logits[place(j)]);
    for (index_t j = 0; j < n; ++j)
      if (counts(i, j)) sum += std::exp(logits[place(j)] - largest);
    report.loss += share * (largest + std::log(sum) - logits[at(i, i)]);
    for (index_t j = 0; j < n; ++j)
      if (counts(i, j)) slopes[place(j)] += share * (std::exp(logits[place(j)] - largest) / sum - (i == j ? 1.0 : 0.0));
  };
  for (index_t i = 0; i < n; ++i) {
    add_cross_entropy(i, [&](index_t j) { return at(i, j); });
    add_cross_entropy(i, [&](index_t j) { return at(j, i); });
    bool nearest = true;
    for (index_t j = 0; j < n; ++j)
      nearest = nearest && (i == j || !counts(i, j) || logits[at(i, j)] < logits[at(i, i)]);
    report.accuracy += nearest ? 1.0 / static_cast<double>(n) : 0.0;
  }

  for (index_t k = 0; k < n * n; ++k)
    report.scale_gradient += slopes[static_cast<std::size_t>(k)] * logits[static_cast<std::size_t>(k)];
  std::vector<double> row(static_cast<std::size_t>(2 * width));
  for (index_t i = 0; i < n; ++i) {
    std::fill(row.begin(), row.end(), 0.0);
    for (index_t j = 0; j < n; ++j)
      for (index_t e = 0; e < width; ++e) {
        row[static_cast<std::size_t>(e)] += slopes[at(i, j)] * static_cast<double>(y(j, width + e));
        row[static_cast<std::size_t>(width + e)] += slopes[at(j, i)] * static_cast<double>(y(j, e));
      }
    for (index_t e = 0; e < 2 * width; ++e) gradient(i, e) = static_cast<T>(scale * row[static_cast<std::size_t>(e)]);
  }
  return report;
}

}  // namespace fewstep
