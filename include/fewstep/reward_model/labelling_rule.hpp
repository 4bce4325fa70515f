// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/image/picture_statistics.hpp>
#include <fewstep/reward/check.hpp>

#include <cmath>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace fewstep {

/// A taste that is written down, to label pairs of pictures with:
///   score = colour * colourfulness + centre * centredness - stray * stray_share
/// of pictures [H,W,3] in [-1,1] on white (see picture_statistics.hpp). Also a reward, whatever the context.
struct labelling_rule {
  double colour = 1, centre = 1, stray = 1;
  float tolerance = 0.1f;         ///< how far from white, as a share of a channel's range, background may be
  index_t height = 0, width = 0;  ///< of the pictures; 0: they are square

  static constexpr std::string_view name = "labelling_rule";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("colour", colour);
    visit("centre", centre);
    visit("stray", stray);
    visit("tolerance", tolerance, at_least(0));
    visit("height", height, at_least(0));
    visit("width", width, at_least(0));
  }

  [[nodiscard]] double operator()(vec<const float> picture) const {
    check_settings(*this);
    const picture_size size = picture_size_of(picture.size(), height, width);
    const std::vector<bool> is = foreground(picture, tolerance);
    return colour * colourfulness(picture) + centre * centredness(is, size) - stray * stray_share(is, size);
  }

  template <class Context>
  void operator()(matrix<const float> samples, std::span<const Context> contexts, std::span<float> out) const {
    detail::expect_reward_batch(samples, contexts.size(), out.size());
    for (index_t i = 0; i < samples.rows(); ++i)
      out[static_cast<std::size_t>(i)] =
          static_cast<float>((*this)(vec<const float>{samples.row(i), {samples.cols()}}));
  }
};

/// The label of a pair.
struct pair_label {
  bool first_wins = true;
  bool flipped = false;  ///< against the rule
};

struct labelling_options {
  double flipped_share = 0;  ///< probability that a label is wrong, from 0 to 1/2
  std::uint64_t seed = 0;
  std::uint64_t first_pair = 0;  ///< number of the batch's first pair in the whole data set

  static constexpr std::string_view name = "label_pairs";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("flipped_share", flipped_share, between(0, 0.5));
    visit("seed", seed);
    visit("first_pair", first_pair);
  }
};

/// Labels pairs of samples first[P,D], second[P,D]: the higher score(vec<const float> sample) wins, equal scores are
/// decided by a coin, and each label is flipped with the probability given. Coin and flip are a function of the seed
/// and of the pair's number. A score that is not finite throws std::runtime_error.
template <class Score>
[[nodiscard]] std::vector<pair_label> label_pairs(const Score& score, matrix<const float> first,
                                                  matrix<const float> second, const labelling_options& o) {
  expects(first.extents == second.extents, [&] {
    return message("label_pairs: the pairs are of [", first.rows(), ", ", first.cols(), "] and [", second.rows(), ", ",
                   second.cols(), "] samples; give as many of either, of one size");
  });
  check_settings(o);
  const random_stream random{o.seed, stream::labels};
  std::vector<pair_label> labels(static_cast<std::size_t>(first.rows()));
  for (index_t i = 0; i < first.rows(); ++i) {
    const double a = score(vec<const float>{first.row(i), {first.cols()}});
    const double b = score(vec<const float>{second.row(i), {second.cols()}});
    if (!std::isfinite(a) || !std::isfinite(b))
      throw std::runtime_error(message("label_pairs: the scores of pair ", i, " are ", a, " and ", b,
                                       "; both must be finite: check the rule and the samples"));
    const std::uint64_t number = o.first_pair + static_cast<std::uint64_t>(i);
    pair_label& label = labels[static_cast<std::size_t>(i)];
    label.first_wins = a == b ? random.below(2, number, 1) == 0 : a > b;
    label.flipped = static_cast<double>(random.uniform(number)) <= o.flipped_share;
    if (label.flipped) label.first_wins = !label.first_wins;
  }
  return labels;
}

}  // namespace fewstep
