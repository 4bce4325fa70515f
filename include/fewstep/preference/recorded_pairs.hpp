// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/preference/pair_source.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace fewstep {

/// Pairs that were judged before, N of them.
template <class Context>
struct pair_records {
  std::vector<float> first, second;  ///< [N, D]
  std::vector<Context> contexts;     ///< [N]
  /// [N, F] by segment: 1 where the first is the better one, -1 where the second is, 0 for a tie. Empty: all are 1.
  std::vector<float> labels{};
};

/// A pair_source of recorded pairs: each update draws its own, uniformly and with replacement, as a function of the
/// seed and the update.
///
///   recorded_pairs pairs(pair_records<token_list>{winners, losers, texts}, model.sample_size());
template <class Context>
class recorded_pairs {
 public:
  static constexpr std::string_view name = "recorded_pairs";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("pairs", static_cast<std::int64_t>(records_.contexts.size()));
    visit("segments", segments_);
    visit("seed", seed_);
  }

  /// Throws std::invalid_argument if arrays do not go together, a sample is not finite, a label is none, or all of them
  /// are ties.
  recorded_pairs(pair_records<Context> records, index_t sample_size, std::uint64_t seed = 0)
      : records_(std::move(records)), size_(sample_size), seed_(seed) {
    const auto n = static_cast<index_t>(records_.contexts.size());
    expects(n > 0, "recorded_pairs: there are no pairs; give at least one");
    expects(std::in_range<std::uint32_t>(n), [&] {
      return message(name, ": there are ", n, " pairs, which are drawn by numbers of 32 bits; give a part of them");
    });
    for (const auto& [member, values] : {std::pair{"first", &records_.first}, std::pair{"second", &records_.second}}) {
      expects(static_cast<index_t>(values->size()) == length_product(n, size_), [&] {
        return message(name, ": `", member, "` has ", values->size(), " values, but ", n, " contexts of samples of ",
                       size_, " values want ", n * size_);
      });
      const auto bad = std::ranges::find_if(*values, [](float v) { return !std::isfinite(v); });
      expects(bad == values->end(), [&] {
        const auto at = static_cast<index_t>(bad - values->begin());
        return message(name, ": value ", at % size_, " of `", member, "` of pair ", at / size_, " is ", *bad,
                       "; leave the pair out");
      });
    }
    if (records_.labels.empty()) records_.labels.assign(records_.contexts.size(), 1.0f);
    const auto labels = static_cast<index_t>(records_.labels.size());
    expects(labels % n == 0, [&] {
      return message(name, ": there are ", labels, " labels for ", n, " pairs; give one for each segment of each pair");
    });
    segments_ = labels / n;
    for (index_t i = 0; i < labels; ++i)
      detail::expect_label(name, records_.labels[static_cast<std::size_t>(i)], i % segments_, "pair", i / segments_);
    expects(std::ranges::any_of(records_.labels, [](float label) { return label != 0; }),
            [&] { return message(name, ": all ", labels, " labels are ties, so there is nothing to learn"); });
  }

  [[nodiscard]] index_t size() const { return static_cast<index_t>(records_.contexts.size()); }
  [[nodiscard]] index_t segments() const { return segments_; }

  /// Throws std::invalid_argument where labels of other segments are asked for.
  void operator()(std::int64_t update, matrix<float> first, matrix<float> second, std::span<Context> contexts,
                  matrix<float> labels) const {
    expects(labels.cols() == segments_, [&] {
      return message(name, ": labels of ", labels.cols(), " segments are asked for, but there are ", segments_,
                     "; set options.pairs.segments to what was judged");
    });
    const random_stream random{seed_, stream::data};
    const auto n = static_cast<std::uint32_t>(size());
    for (index_t i = 0; i < first.rows(); ++i) {
      const index_t pair = random.below(n, static_cast<std::uint64_t>(update * first.rows() + i));
      const auto copy = [pair](const std::vector<float>& from, index_t count, float* to) {
        std::copy_n(from.begin() + pair * count, count, to);
      };
      copy(records_.first, size_, first.row(i));
      copy(records_.second, size_, second.row(i));
      copy(records_.labels, segments_, labels.row(i));
      contexts[static_cast<std::size_t>(i)] = records_.contexts[static_cast<std::size_t>(pair)];
    }
  }

 private:
  pair_records<Context> records_;
  index_t size_, segments_ = 1;
  std::uint64_t seed_;
};

}  // namespace fewstep
