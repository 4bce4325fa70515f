// SPDX-License-Identifier: Apache-2.0
#include "cuda/support.cuh"

#include <fewstep/cuda/score.cuh>
#include <fewstep/cuda/transition.cuh>
#include <fewstep/objective/clipped_surrogate.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

using namespace fewstep;
using namespace fewstep::test;

namespace {

constexpr step_row noisy{1, 0.5f, 0.7f, -0.4f, 0.3f, 1, 0, 1}, quiet{0.5f, 0, 0.9f, 0.25f, 0, 1, 0, 1};
constexpr rollout_noise source{0x123456789abcdefull, 1000003};

template <class Backend>
std::vector<float> initial(Backend& backend, index_t rows, index_t dimension, index_t first, index_t shift) {
  tensor<float, 1, Backend> x(backend, {rows * dimension + shift});
  if constexpr (on_host<Backend>) {
    draw_initial_states(backend, {{x.data() + shift, {rows, dimension}}, 1.5f, &source, first});
    return {x.data() + shift, x.data() + x.size()};
  } else {
    const auto noise = to_device(backend, std::vector<rollout_noise>{source});
    draw_initial_states(backend, {{x.data() + shift, {rows, dimension}}, 1.5f, noise.data(), first});
    return to_host(backend, x.data() + shift, rows * dimension);
  }
}

struct moved {
  std::vector<float> next;
  std::vector<double> log_probabilities;
};

/// Samples [first, first + rows) of `x` and `o` take a step; arrays begin `shift` floats behind a boundary.
template <class Backend>
moved stepped(Backend& backend, const step_row& row, const std::vector<float>& x, const std::vector<float>& o,
              index_t dimension, index_t first, index_t rows, index_t shift = 0, bool scored = true,
              const scored_range& range = {}) {
  const auto part = [&](const std::vector<float>& values) {
    std::vector<float> shifted(static_cast<std::size_t>(shift + rows * dimension));
    std::copy_n(values.begin() + first * dimension, rows * dimension, shifted.begin() + shift);
    return to_device(backend, shifted);
  };
  const array_extents<2> shape{rows, dimension};
  const auto xs = part(x), os = part(o);
  const auto noise = to_device(backend, std::vector<rollout_noise>{source});
  tensor<float, 1, Backend> next(backend, {shift + rows * dimension});
  tensor<double, 1, Backend> log_probabilities(backend, {rows});
  take_step(backend, transition_step{.x = {xs.data() + shift, shape},
                                     .o = {os.data() + shift, shape},
                                     .next = {next.data() + shift, shape},
                                     .row = row,
                                     .step = 3,
                                     .noise = noise.data(),
                                     .first = first,
                                     .log_probabilities = scored ? log_probabilities.data() : nullptr,
                                     .scored = range});
  return {to_host(backend, next.data() + shift, rows * dimension), to_host(backend, log_probabilities)};
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("initial states are the CPU's noise, wherever a sample stands", "[cuda]", devices) {
  for (const index_t dimension : {1, 3, 4, 50, 1028}) {
    cpu_backend cpu({.threads = 1});
    const auto expected = initial(cpu, 4, dimension, 7, 0);
    in_every_order<TestType>([&](TestType& backend) {
      const auto x = initial(backend, 4, dimension, 7, 0);
      CHECK(largest_difference(x, expected) < 5e-6);
      const auto alone = initial(backend, 1, dimension, 9, 1);
      CHECK(same_bits(alone.data(), x.data() + 2 * dimension, dimension));
      return x;
    });
  }
}

TEMPLATE_LIST_TEST_CASE("states that start from data are the CPU's, wherever they stand", "[cuda]", devices) {
  constexpr index_t rows = 3;
  for (const index_t dimension : {1, 4, 50, 1028}) {
    const auto values = normals<float>(rows * dimension, 4);
    const auto start = [&](auto& backend, index_t shift) {
      std::vector<float> shifted(static_cast<std::size_t>(shift));
      shifted.insert(shifted.end(), values.begin(), values.end());
      const auto data = to_device(backend, shifted);
      const auto noise = to_device(backend, std::vector<rollout_noise>{source});
      tensor<float, 1, std::remove_reference_t<decltype(backend)>> x(backend, {rows * dimension + shift});
      const array_extents<2> shape{rows, dimension};
      draw_initial_states(backend, initial_states{.x = {x.data() + shift, shape},
                                                  .sigma = 0.8f,
                                                  .noise = noise.data(),
                                                  .first = 7,
                                                  .step = 2,
                                                  .data = {data.data() + shift, shape},
                                                  .signal = 0.6f});
      return to_host(backend, x.data() + shift, rows * dimension);
    };
    cpu_backend cpu({.threads = 1});
    const auto expected = start(cpu, 0);
    in_every_order<TestType>([&](TestType& backend) {
      const auto x = start(backend, 0);
      CHECK(largest_difference(x, expected) < 5e-6);
      CHECK(same_bits(start(backend, 1), x));
      return x;
    });
  }
}

TEMPLATE_LIST_TEST_CASE("a step is the CPU's, with and without noise", "[cuda]", devices) {
  for (const index_t dimension : {1, 5, 16, 18, 300, 516, 4096, 4099, 8196}) {
    const index_t rows = dimension > 1000 ? 2 : 5;
    const auto x = normals<float>(rows * dimension, 1), o = normals<float>(rows * dimension, 2);
    for (const step_row& row : {noisy, quiet}) {
      CAPTURE(dimension, row.sigma);
      cpu_backend cpu({.threads = 1});
      const bool scored = row.sigma > 0;
      const auto expected = stepped(cpu, row, x, o, dimension, 0, rows, 0, scored);
      in_every_order<TestType>([&](TestType& backend) {
        const auto m = stepped(backend, row, x, o, dimension, 0, rows, 0, scored);
        CHECK(largest_difference(m.next, expected.next) < 3e-6);
        if (scored) CHECK(largest_difference(m.log_probabilities, expected.log_probabilities) < 3e-6);
        return m.next;
      });
    }
  }
}

TEMPLATE_LIST_TEST_CASE("a replay finds the log-probability of the draw, to the bit", "[cuda]", devices) {
  for (const index_t dimension : {1, 4, 16, 52, 511, 600, 4096, 4100, 12289}) {
    constexpr index_t rows = 3;
    const auto x = normals<float>(rows * dimension, 1), o = normals<float>(rows * dimension, 2);
    TestType backend;
    cpu_backend cpu({.threads = 1});
    const scored_range part{dimension / 3, dimension / 2 + 1};
    for (const scored_range& range : {scored_range{}, part})
      for (const index_t shift : {0, 1}) {
        CAPTURE(dimension, shift, range.count);
        const auto drawn = stepped(backend, noisy, x, o, dimension, 0, rows, 0, true, range);
        const auto expected = stepped(cpu, noisy, x, o, dimension, 0, rows, 0, true, range);
        CHECK(largest_difference(drawn.log_probabilities, expected.log_probabilities) < 3e-6);
        const auto alone = stepped(backend, noisy, x, o, dimension, 1, 1, shift, true, range);
        CHECK(same_bits(alone.next.data(), drawn.next.data() + dimension, dimension));
        CHECK(alone.log_probabilities[0] == drawn.log_probabilities[1]);

        for (const detail::long_rows way : {detail::long_rows::block, detail::long_rows::split}) {
          const auto shifted = [&](const std::vector<float>& values) {
            std::vector<float> from(static_cast<std::size_t>(shift));
            from.insert(from.end(), values.begin(), values.end());
            return to_device(backend, from);
          };
          const array_extents<2> shape{rows, dimension};
          const auto xs = shifted(x), next = shifted(drawn.next),
                     advantages = to_device(backend, normals<float>(rows, 5));
          auto os = shifted(o);
          const auto old = to_device(backend, drawn.log_probabilities);
          const auto table = to_device(backend, std::vector<step_row>{noisy});
          const auto step = to_device(backend, std::vector<std::int32_t>(rows));
          const auto settings = to_device(backend, std::vector<loss_settings<clipped_surrogate>>{{{1e-4f}}});
          tensor<score, 1, TestType> scores(backend, {rows});
          detail::score_rows(backend,
                             scored_rows<clipped_surrogate>{.x = {xs.data() + shift, shape},
                                                            .next = {next.data() + shift, shape},
                                                            .o = {os.data() + shift, shape},
                                                            .reference = {},
                                                            .step = step.data(),
                                                            .old_log_probability = old.data(),
                                                            .advantage = advantages.data(),
                                                            .table = table.data(),
                                                            .settings = settings.data(),
                                                            .scores = scores.data(),
                                                            .scored = range},
                             way);
          for (const score& s : to_host(backend, scores)) {
            CHECK(s.log_ratio == 0.0f);
            CHECK(s.ratio == 1.0f);
          }
          const auto found = to_host(backend, scores);
          for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i].log_probability == drawn.log_probabilities[i]);
        }
      }
  }
}

