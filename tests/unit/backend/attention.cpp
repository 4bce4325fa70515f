// SPDX-License-Identifier: Apache-2.0
#include "support/arrays.hpp"
#include "test.hpp"

#include <fewstep/backend/cpu/attention.hpp>

#include <cmath>
#include <vector>

using fewstep::attention_shape;
using fewstep::index_t;
using fewstep::strided_rows;
using fewstep::test::normals;
using fewstep::test::relative_error;
using fewstep::test::same_bits;

namespace {

template <class T>
std::vector<double> naive(const attention_shape& s, strided_rows<const T> q, strided_rows<const T> k,
                          strided_rows<const T> v) {
  std::vector<double> y(static_cast<std::size_t>(s.samples * s.queries * s.channels()));
  for (index_t n = 0; n < s.samples; ++n)
    for (index_t h = 0; h < s.heads; ++h)
      for (index_t i = 0; i < s.queries; ++i) {
        std::vector<double> weights;
        double total = 0, largest = -INFINITY;
        for (index_t j = 0; j < s.keys; ++j) {
          double score = 0;
          for (index_t c = h * s.width; c < (h + 1) * s.width; ++c)
            score += static_cast<double>(q.data[(n * s.queries + i) * q.stride + c]) *
                     static_cast<double>(k.data[(n * s.keys + j) * k.stride + c]);
          weights.push_back(score / std::sqrt(static_cast<double>(s.width)));
          largest = std::max(largest, weights.back());
        }
        for (double& weight : weights) total += weight = std::exp(weight - largest);
        for (index_t j = 0; j < s.keys; ++j)
          for (index_t c = h * s.width; c < (h + 1) * s.width; ++c)
            y[static_cast<std::size_t>((n * s.queries + i) * s.channels() + c)] +=
                weights[static_cast<std::size_t>(j)] / total *
                static_cast<double>(v.data[(n * s.keys + j) * v.stride + c]);
      }
  return y;
}

template <class T>
constexpr double tolerance = sizeof(T) == 4 ? 2e-6 : 1e-14;

}  // namespace

TEMPLATE_TEST_CASE("attention_forward follows its definition and treats every sample by itself", "", float, double) {
  fewstep::cpu_executor executor;
  for (const index_t heads : {1, 2, 3})
    for (const index_t width : {1, 4, 17})
      for (const auto& [queries, keys] : {std::pair<index_t, index_t>{1, 1}, {5, 7}, {16, 16}, {9, 50}}) {
        CAPTURE(heads, width, queries, keys);
        const attention_shape s{2, queries, keys, heads, width};
        // Queries lie in rows of their own length; keys and values share rows.
        const index_t stride = 2 * s.channels() + 3;
        const auto q = normals<TestType>(2 * queries * s.channels(), 1, 2),
                   kv = normals<TestType>(2 * keys * stride, 2);
        std::vector<TestType> p(static_cast<std::size_t>(2 * heads * queries * keys));
        std::vector<TestType> y(static_cast<std::size_t>(2 * queries * s.channels())), alone(y.size());
        const strided_rows<const TestType> at_q{q.data(), s.channels()}, at_k{kv.data(), stride},
            at_v{kv.data() + s.channels(), stride};
        fewstep::attention_forward(executor, s, at_q, at_k, at_v, p.data(), y.data());
        CHECK(relative_error(y, naive(s, at_q, at_k, at_v)) < tolerance<TestType>);
        double worst = 0;
        for (index_t row = 0; row < 2 * heads * queries; ++row) {
          double sum = 0;
          for (index_t j = 0; j < keys; ++j) sum += static_cast<double>(p[static_cast<std::size_t>(row * keys + j)]);
          worst = std::max(worst, std::abs(sum - 1));
        }
        CHECK(worst < tolerance<TestType>);

        attention_shape second = s;
        second.samples = 1;
        fewstep::attention_forward(
            executor, second, strided_rows<const TestType>{q.data() + queries * s.channels(), s.channels()},
            strided_rows<const TestType>{kv.data() + keys * stride, stride},
            strided_rows<const TestType>{kv.data() + keys * stride + s.channels(), stride}, p.data(), alone.data());
        CHECK(same_bits(alone.data(), y.data() + queries * s.channels(), queries * s.channels()));
      }
}

TEST_CASE("attention_forward stays finite where scores are large") {
  const attention_shape s{1, 3, 3, 1, 1};
  fewstep::cpu_executor executor;
  const std::vector<float> q = {1e4f, -1e4f, 0}, k = {1e4f, -1e4f, 0}, v = {1, 2, 6};
  std::vector<float> p(9), y(3);
  fewstep::attention_forward(executor, s, strided_rows<const float>{q.data(), 1},
                             strided_rows<const float>{k.data(), 1}, strided_rows<const float>{v.data(), 1}, p.data(),
                             y.data());
  CHECK(y[0] == 1);
  CHECK(y[1] == 2);
  CHECK(y[2] == Approx(3));
}
