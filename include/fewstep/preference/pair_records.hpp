// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/preference/pair_source.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
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

  [[nodiscard]] index_t size() const { return static_cast<index_t>(contexts.size()); }
  /// F.
  [[nodiscard]] index_t segments() const { return labels.empty() ? 1 : static_cast<index_t>(labels.size()) / size(); }

  /// Throws std::invalid_argument, in the name of `who`, if arrays do not go together, a sample of `sample_size` values
  /// is not finite, a label is none, or all of them are ties.
  void expect_whole(std::string_view who, index_t sample_size) const {
    const index_t n = size();
    expects(n > 0, [&] { return message(who, ": there are no pairs; give at least one"); });
    expects(sample_size > 0, [&] {
      return message(who, ": samples have ", sample_size, " values; give pairs of samples of at least one");
    });
    expects(std::in_range<std::uint32_t>(n), [&] {
      return message(who, ": there are ", n, " pairs, which are drawn by numbers of 32 bits; give a part of them");
    });
    for (const auto& [member, values] : {std::pair{"first", &first}, std::pair{"second", &second}}) {
      expects(static_cast<index_t>(values->size()) == length_product(n, sample_size), [&] {
        return message(who, ": `", member, "` has ", values->size(), " values, but ", n, " contexts of samples of ",
                       sample_size, " values want ", n * sample_size,
                       "; give both members of every pair, of the samples of the model that is trained");
      });
      const auto bad = std::ranges::find_if(*values, [](float v) { return !std::isfinite(v); });
      expects(bad == values->end(), [&] {
        const auto at = static_cast<index_t>(bad - values->begin());
        return message(who, ": value ", at % sample_size, " of `", member, "` of pair ", at / sample_size, " is ", *bad,
                       "; leave the pair out");
      });
    }
    const auto count = static_cast<index_t>(labels.size());
    expects(count % n == 0, [&] {
      return message(who, ": there are ", count, " labels for ", n, " pairs; give one for each segment of each pair");
    });
    for (index_t i = 0; i < count; ++i)
      detail::expect_label(who, labels[static_cast<std::size_t>(i)], i % segments(), "pair", i / segments());
    expects(labels.empty() || std::ranges::any_of(labels, [](float label) { return label != 0; }),
            [&] { return message(who, ": all ", count, " labels are ties, so there is nothing to learn"); });
  }
};

/// The same pairs, of contexts that encode(context) makes of theirs: of prompts the tokens that a model reads.
///
///   const auto records = with_contexts(picture_pairs("pairs.csv"), [&](const std::string& text) { return tokens(text);
///   });
template <class Context, class Encode>
[[nodiscard]] auto with_contexts(pair_records<Context> records, Encode&& encode) {
  pair_records<std::decay_t<decltype(encode(records.contexts[0]))>> encoded{
      std::move(records.first), std::move(records.second), {}, std::move(records.labels)};
  encoded.contexts.reserve(records.contexts.size());
  for (const Context& context : records.contexts) encoded.contexts.push_back(encode(context));
  return encoded;
}

}  // namespace fewstep
