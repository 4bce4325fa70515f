// SPDX-License-Identifier: Apache-2.0
#include "cuda/support.cuh"

#include <fewstep/backend/cpu/attention.hpp>
#include <fewstep/cuda/attention.cuh>

#include <algorithm>
#include <cmath>

using namespace fewstep;
using namespace fewstep::test;

namespace {

using values = std::vector<float>;

/// The operands of attention on the host. With `joined`, queries, keys and values are the columns of one array.
struct attention_case {
  attention_shape shape;
  bool joined;
  values q, k, v, gy;

  [[nodiscard]] index_t stride() const { return joined ? 3 * shape.channels() : shape.channels(); }
  [[nodiscard]] index_t part(index_t which) const { return joined ? which * shape.channels() : 0; }
};

attention_case random_case(const attention_shape& s, bool joined = false) {
  const index_t c = s.channels();
  attention_case a{s, joined, {}, {}, {}, normals<float>(s.samples * s.queries * c, 4)};
  a.q = normals<float>(s.samples * s.queries * a.stride(), 1, 1.5);
  a.k = joined ? a.q : normals<float>(s.samples * s.keys * c, 2);
  a.v = joined ? a.q : normals<float>(s.samples * s.keys * c, 3);
  return a;
}

struct attention_result {
  values y, probabilities, gq, gk, gv;

  [[nodiscard]] values all() const {
    values joined;
    for (const values* part : {&y, &probabilities, &gq, &gk, &gv})
      joined.insert(joined.end(), part->begin(), part->end());
    return joined;
  }
};

/// Both passes on pointers that `executor` may use; gradients are written with the strides of their operands.
template <class Executor>
void run(Executor& executor, const attention_case& a, const float* q, const float* k, const float* v, const float* gy,
         float* probabilities, float* y, float* gq, float* gk, float* gv) {
  const auto rows = [&](const float* data, index_t which) {
    return strided_rows<const float>{data + a.part(which), a.stride()};
  };
  const auto gradients = [&](float* data, index_t which) {
    return strided_rows<float>{data + a.part(which), a.stride()};
  };
  attention_forward(executor, a.shape, rows(q, 0), rows(k, 1), rows(v, 2), probabilities, y);
  const float* kept = probabilities;
  attention_backward(executor, a.shape, rows(q, 0), rows(k, 1), rows(v, 2), kept, gy, gradients(gq, 0),
                     gradients(gk, 1), gradients(gv, 2));
}

std::size_t size_of_probabilities(const attention_shape& s) {
  return static_cast<std::size_t>(s.samples * s.heads * s.queries * s.keys);
}

attention_result on_cpu(const attention_case& a) {
  cpu_executor executor;
  attention_result r{values(a.gy.size()), values(size_of_probabilities(a.shape)), values(a.q.size()),
                     values(a.k.size()), values(a.v.size())};
  run(executor, a, a.q.data(), a.k.data(), a.v.data(), a.gy.data(), r.probabilities.data(), r.y.data(), r.gq.data(),
      r.gk.data(), r.gv.data());
  return r;
}

/// `offset` elements before each operand put it off a 16-byte boundary.
template <class Backend>
attention_result on_device(Backend& backend, const attention_case& a, index_t offset = 0) {
  const auto shifted = [&](const values& v) {
    values padded(static_cast<std::size_t>(offset), 0.0f);
    padded.insert(padded.end(), v.begin(), v.end());
    return to_device(backend, padded);
  };
  const auto zeros = [&](std::size_t n) { return to_device(backend, values(n)); };
  const auto q = shifted(a.q), k = shifted(a.k), v = shifted(a.v), gy = shifted(a.gy);
  auto y = zeros(a.gy.size()), p = zeros(size_of_probabilities(a.shape));
  auto gq = zeros(a.q.size()), gk = zeros(a.k.size()), gv = zeros(a.v.size());
  run(backend.executor(0), a, q.data() + offset, k.data() + offset, v.data() + offset, gy.data() + offset, p.data(),
      y.data(), gq.data(), gk.data(), gv.data());
  return {to_host(backend, y), to_host(backend, p), to_host(backend, gq), to_host(backend, gk), to_host(backend, gv)};
}

// Sums of up to a few hundred terms, added in other orders than the CPU's.
constexpr double tolerance = 5e-6;

}  // namespace

