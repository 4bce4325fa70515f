// SPDX-License-Identifier: Apache-2.0
#include <fewstep/reward/weighted_sum.hpp>

#include <functional>
#include <vector>

#include "test.hpp"

namespace {

using fewstep::matrix;

/// The value of one column; remembers how often it was asked.
struct column {
  fewstep::index_t index;
  int calls = 0;
  void operator()(matrix<const float> samples, std::span<const int>, std::span<float> out) {
    ++calls;
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = samples(static_cast<fewstep::index_t>(i), index);
  }
};

const std::vector<float> values{1, 10, 2, 20, 3, 30};
const std::vector<int> contexts(3);

template <class Reward>
std::vector<float> judged(Reward& judge, fewstep::index_t rows = 3) {
  std::vector<float> out(static_cast<std::size_t>(rows), -777.0f);
  judge(matrix<const float>(values.data(), {rows, 2}), std::span(contexts).first(out.size()), std::span(out));
  return out;
}

std::vector<float> copy(std::span<const float> view) { return {view.begin(), view.end()}; }

}  // namespace

TEST_CASE("rewards are weighted and added, and each part's values stay readable") {
  fewstep::weighted_sum sum(fewstep::weighted{0.5f, column{0}}, fewstep::weighted{-2.0f, column{1}, "second"});
  CHECK(sum.size() == 2);
  CHECK(sum.values(0).empty());
  CHECK(judged(sum) == std::vector<float>{-19.5f, -39.0f, -58.5f});
  CHECK(copy(sum.values(0)) == std::vector<float>{1, 2, 3});
  CHECK(copy(sum.values("second")) == std::vector<float>{10, 20, 30});
  CHECK(copy(sum.values("0")) == std::vector<float>{1, 2, 3});
  CHECK(sum.name(0) == "0");
  CHECK(sum.name(1) == "second");
  CHECK_THROWS_WITH(sum.values(2), contains("no part 2"));
  CHECK_THROWS_WITH(sum.values("third"), contains("'third'") && contains("0, second"));
}

TEST_CASE("the buffers of a weighted sum are allocated once") {
  fewstep::weighted_sum sum(fewstep::weighted{1.0f, column{0}});
  judged(sum);
  const float* first = sum.values(0).data();
  CHECK(judged(sum, 2) == std::vector<float>{1, 2});
  CHECK(sum.values(0).size() == 2);
  CHECK(judged(sum) == std::vector<float>{1, 2, 3});
  CHECK(sum.values(0).data() == first);
}

TEST_CASE("parts can be shared, and sums can be parts") {
  column shared{1};
  fewstep::weighted_sum inner(fewstep::weighted{1.0f, std::ref(shared)}, fewstep::weighted{1.0f, column{0}});
  fewstep::weighted_sum outer(fewstep::weighted{2.0f, std::ref(inner)}, fewstep::weighted{0.0f, std::ref(shared)});
  CHECK(judged(outer) == std::vector<float>{22, 44, 66});
  CHECK(shared.calls == 2);
  CHECK(copy(inner.values(0)) == std::vector<float>{10, 20, 30});
}
