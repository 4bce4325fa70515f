// SPDX-License-Identifier: Apache-2.0
#include "cuda/support.cuh"

#include <fewstep/backend/cpu/product.hpp>
#include <fewstep/cuda/product.cuh>

#include <algorithm>
#include <cmath>

using namespace fewstep;
using namespace fewstep::test;

namespace {

using floats = std::vector<float>;

float at(const floats& values, index_t i) { return values[static_cast<std::size_t>(i)]; }

/// left(i, p) right(p, j) over p in [first, last) as the kernels define it: one chain of fused multiply-adds.
template <class Left, class Right>
float chain(index_t first, index_t last, const Left& left, const Right& right) {
  float sum = 0;
  for (index_t p = first; p < last; ++p) sum = std::fma(left(p), right(p), sum);
  return sum;
}

/// start[m, n] + a[m, k] b[k, n] + bias, to the bit; start and bias may be empty.
floats expected_product(index_t m, index_t k, index_t n, const floats& a, const floats& b, const floats& bias,
                        const floats& start) {
  floats c(static_cast<std::size_t>(m * n));
  for (index_t i = 0; i < m; ++i)
    for (index_t j = 0; j < n; ++j) {
      float sum = chain(
          0, k, [&](index_t p) { return at(a, i * k + p); }, [&](index_t p) { return at(b, p * n + j); });
      if (!bias.empty()) sum += at(bias, j);
      if (!start.empty()) sum += at(start, i * n + j);
      c[static_cast<std::size_t>(i * n + j)] = sum;
    }
  return c;
}

floats transposed(index_t rows, index_t columns, const floats& values) {
  floats result(values.size());
  for (index_t r = 0; r < rows; ++r)
    for (index_t c = 0; c < columns; ++c) result[static_cast<std::size_t>(c * rows + r)] = at(values, r * columns + c);
  return result;
}

/// The values with `offset` others before them, so that the array may begin anywhere.
floats shifted(index_t offset, const floats& values) {
  floats result(static_cast<std::size_t>(offset), 7.0f);
  result.insert(result.end(), values.begin(), values.end());
  return result;
}

struct extents {
  index_t m, k, n;
};
const std::vector<extents> shapes{{1, 1, 1},     {3, 5, 7},    {33, 16, 12}, {2, 40, 64},
                                  {130, 19, 48}, {5, 35, 100}, {65, 20, 20}};

}  // namespace

TEMPLATE_LIST_TEST_CASE("a product's elements are chains of fused multiply-adds, whatever the shape", "[cuda]",
                        devices) {
  for (const auto& [m, k, n] : shapes)
    for (const index_t offset : {index_t{0}, index_t{1}}) {
      CAPTURE(m, k, n, offset);
      const auto a = normals<float>(m * k, 1), b = normals<float>(k * n, 2), bias = normals<float>(n, 3),
                 start = normals<float>(m * n, 4);
      in_every_order<TestType>([&, m = m, k = k, n = n](TestType& backend) {
        auto& executor = backend.executor(0);
        const auto x = to_device(backend, shifted(offset, a)), w = to_device(backend, shifted(offset, b)),
                   w_t = to_device(backend, shifted(offset, transposed(k, n, b))),
                   shift = to_device(backend, shifted(offset, bias));
        const matrix<const float> xs{x.data() + offset, {m, k}}, ws{w.data() + offset, {k, n}},
            ws_t{w_t.data() + offset, {n, k}};
        floats all;
        const auto check = [&](const floats& initial, const floats& expected, const auto& run) {
          auto y = to_device(backend, shifted(offset, initial));
          run(matrix<float>{y.data() + offset, {m, n}});
          const auto result = to_host(backend, y.data() + offset, m * n);
          CHECK(same_bits(result, expected));
          all.insert(all.end(), result.begin(), result.end());
        };
        const auto plain = expected_product(m, k, n, a, b, {}, {});
        check(start, plain, [&](matrix<float> y) { product(executor, xs, ws, y); });
        check(start, plain, [&](matrix<float> y) { product_nt(executor, xs, ws_t, y); });
        check(start, expected_product(m, k, n, a, b, bias, start),
              [&](matrix<float> y) { product(executor, xs, ws, y, true, shift.data() + offset); });
        check(start, expected_product(m, k, n, a, b, {}, start),
              [&](matrix<float> y) { product_nt(executor, xs, ws_t, y, true); });
        return all;
      });
      cpu_executor cpu;
      floats y = start;
      product(cpu, {a.data(), {m, k}}, {b.data(), {k, n}}, matrix<float>{y.data(), {m, n}}, true, bias.data());
      // The same products in another order: bias first. Rounding is 6e-8 of a sum of up to 40 terms of mixed sign.
      CHECK(relative_error(y, expected_product(m, k, n, a, b, bias, start)) < 1e-6);
    }
}