TEMPLATE_LIST_TEST_CASE("attention agrees with the CPU's, forward and backward", "[cuda]", devices) {
  struct item {
    attention_shape shape;
    bool joined;
  };
  for (const item& i : {item{{2, 64, 64, 1, 96}, true},   // self-attention of a small U-Net
                        item{{1, 70, 77, 2, 40}, false},  // cross-attention to the words of a text
                        item{{1, 1, 1, 1, 1}, false},     //
                        item{{2, 17, 5, 3, 7}, false},    // an odd width
                        item{{1, 3, 130, 1, 67}, false},  //
                        item{{1, 33, 66, 1, 130}, false}}) {
    CAPTURE(i.shape.samples, i.shape.queries, i.shape.keys, i.shape.heads, i.shape.width);
    const auto a = random_case(i.shape, i.joined);
    const auto expected = on_cpu(a);
    in_every_order<TestType>([&](TestType& backend) {
      const auto r = on_device(backend, a);
      CHECK(relative_error(r.y, expected.y) < tolerance);
      CHECK(relative_error(r.probabilities, expected.probabilities) < tolerance);
      // One key has all the probability, whatever the query.
      if (i.shape.keys > 1) {
        CHECK(relative_error(r.gq, expected.gq) < tolerance);
        CHECK(relative_error(r.gk, expected.gk) < tolerance);
      }
      CHECK(relative_error(r.gv, expected.gv) < tolerance);
      return r.all();
    });
  }
}

TEMPLATE_LIST_TEST_CASE("attention takes many queries, and many keys, at a time", "[cuda]", devices) {
  // The sizes of a block's tile, by the number of queries and by how much memory their scores take; at last, too much.
  for (const attention_shape& s : {attention_shape{1, 4100, 3, 1, 4}, attention_shape{1, 18, 1300, 1, 4},
                                   attention_shape{1, 18, 3001, 1, 5}, attention_shape{1, 18, 5184, 1, 5}}) {
    CAPTURE(s.queries, s.keys);
    const auto a = random_case(s);
    TestType backend;
    const auto r = on_device(backend, a);
    const auto expected = on_cpu(a);
    CHECK(relative_error(r.y, expected.y) < tolerance);
    CHECK(relative_error(r.gq, expected.gq) < tolerance);
    CHECK(relative_error(r.gk, expected.gk) < tolerance);
    CHECK(relative_error(r.gv, expected.gv) < tolerance);
  }
}

TEMPLATE_LIST_TEST_CASE("attention agrees with its definition in double precision", "[cuda]", devices) {
  const attention_shape s{2, 9, 21, 2, 12};
  const auto a = random_case(s);
  TestType backend;
  const auto y = on_device(backend, a).y;
  const auto at = [&](const values& x, index_t rows, index_t n, index_t i, index_t h, index_t c) {
    return static_cast<double>(x[static_cast<std::size_t>(((n * rows + i) * s.heads + h) * s.width + c)]);
  };
  std::vector<double> expected;
  for (index_t n = 0; n < s.samples; ++n)
    for (index_t i = 0; i < s.queries; ++i)
      for (index_t h = 0; h < s.heads; ++h) {
        std::vector<double> p;
        double total = 0;
        for (index_t j = 0; j < s.keys; ++j) {
          double score = 0;
          for (index_t c = 0; c < s.width; ++c) score += at(a.q, s.queries, n, i, h, c) * at(a.k, s.keys, n, j, h, c);
          p.push_back(std::exp(score / std::sqrt(static_cast<double>(s.width))));
          total += p.back();
        }
        for (index_t c = 0; c < s.width; ++c) {
          double sum = 0;
          for (index_t j = 0; j < s.keys; ++j)
            sum += p[static_cast<std::size_t>(j)] / total * at(a.v, s.keys, n, j, h, c);
          expected.push_back(sum);
        }
      }
  CHECK(relative_error(y, expected) < 1e-6);
}

TEMPLATE_LIST_TEST_CASE("attention: a sample has its bits alone, in any batch and at any address", "[cuda]", devices) {
  const attention_shape s{3, 20, 12, 2, 8};
  const auto a = random_case(s);
  TestType backend;
  const auto whole = on_device(backend, a);
  CHECK(same_bits(on_device(backend, a, 1).all(), whole.all()));
  attention_case alone = a;
  alone.shape.samples = 1;
  const auto last = [](const values& v) {
    return values(v.end() - static_cast<std::ptrdiff_t>(v.size()) / 3, v.end());
  };
  for (values* part : {&alone.q, &alone.k, &alone.v, &alone.gy}) *part = last(*part);
  const auto r = on_device(backend, alone);
  CHECK(same_bits(r.y, last(whole.y)));
  CHECK(same_bits(r.gq, last(whole.gq)));
  CHECK(same_bits(r.gk, last(whole.gk)));
  CHECK(same_bits(r.gv, last(whole.gv)));
}

TEMPLATE_LIST_TEST_CASE("attention_backward: no bit depends on how many heads are worked on at a time", "[cuda]",
                        devices) {
  const attention_shape s{3, 6, 5, 2, 4};
  const auto a = random_case(s);
  TestType backend;
  const auto whole = on_device(backend, a);
  const auto q = to_device(backend, a.q), k = to_device(backend, a.k), v = to_device(backend, a.v);
  const auto gy = to_device(backend, a.gy), p = to_device(backend, whole.probabilities);
  for (const index_t most : {index_t{1}, index_t{4 * 30}}) {
    auto gq = to_device(backend, a.q), gk = to_device(backend, a.k), gv = to_device(backend, a.v);
    const index_t c = s.channels();
    detail::attention_backward_in_parts(detail::plan_of(s, backend.device().shared_memory()), backend.executor(0), s,
                                        {q.data(), c}, {k.data(), c}, {v.data(), c}, p.data(), gy.data(),
                                        {gq.data(), c}, {gk.data(), c}, {gv.data(), c}, most);
    CHECK(same_bits(to_host(backend, gq), whole.gq));
    CHECK(same_bits(to_host(backend, gk), whole.gk));
    CHECK(same_bits(to_host(backend, gv), whole.gv));
  }
}

