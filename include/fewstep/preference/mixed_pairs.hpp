// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/preference/pair_source.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace fewstep {

struct mixed_pairs_options {
  float share = 0.5f;  ///< of the pairs of each update that are the first source's, to the nearest pair

  static constexpr std::string_view name = "mixed_pairs";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("share", share, above(0).below(1));
  }
};

/// A pair_source of two: pairs that were recorded and pairs that are made on the fly, say. Each update has the same
/// number of either, and each source numbers its own, so that what comes is a function of the update.
///
///   mixed_pairs pairs(recorded_pairs(records, size), labelled_pairs(samples, judge), {.share = 0.25f});
template <class First, class Second>
class mixed_pairs {
 public:
  mixed_pairs(First first, Second second, mixed_pairs_options o = {})
      : first_(std::move(first)), second_(std::move(second)), options_(checked(o)) {}

  static constexpr std::string_view name = mixed_pairs_options::name;
  template <class Visitor>
  void settings(Visitor& visit) const {
    options_.settings(visit);
    visit.part("first", first_);
    visit.part("second", second_);
  }

  /// Pairs of the first source among so many.
  [[nodiscard]] index_t count(index_t pairs) const {
    return static_cast<index_t>(std::llround(static_cast<double>(options_.share) * static_cast<double>(pairs)));
  }

  /// Throws std::invalid_argument where a source would have none.
  template <class Context>
  void operator()(std::int64_t update, matrix<float> first, matrix<float> second, std::span<Context> contexts,
                  matrix<float> labels) {
    if constexpr (detail::require_pair_source<First, Context>() && detail::require_pair_source<Second, Context>())
      fill(update, first, second, contexts, labels);
  }

 private:
  template <class Context>
  void fill(std::int64_t update, matrix<float> first, matrix<float> second, std::span<Context> contexts,
            matrix<float> labels) {
    const index_t pairs = first.rows(), of_first = count(pairs);
    expects(of_first > 0 && of_first < pairs, [&] {
      return message(name, ": a share of ", options_.share, " of ", pairs, " pairs is ", of_first,
                     "; ask for more pairs, or give one source only");
    });
    const auto part = [&](auto& source, index_t from, index_t n) {
      detail::ask_for_pairs(source, update, first.subview(from, n), second.subview(from, n),
                            contexts.subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(n)),
                            labels.subview(from, n));
    };
    part(first_, 0, of_first);
    part(second_, of_first, pairs - of_first);
  }

  First first_;
  Second second_;
  mixed_pairs_options options_;
};

}  // namespace fewstep
