// SPDX-License-Identifier: Apache-2.0
#include <fewstep/reward/differentiable_per_sample.hpp>
#include <fewstep/reward/differentiable_reward.hpp>
#include <fewstep/reward/weighted_sum.hpp>

#include <cmath>
#include <functional>
#include <stdexcept>
#include <vector>

#include "support/arrays.hpp"
#include "test.hpp"

namespace {

using fewstep::index_t;
using fewstep::matrix;
using fewstep::vec;

constexpr index_t rows = 5, size = 3;

/// sin(context x_0) + x_1 x_2, and another sample's nothing.
auto wave(fewstep::per_sample_settings settings = {}) {
  return fewstep::differentiable_per_sample(
      [](vec<const float> x, float context, vec<float> gradient) {
        gradient[0] = context * std::cos(context * x[0]);
        gradient[1] = x[2];
        gradient[2] = x[1];
        return std::sin(context * x[0]) + x[1] * x[2];
      },
      settings);
}

/// The sum of squares.
struct squares {
  template <class Context>
  void operator()(matrix<const float> samples, std::span<const Context> contexts, std::span<float> out) const {
    std::vector<float> unused(static_cast<std::size_t>(samples.size()));
    value_and_gradient(samples, contexts, out, {unused.data(), samples.extents});
  }
  template <class Context>
  void value_and_gradient(matrix<const float> samples, std::span<const Context>, std::span<float> out,
                          matrix<float> gradient) const {
    for (index_t r = 0; r < samples.rows(); ++r) {
      out[static_cast<std::size_t>(r)] = 0;
      for (index_t d = 0; d < samples.cols(); ++d) {
        out[static_cast<std::size_t>(r)] += samples(r, d) * samples(r, d);
        gradient(r, d) = 2 * samples(r, d);
      }
    }
  }
};

const std::vector<float> samples = fewstep::test::normals<float>(rows * size, 1);
const std::vector<float> contexts{0.5f, 1, -1, 2, 0};

struct judged {
  std::vector<float> rewards = std::vector<float>(rows), gradient = std::vector<float>(rows * size, NAN);
};

template <class Reward>
std::vector<float> values(Reward& judge, const std::vector<float>& x) {
  std::vector<float> out(rows);
  judge(matrix<const float>(x.data(), {rows, size}), std::span(contexts), std::span(out));
  return out;
}
template <class Reward>
judged judge_all(Reward& judge) {
  judged result;
  fewstep::value_and_gradient(judge, matrix<const float>(samples.data(), {rows, size}), std::span(contexts),
                              std::span(result.rewards), matrix<float>(result.gradient.data(), {rows, size}));
  return result;
}

/// Rewards are those of the call, and the gradient that of central differences.
template <class Reward>
void check(Reward& judge) {
  const judged result = judge_all(judge);
  CHECK(result.rewards == values(judge, samples));
  constexpr float step = 1.0f / 128;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    auto above = samples, below = samples;
    above[i] += step;
    below[i] -= step;
    const auto up = values(judge, above), down = values(judge, below);
    for (std::size_t r = 0; r < rows; ++r) {
      const double slope =
          (static_cast<double>(up[r]) - static_cast<double>(down[r])) / (2 * static_cast<double>(step));
      const double claimed = i / size == r ? static_cast<double>(result.gradient[i]) : 0.0;
      CHECK(claimed == Approx(slope).margin(1e-3));
    }
  }
}

}  // namespace

TEST_CASE("a differentiable function of one sample is a reward with its gradient, on any number of threads") {
  auto one = wave(), more = wave({.threads = 3});
  check(one);
  const judged first = judge_all(one), second = judge_all(more);
  CHECK(first.rewards == second.rewards);
  CHECK(first.gradient == second.gradient);
}

TEST_CASE("a weighted sum of differentiable rewards has the weighted sum of their gradients") {
  squares shared;
  fewstep::weighted_sum inner(fewstep::weighted{0.5f, wave()}, fewstep::weighted{-2.0f, std::ref(shared), "squares"});
  check(inner);
  const auto of_squares = inner.values("squares");
  CHECK(of_squares[0] == values(shared, samples)[0]);
  fewstep::weighted_sum outer(fewstep::weighted{3.0f, std::ref(inner)}, fewstep::weighted{1.0f, wave()});
  check(outer);
}

TEST_CASE("a differentiable reward may be held by std::ref") {
  auto judge = wave();
  auto held = std::ref(judge);
  CHECK(judge_all(held).gradient == judge_all(judge).gradient);
}

TEST_CASE("a gradient of another shape is refused, and an exception names no other sample's") {
  auto judge = wave();
  fewstep::weighted_sum sum(fewstep::weighted{1.0f, squares{}});
  std::vector<float> out(rows), gradient(rows * size);
  const matrix<const float> x(samples.data(), {rows, size});
  const matrix<float> narrow(gradient.data(), {rows, size - 1});
  CHECK_THROWS_WITH(judge.value_and_gradient(x, std::span(contexts), std::span(out), narrow),
                    contains("[5, 3] but their gradient is [5, 2]"));
  CHECK_THROWS_WITH(sum.value_and_gradient(x, std::span(contexts), std::span(out), narrow),
                    contains("[5, 3] but their gradient is [5, 2]"));
  auto failing = fewstep::differentiable_per_sample([](vec<const float>, float context, vec<float>) -> float {
    if (context > 1) throw std::runtime_error("context 2");
    return 0;
  });
  CHECK_THROWS_WITH(values(failing, samples), "context 2");
}