TEMPLATE_LIST_TEST_CASE("attention: the bits are those of scores in shared memory where there is no room for them",
                        "[cuda]", devices) {
  for (const attention_shape& s : {attention_shape{2, 35, 70, 1, 512},  // the middle of a picture's decoder, made small
                                   attention_shape{1, 33, 68, 2, 64}, attention_shape{1, 1, 1, 1, 1},
                                   attention_shape{1, 70, 5, 3, 7}, attention_shape{1, 9, 130, 1, 67}}) {
    CAPTURE(s.queries, s.keys, s.heads, s.width);
    const auto a = random_case(s);
    const auto expected = on_cpu(a);
    const auto by = [&](TestType& backend, const detail::attention_plan& plan) {
      const auto q = to_device(backend, a.q), k = to_device(backend, a.k), v = to_device(backend, a.v);
      const auto gy = to_device(backend, a.gy);
      auto y = to_device(backend, a.gy), p = to_device(backend, values(size_of_probabilities(s)));
      auto gq = to_device(backend, a.q), gk = to_device(backend, a.k), gv = to_device(backend, a.v);
      const index_t c = s.channels();
      detail::attention_forward_by(plan, backend.executor(0), s, {q.data(), c}, {k.data(), c}, {v.data(), c}, p.data(),
                                   y.data());
      const float* kept = p.data();
      detail::attention_backward_in_parts(plan, backend.executor(0), s, {q.data(), c}, {k.data(), c}, {v.data(), c},
                                          kept, gy.data(), {gq.data(), c}, {gk.data(), c}, {gv.data(), c}, 1);
      return attention_result{to_host(backend, y), to_host(backend, p), to_host(backend, gq), to_host(backend, gk),
                              to_host(backend, gv)};
    };
    in_every_order<TestType>([&](TestType& backend) {
      const auto streamed = by(backend, {8, true});
      CHECK(same_bits(streamed.all(), by(backend, {2, false}).all()));
      CHECK(relative_error(streamed.y, expected.y) < tolerance);
      CHECK(relative_error(streamed.gv, expected.gv) < tolerance);
      if (s.keys > 1) {
        CHECK(relative_error(streamed.gq, expected.gq) < tolerance);
        CHECK(relative_error(streamed.gk, expected.gk) < tolerance);
      }
      return streamed.all();
    });
  }
}

TEST_CASE("attention: where scores do not fit into shared memory, tiles of them do", "[cuda]") {
  const std::size_t memory = emulated_device().shared_memory();
  const auto plan = [&](index_t queries, index_t keys, index_t heads, index_t width) {
    return detail::plan_of({1, queries, keys, heads, width}, memory);
  };
  // Of 8 queries: 4 (8 (4096 + 512) + 64 x 68) = 164,864 bytes, of which there are 163,840.
  CHECK(plan(64 * 64, 64 * 64, 1, 512).streamed);
  CHECK(!plan(64 * 64, 64 * 64, 1, 256).streamed);
  // Pictures of 576 x 576, whose latents have 72 x 72 places, and words as keys.
  CHECK(plan(72 * 72, 72 * 72, 8, 40).streamed);
  CHECK(plan(72 * 72, 77, 8, 40).per_warp == 8);
  CHECK(!plan(72 * 72, 77, 8, 40).streamed);
  CHECK(detail::attention_rows<8, false, true>::shared_bytes_of(1 << 28, 1 << 14) == 4 * (32 * 64 + 64 * 68));
}

TEMPLATE_LIST_TEST_CASE("attention: scores far apart do not overflow, and too many keys are refused", "[cuda]",
                        devices) {
  const attention_shape s{1, 4, 40, 1, 8};
  auto a = random_case(s);
  for (float& value : a.q) value *= 1000.0f;
  TestType backend;
  const auto r = on_device(backend, a);
  for (index_t i = 0; i < s.queries; ++i) {
    double sum = 0;
    for (index_t j = 0; j < s.keys; ++j)
      sum += static_cast<double>(r.probabilities[static_cast<std::size_t>(i * s.keys + j)]);
    CHECK(sum == Approx(1).epsilon(1e-6));
  }
  CHECK(relative_error(r.y, on_cpu(a).y) < tolerance);
  CHECK_THROWS_WITH(
      attention_forward(backend.executor(0), {1, 1, index_t{1} << 30, 1, 8}, {}, {}, {}, nullptr, nullptr),
      contains("1073741824 keys"));
}