TEMPLATE_LIST_TEST_CASE("every tile of a product gives the same bits", "[cuda]", devices) {
  const index_t m = 70, k = 37, n = 52;
  const auto a = normals<float>(m * k, 5), b = normals<float>(k * n, 6);
  const auto expected = expected_product(m, k, n, a, b, {}, {});
  TestType backend;
  auto& executor = backend.executor(0);
  const auto x = to_device(backend, a), x_t = to_device(backend, transposed(m, k, a)), w = to_device(backend, b),
             w_t = to_device(backend, transposed(k, n, b));
  tensor<float, 1, TestType> y(backend, {m * n});
  const auto check = [&]<class Tile>(Tile, const auto& left, const auto& right) {
    backend.device().fill_bytes(y.data(), 0xff, static_cast<std::size_t>(m * n) * sizeof(float));
    detail::launch_product<Tile>(executor, left, right, detail::result_in(y.data(), n, m, n, nullptr, nullptr),
                                 detail::undivided(k), 1);
    CHECK(same_bits(to_host(backend, y), expected));
  };
  const auto check_operands = [&](auto tile) {
    check(tile, detail::operand_of<true>(x.data(), k, m), detail::operand_of<false>(w.data(), n, n));
    check(tile, detail::operand_of<true>(x.data(), k, m), detail::operand_of<true>(w_t.data(), k, n));
    check(tile, detail::operand_of<false>(x_t.data(), m, m), detail::operand_of<false>(w.data(), n, n));
  };
  check_operands(detail::wide_tile{});
  check_operands(detail::medium_tile{});
  check_operands(detail::small_tile{});
  check_operands(detail::narrow_tile{});
}

TEMPLATE_LIST_TEST_CASE("a row of a product has the same bits alone, in a batch and at another place", "[cuda]",
                        devices) {
  const index_t k = 50, n = 36;
  const auto w = normals<float>(k * n, 8), row = normals<float>(k, 9);
  TestType backend;
  const auto right = to_device(backend, w);
  const auto result_of = [&](index_t rows, index_t place) {
    auto a = normals<float>(rows * k, 10);
    std::copy(row.begin(), row.end(), a.begin() + place * k);
    const auto x = to_device(backend, a);
    tensor<float, 1, TestType> y(backend, {rows * n});
    product(backend.executor(0), {x.data(), {rows, k}}, {right.data(), {k, n}}, matrix<float>{y.data(), {rows, n}});
    return to_host(backend, y.data() + place * n, n);
  };
  const auto alone = result_of(1, 0);
  CHECK(same_bits(alone, result_of(3, 2)));
  CHECK(same_bits(alone, result_of(700, 0)));
  CHECK(same_bits(alone, result_of(700, 333)));
  CHECK(same_bits(alone, result_of(700, 699)));
}

