// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/preference/pair_records.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace fewstep {

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
    records_.expect_whole(name, size_);
    if (records_.labels.empty()) records_.labels.assign(records_.contexts.size(), 1.0f);
    segments_ = records_.segments();
  }

  [[nodiscard]] index_t size() const { return records_.size(); }
  [[nodiscard]] index_t segments() const { return segments_; }

  /// Throws std::invalid_argument where samples of another size or labels of other segments are asked for.
  void operator()(std::int64_t update, matrix<float> first, matrix<float> second, std::span<Context> contexts,
                  matrix<float> labels) const {
    expects(labels.cols() == segments_, [&] {
      return message(name, ": labels of ", labels.cols(), " segments are asked for, but there are ", segments_,
                     "; set options.pairs.segments to what was judged");
    });
    expects(first.cols() == size_, [&] {
      return message(name, ": samples of ", first.cols(), " values are asked for, but those recorded have ", size_,
                     "; record pairs of the model that is trained");
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
