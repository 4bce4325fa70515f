// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/preference/pair_source.hpp>
#include <fewstep/preference/recorded_pairs.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

using namespace fewstep;

namespace {

static_assert(pair_source<recorded_pairs<int>, int>);

/// Pair i has i in its first, -i in its second, and 10 i as its context.
pair_records<int> numbered(int n) {
  pair_records<int> records;
  for (int i = 0; i < n; ++i) {
    for (int d = 0; d < 2; ++d) {
      records.first.push_back(static_cast<float>(i));
      records.second.push_back(static_cast<float>(-i));
    }
    records.contexts.push_back(10 * i);
  }
  return records;
}

struct drawn {
  std::vector<float> first, second, labels;
  std::vector<int> contexts;
  drawn(const recorded_pairs<int>& source, std::int64_t update, index_t n, index_t segments = 1)
      : first(static_cast<std::size_t>(2 * n)),
        second(first.size()),
        labels(static_cast<std::size_t>(n * segments)),
        contexts(static_cast<std::size_t>(n)) {
    source(update, {first.data(), {n, 2}}, {second.data(), {n, 2}}, contexts, {labels.data(), {n, segments}});
  }
};

}  // namespace

TEST_CASE("recorded pairs are drawn whole, uniformly, and as a function of seed and update") {
  const recorded_pairs source(numbered(5), 2, 3);
  constexpr index_t n = 5000;
  const drawn a(source, 7, n), again(source, 7, n), later(source, 8, n);
  std::vector<int> counts(5);
  for (std::size_t i = 0; i < n; ++i) {
    const int pair = a.contexts[i] / 10;
    ++counts[static_cast<std::size_t>(pair)];
    CHECK(a.first[2 * i + 1] == static_cast<float>(pair));
    CHECK(a.second[2 * i] == static_cast<float>(-pair));
    CHECK(a.labels[i] == 1);
  }
  for (const int count : counts)
    CHECK(std::abs(count - 1000) < 160);  // 5.6 deviations of 28: once in 10^7 for the five
  CHECK(a.contexts == again.contexts);
  CHECK(a.contexts != later.contexts);
}

TEST_CASE("labels go with their pair, by segment") {
  auto records = numbered(2);
  records.labels = {1, 0, -1, 0, 0, 1};
  const recorded_pairs source(records, 2);
  CHECK(source.segments() == 3);
  const drawn some(source, 0, 20, 3);
  for (std::size_t i = 0; i < 20; ++i) {
    const bool is_first = some.contexts[i] == 0;
    CHECK(some.labels[3 * i] == (is_first ? 1 : 0));
    CHECK(some.labels[3 * i + 2] == (is_first ? -1 : 1));
  }
}

TEST_CASE("records that do not go together are refused, and the pair is named") {
  const auto with = [](auto change) {
    auto records = numbered(4);
    change(records);
    (void)recorded_pairs(records, 2);
  };
  using records = pair_records<int>;
  CHECK_THROWS_WITH(with([](records& r) { r.second.pop_back(); }),
                    contains("`second` has 7 values, but 4 contexts of samples of 2 values want 8; give both members"));
  CHECK_THROWS_WITH((void)recorded_pairs(records{{}, {}, {1, 2}}, 0), contains("samples have 0 values"));
  CHECK_THROWS_WITH(with([](records& r) { r.contexts.clear(); }), contains("there are no pairs"));
  CHECK_THROWS_WITH(with([](records& r) { r.first[5] = NAN; }), contains("value 1 of `first` of pair 2 is nan"));
  CHECK_THROWS_WITH(with([](records& r) { r.labels = {1, 1, 1}; }), contains("3 labels for 4 pairs"));
  CHECK_THROWS_WITH(with([](records& r) { r.labels = {1, 1, 2, 1}; }), contains("label 0 of pair 2 is 2"));
  CHECK_THROWS_WITH(with([](records& r) { r.labels = {0, 0, 0, 0}; }), contains("all 4 labels are ties"));
  const recorded_pairs source(numbered(4), 2);
  CHECK_THROWS_WITH(drawn(source, 0, 3, 2), contains("labels of 2 segments are asked for, but there are 1"));
  std::vector<float> values(6), labels(2);
  std::vector<int> contexts(2);
  CHECK_THROWS_WITH(source(0, {values.data(), {2, 3}}, {values.data(), {2, 3}}, contexts, {labels.data(), {2, 1}}),
                    contains("samples of 3 values are asked for, but those recorded have 2"));
}