TEMPLATE_LIST_TEST_CASE("products of batches and heads go in one launch", "[cuda]", devices) {
  // As attention lays them out: rows of `heads` parts of k (or n) columns each.
  const index_t batches = 2, heads = 3, m = 6, n = 9;
  for (const index_t k : {index_t{8}, index_t{5}}) {
    CAPTURE(k);
    const auto a = normals<float>(batches * m * heads * k, 11), b = normals<float>(batches * n * heads * k, 12),
               p = normals<float>(batches * heads * m * n, 13);
    in_every_order<TestType>([&](TestType& backend) {
      auto& executor = backend.executor(0);
      const auto q = to_device(backend, a), keys = to_device(backend, b), weights = to_device(backend, p);
      tensor<float, 1, TestType> scores(backend, {batches * heads * m * n}), mixed(backend, {batches * m * heads * k}),
          back(backend, {batches * n * heads * k});
      const index_t width = heads * k;
      detail::product_call call{.m = m,
                                .k = k,
                                .n = n,
                                .a = q.data(),
                                .lda = width,
                                .b = keys.data(),
                                .ldb = width,
                                .b_transposed = true,
                                .c = scores.data(),
                                .ldc = n};
      call.batches = batches;
      call.heads = heads;
      call.stride_a = m * width, call.head_a = k;
      call.stride_b = n * width, call.head_b = k;
      call.stride_c = heads * m * n, call.head_c = m * n;
      detail::multiply(executor, call);

      detail::product_call mix{.m = m,
                               .k = n,
                               .n = k,
                               .a = weights.data(),
                               .lda = n,
                               .b = keys.data(),
                               .ldb = width,
                               .c = mixed.data(),
                               .ldc = width};
      mix.batches = batches;
      mix.heads = heads;
      mix.stride_a = heads * m * n, mix.head_a = m * n;
      mix.stride_b = n * width, mix.head_b = k;
      mix.stride_c = m * width, mix.head_c = k;
      detail::multiply(executor, mix);

      detail::product_call turned{.m = n,
                                  .k = m,
                                  .n = k,
                                  .a = weights.data(),
                                  .lda = n,
                                  .a_transposed = true,
                                  .b = q.data(),
                                  .ldb = width,
                                  .c = back.data(),
                                  .ldc = width};
      turned.batches = batches;
      turned.heads = heads;
      turned.stride_a = heads * m * n, turned.head_a = m * n;
      turned.stride_b = m * width, turned.head_b = k;
      turned.stride_c = n * width, turned.head_c = k;
      detail::multiply(executor, turned);

      floats all = to_host(backend, scores);
      const auto second = to_host(backend, mixed), third = to_host(backend, back);
      bool same = true;
      for (index_t s = 0; s < batches; ++s)
        for (index_t h = 0; h < heads; ++h) {
          const auto of_q = [&](index_t i, index_t c) { return at(a, (s * m + i) * width + h * k + c); };
          const auto of_key = [&](index_t j, index_t c) { return at(b, (s * n + j) * width + h * k + c); };
          const auto of_weight = [&](index_t i, index_t j) { return at(p, ((s * heads + h) * m + i) * n + j); };
          for (index_t i = 0; i < m; ++i)
            for (index_t j = 0; j < n; ++j)
              same =
                  same && at(all, ((s * heads + h) * m + i) * n + j) ==
                              chain(
                                  0, k, [&](index_t c) { return of_q(i, c); }, [&](index_t c) { return of_key(j, c); });
          for (index_t c = 0; c < k; ++c) {
            for (index_t i = 0; i < m; ++i)
              same = same &&
                     at(second, (s * m + i) * width + h * k + c) ==
                         chain(
                             0, n, [&](index_t j) { return of_weight(i, j); }, [&](index_t j) { return of_key(j, c); });
            for (index_t j = 0; j < n; ++j)
              same = same &&
                     at(third, (s * n + j) * width + h * k + c) ==
                         chain(
                             0, m, [&](index_t i) { return of_weight(i, j); }, [&](index_t i) { return of_q(i, c); });
          }
        }
      CHECK(same);
      all.insert(all.end(), second.begin(), second.end());
      all.insert(all.end(), third.begin(), third.end());
      return all;
    });
  }
}

