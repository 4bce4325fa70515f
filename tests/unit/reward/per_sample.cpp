// SPDX-License-Identifier: Apache-2.0
#include <fewstep/reward/per_sample.hpp>

#include <atomic>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "test.hpp"

namespace {

using fewstep::index_t;
using fewstep::matrix;
using fewstep::vec;

struct prompt {
  float target;
};

struct batch {
  std::vector<float> values = std::vector<float>(41 * 3);
  std::vector<prompt> contexts = std::vector<prompt>(41);
  std::vector<float> out = std::vector<float>(41, -777.0f);

  batch() {
    std::iota(values.begin(), values.end(), 0.0f);
    for (std::size_t i = 0; i < contexts.size(); ++i) contexts[i].target = static_cast<float>(10 * i);
  }
  matrix<const float> samples() const { return {values.data(), {41, 3}}; }
  template <class Reward>
  void judge(Reward& with) {
    with(samples(), std::span<const prompt>(contexts), std::span<float>(out));
  }
};

}  // namespace

TEST_CASE("a function of one sample rates a batch, on any number of threads") {
  for (const int threads : {1, 0, 2, 5}) {
    CAPTURE(threads);
    fewstep::per_sample judge(
        [](vec<const float> sample, const prompt& p) { return sample[0] + sample[1] + sample[2] - p.target; },
        {.threads = threads});
    batch b;
    b.judge(judge);
    for (std::size_t i = 0; i < 41; ++i) CHECK(b.out[i] == static_cast<float>(9 * i + 3) - static_cast<float>(10 * i));
  }
}

TEST_CASE("a function with a state keeps it, and generic ones and doubles are welcome") {
  int calls = 0;
  fewstep::per_sample counting(
      [&calls](auto sample, const auto&) { return 0.5 * static_cast<double>(sample.size()) + ++calls; });
  batch b;
  b.judge(counting);
  CHECK(calls == 41);
  CHECK(b.out[0] == 2.5f);
  CHECK(b.out[40] == 42.5f);
}

TEST_CASE("the exception of the smallest failing sample comes out, whatever the number of threads") {
  for (const int threads : {1, 2, 5})
    for (int repetition = 0; repetition < 20; ++repetition) {
      CAPTURE(threads, repetition);
      fewstep::per_sample judge(
          [](vec<const float> sample, const prompt&) {
            const int i = static_cast<int>(sample[0]) / 3;
            if (i >= 7 && i % 3 == 1) throw std::out_of_range("sample " + std::to_string(i) + " is bad");
            return 0.0f;
          },
          {.threads = threads});
      batch b;
      CHECK_THROWS_WITH(b.judge(judge), "sample 7 is bad");
      CHECK_THROWS_AS(b.judge(judge), std::out_of_range);
    }
}

TEST_CASE("a batch whose parts do not match is refused") {
  fewstep::per_sample judge([](vec<const float>, const prompt&) { return 0.0f; });
  batch b;
  b.contexts.pop_back();
  CHECK_THROWS_WITH(b.judge(judge), contains("[41, 3]") && contains("40 contexts") && contains("41 rewards"));
}