TEMPLATE_LIST_TEST_CASE("the result is the clean prediction or the state", "[cuda]", devices) {
  constexpr index_t rows = 3, dimension = 37;
  const auto x = normals<float>(rows * dimension, 1), o = normals<float>(rows * dimension, 2),
             next = normals<float>(rows * dimension, 3);
  std::vector<float> clean = x;
  for (std::size_t i = 0; i < clean.size(); ++i) clean[i] = 0.3f * x[i] + 0.8f * o[i];
  TestType backend;
  const auto xs = to_device(backend, x), os = to_device(backend, o), nexts = to_device(backend, next);
  tensor<float, 1, TestType> to(backend, {rows * dimension + 1});
  const array_extents<2> shape{rows, dimension};
  std::vector<float> on_boundary;
  for (const index_t shift : {0, 1}) {
    emit_result(backend, {{xs.data(), shape}, {os.data(), shape}, {}, {to.data() + shift, shape}, 0.3f, 0.8f, true});
    const auto result = to_host(backend, to.data() + shift, rows * dimension);
    CHECK(largest_difference(result, clean) < 1e-6);
    if (shift == 0) on_boundary = result;
    CHECK(same_bits(result, on_boundary));
  }
  emit_result(backend,
              {{xs.data(), shape}, {os.data(), shape}, {nexts.data(), shape}, {to.data(), shape}, 0, 0, false});
  CHECK(same_bits(to_host(backend, to.data(), rows * dimension), next));
}