TEMPLATE_LIST_TEST_CASE("the gradient of a weight adds up in chunks of rows, in order", "[cuda]", devices) {
  const index_t chunk = detail::gradient_chunk(5, 7);
  for (const auto& [m, k, n] : std::vector<extents>{{1, 1, 1}, {37, 4, 12}, {2 * chunk + 27, 5, 7}}) {
    CAPTURE(m, k, n);
    const auto a = normals<float>(m * k, 14), b = normals<float>(m * n, 15), start = normals<float>(k * n, 16);
    floats expected = start;
    std::vector<double> exact(start.begin(), start.end());
    for (index_t i = 0; i < k; ++i)
      for (index_t j = 0; j < n; ++j) {
        const auto to = static_cast<std::size_t>(i * n + j);
        for (index_t first = 0; first < m; first += chunk)
          expected[to] += chain(
              first, std::min(first + chunk, m), [&, k = k](index_t p) { return at(a, p * k + i); },
              [&, n = n](index_t p) { return at(b, p * n + j); });
        for (index_t p = 0; p < m; ++p)
          exact[to] += static_cast<double>(at(a, p * k + i)) * static_cast<double>(at(b, p * n + j));
      }
    // 1051 terms of mixed sign, each rounded to 6e-8.
    CHECK(relative_error(expected, exact) < 2e-6);
    in_every_order<TestType>([&, m = m, k = k, n = n](TestType& backend) {
      auto& executor = backend.executor(0);
      const auto x = to_device(backend, a), g = to_device(backend, b);
      auto w = to_device(backend, start), in_parts = to_device(backend, start);
      product_tn_add(executor, {x.data(), {m, k}}, {g.data(), {m, n}}, matrix<float>{w.data(), {k, n}});
      CHECK(same_bits(to_host(backend, w), expected));
      for (index_t first = 0; first < m; first += chunk) {
        const index_t rows = std::min(chunk, m - first);
        product_tn_add(executor, {x.data() + first * k, {rows, k}}, {g.data() + first * n, {rows, n}},
                       matrix<float>{in_parts.data(), {k, n}});
      }
      CHECK(same_bits(to_host(backend, in_parts), expected));
      return to_host(backend, w);
    });
  }
}

TEMPLATE_LIST_TEST_CASE("column sums add up in chunks of rows", "[cuda]", devices) {
  for (const auto& [rows, columns] : std::vector<std::pair<index_t, index_t>>{{1, 1}, {9, 33}, {513, 3}, {5000, 2}}) {
    CAPTURE(rows, columns);
    const auto values = normals<float>(rows * columns, 17), start = normals<float>(columns, 18);
    std::vector<double> exact(start.begin(), start.end());
    for (index_t i = 0; i < rows * columns; ++i)
      exact[static_cast<std::size_t>(i % columns)] += static_cast<double>(at(values, i));
    in_every_order<TestType>([&, rows = rows, columns = columns](TestType& backend) {
      const auto g = to_device(backend, values);
      auto sums = to_device(backend, start);
      add_column_sums(backend.executor(0), {g.data(), {rows, columns}}, vec<float>{sums.data(), {columns}});
      const auto result = to_host(backend, sums);
      // Sums of 64 to 80 numbers, rounded to 6e-8 of partial sums that may be larger than the total.
      CHECK(relative_error(result, exact) < 2e-6);
      return result;
    });
  }
}

TEMPLATE_LIST_TEST_CASE("a product without rows, columns or depth", "[cuda]", devices) {
  TestType backend;
  auto& executor = backend.executor(0);
  const auto values = normals<float>(12, 19);
  const auto x = to_device(backend, values);
  auto y = to_device(backend, values);
  product(executor, {x.data(), {0, 3}}, {x.data(), {3, 4}}, matrix<float>{y.data(), {0, 4}});
  product_tn_add(executor, {x.data(), {0, 3}}, {x.data(), {0, 4}}, matrix<float>{y.data(), {3, 4}});
  add_column_sums(executor, {x.data(), {0, 4}}, vec<float>{y.data(), {4}});
  CHECK(same_bits(to_host(backend, y), values));
  product(executor, {x.data(), {3, 0}}, {x.data(), {0, 4}}, matrix<float>{y.data(), {3, 4}}, false, x.data());
  CHECK(to_host(backend, y)[7] == values[3]);
}

TEMPLATE_LIST_TEST_CASE("a product refuses what its kernels cannot index", "[cuda]", devices) {
  TestType backend;
  const index_t rows = detail::largest_extent + 1;
  CHECK_THROWS_WITH(product(backend.executor(0), {nullptr, {rows, 4}}, {nullptr, {4, 4}}, {nullptr, {rows, 4}}),
                    contains("the number of rows is 1073741825"));
}
