// SPDX-License-Identifier: Apache-2.0
#include "support/arrays.hpp"
#include "test.hpp"

#include <fewstep/backend/cpu/product.hpp>

#include <cfloat>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

using fewstep::index_t;
using fewstep::test::normals;
using fewstep::test::same_bits;

namespace {

constexpr index_t all_columns[] = {1, 5, 12, 16, 48, 50, 96, 130};
constexpr index_t all_depths[] = {1, 2, 3, 17, 48, 432};

template <class T>
std::vector<T> array(index_t n, std::uint64_t seed) {
  return normals<T>(n, seed);
}

/// c + a b in double, and the bound of a sum of k + 1 rounded terms: k eps sum |a b|.
struct reference {
  std::vector<double> value, bound;
};

template <class T, class At>
reference naive(index_t m, index_t k, index_t n, const std::vector<T>& start, const At& term) {
  reference r;
  for (index_t i = 0; i < m; ++i)
    for (index_t j = 0; j < n; ++j) {
      double sum = static_cast<double>(start[static_cast<std::size_t>(i * n + j)]), size = std::abs(sum);
      for (index_t p = 0; p < k; ++p) {
        const double product = term(i, p, j);
        sum += product;
        size += std::abs(product);
      }
      r.value.push_back(sum);
      r.bound.push_back(static_cast<double>(k + 2) * static_cast<double>(std::numeric_limits<T>::epsilon()) * size);
    }
  return r;
}

template <class T>
bool within(const reference& r, const std::vector<T>& c) {
  bool all = r.value.size() == c.size();
  for (std::size_t i = 0; i < c.size(); ++i)
    all = all && std::abs(static_cast<double>(c[i]) - r.value[i]) <= r.bound[i];
  return all;
}

template <class T>
double element(const std::vector<T>& a, index_t i) {
  return static_cast<double>(a[static_cast<std::size_t>(i)]);
}

}  // namespace

TEMPLATE_TEST_CASE("a product's row has the same bits in any number of rows and at any position", "", float, double) {
  constexpr index_t most = 40;
  fewstep::cpu_executor executor;
  for (const index_t k : all_depths)
    for (const index_t n : all_columns)
      for (const bool accumulate : {false, true}) {
        const auto a = array<TestType>(most * k, 1), b = array<TestType>(k * n, 2),
                   start = array<TestType>(most * n, 3);
        const auto bias = array<TestType>(n, 4);
        std::vector<TestType> alone = start;
        for (index_t i = 0; i < most; ++i)
          fewstep::detail::multiply(executor, 1, k, n, a.data() + i * k, k, b.data(), n, alone.data() + i * n, n,
                                    accumulate, bias.data());
        std::vector<TestType> with_bias = start;
        for (index_t i = 0; !accumulate && i < most; ++i)
          std::copy(bias.begin(), bias.end(), with_bias.begin() + i * n);
        for (index_t i = 0; accumulate && i < most * n; ++i)
          with_bias[static_cast<std::size_t>(i)] += bias[static_cast<std::size_t>(i % n)];
        CAPTURE(k, n, accumulate);
        CHECK(within(
            naive(most, k, n, with_bias,
                  [&](index_t i, index_t p, index_t j) { return element(a, i * k + p) * element(b, p * n + j); }),
            alone));
        index_t different = 0;
        for (index_t m = 1; m <= most; ++m)
          for (const index_t first : {index_t{0}, most - m}) {
            std::vector<TestType> c(start.begin() + first * n, start.begin() + (first + m) * n);
            fewstep::detail::multiply(executor, m, k, n, a.data() + first * k, k, b.data(), n, c.data(), n, accumulate,
                                      bias.data());
            different += same_bits(c.data(), alone.data() + first * n, m * n) ? 0 : 1;
          }
        CHECK(different == 0);
      }
}

TEMPLATE_TEST_CASE("a product is one chain of multiply-adds in the order of the depth", "", float, double) {
  constexpr index_t m = 9, k = 48, n = 50;
  fewstep::cpu_executor executor;
  const auto a = array<TestType>(m * k, 5), b = array<TestType>(k * n, 6);
  std::vector<TestType> c(m * n), fused(m * n), rounded(m * n);
  for (index_t i = 0; i < m; ++i)
    for (index_t j = 0; j < n; ++j) {
      TestType f = 0, r = 0;
      for (index_t p = 0; p < k; ++p) {
        const TestType left = a[static_cast<std::size_t>(i * k + p)], right = b[static_cast<std::size_t>(p * n + j)];
        f = std::fma(left, right, f);
        volatile TestType product = left * right;
        r = r + product;
      }
      fused[static_cast<std::size_t>(i * n + j)] = f;
      rounded[static_cast<std::size_t>(i * n + j)] = r;
    }
  fewstep::detail::multiply(executor, m, k, n, a.data(), k, b.data(), n, c.data(), n, false);
  CHECK((same_bits(c, fused) || same_bits(c, rounded)));
}

TEMPLATE_TEST_CASE("a product stays inside its matrix and follows leading dimensions", "", float, double) {
  constexpr index_t lda = 60, ldb = 70, ldc = 75;
  fewstep::cpu_executor executor;
  for (const index_t m : {1, 7, 13})
    for (const index_t n : {1, 5, 16, 50}) {
      const index_t k = 17;
      const auto a = array<TestType>(m * lda, 7), b = array<TestType>(k * ldb, 8);
      std::vector<TestType> c(static_cast<std::size_t>(m * ldc), TestType(9)), tight(static_cast<std::size_t>(m * n));
      fewstep::detail::multiply(executor, m, k, n, a.data(), lda, b.data(), ldb, c.data(), ldc, false);
      const std::vector<TestType> nothing(static_cast<std::size_t>(m * n));
      for (index_t i = 0; i < m; ++i) std::copy_n(c.begin() + i * ldc, n, tight.begin() + i * n);
      CAPTURE(m, n);
      CHECK(within(
          naive(m, k, n, nothing,
                [&](index_t i, index_t p, index_t j) { return element(a, i * lda + p) * element(b, p * ldb + j); }),
          tight));
      index_t touched = 0;
      for (index_t i = 0; i < m; ++i)
        for (index_t j = n; j < ldc; ++j) touched += c[static_cast<std::size_t>(i * ldc + j)] != TestType(9) ? 1 : 0;
      CHECK(touched == 0);
    }
}

TEMPLATE_TEST_CASE("product_nt is the product with the transposed matrix", "", float, double) {
  fewstep::cpu_executor executor;
  for (const index_t m : {1, 2, 11, 40})
    for (const index_t k : {1, 17, 48})
      for (const index_t n : all_columns)
        for (const bool accumulate : {false, true}) {
          const auto a = array<TestType>(m * k, 10), b = array<TestType>(n * k, 11), start = array<TestType>(m * n, 12);
          std::vector<TestType> c = start, by_hand = start, transposed(b.size());
          for (index_t j = 0; j < n; ++j)
            for (index_t p = 0; p < k; ++p)
              transposed[static_cast<std::size_t>(p * n + j)] = b[static_cast<std::size_t>(j * k + p)];
          fewstep::product_nt(executor, fewstep::matrix<const TestType>{a.data(), {m, k}}, {b.data(), {n, k}},
                              fewstep::matrix<TestType>{c.data(), {m, n}}, accumulate);
          fewstep::product(executor, fewstep::matrix<const TestType>{a.data(), {m, k}}, {transposed.data(), {k, n}},
                           fewstep::matrix<TestType>{by_hand.data(), {m, n}}, accumulate);
          CAPTURE(m, k, n, accumulate);
          CHECK(same_bits(c, by_hand));
        }
}

TEMPLATE_TEST_CASE("product_tn_add adds rows in order, however they are cut into calls", "", float, double) {
  fewstep::cpu_executor executor;
  using rows = fewstep::matrix<const TestType>;
  for (const index_t m : {1, 2, 7, 33})
    for (const index_t k : {1, 3, 5, 8, 12, 17})
      for (const index_t n : all_columns) {
        const auto a = array<TestType>(m * k, 13), g = array<TestType>(m * n, 14), start = array<TestType>(k * n, 15);
        std::vector<TestType> whole = start, cut = start, column(static_cast<std::size_t>(m));
        const auto add = [&](index_t first, index_t count, std::vector<TestType>& to) {
          fewstep::product_tn_add(executor, rows{a.data() + first * k, {count, k}},
                                  rows{g.data() + first * n, {count, n}}, fewstep::matrix<TestType>{to.data(), {k, n}});
        };
        add(0, m, whole);
        CAPTURE(m, k, n);
        CHECK(within(
            naive(k, m, n, start,
                  [&](index_t i, index_t r, index_t j) { return element(a, r * k + i) * element(g, r * n + j); }),
            whole));
        for (index_t r = 0; r < m; r += 2) add(r, std::min<index_t>(2, m - r), cut);
        CHECK(same_bits(whole, cut));
        // Row k - 1 of the result by itself.
        std::vector<TestType> last(start.end() - n, start.end());
        for (index_t r = 0; r < m; ++r)
          column[static_cast<std::size_t>(r)] = a[static_cast<std::size_t>(r * k + k - 1)];
        fewstep::product_tn_add(executor, rows{column.data(), {m, 1}}, rows{g.data(), {m, n}},
                                fewstep::matrix<TestType>{last.data(), {1, n}});
        CHECK(same_bits(last.data(), whole.data() + (k - 1) * n, n));
      }
}

TEMPLATE_TEST_CASE("add_column_sums adds rows in order", "", float, double) {
  constexpr index_t m = 19, n = 21;
  fewstep::cpu_executor executor;
  const auto g = array<TestType>(m * n, 16);
  auto sums = array<TestType>(n, 17);
  auto expected = sums;
  for (index_t r = 0; r < m; ++r)
    for (index_t j = 0; j < n; ++j) expected[static_cast<std::size_t>(j)] += g[static_cast<std::size_t>(r * n + j)];
  fewstep::add_column_sums(executor, fewstep::matrix<const TestType>{g.data(), {m, n}},
                           fewstep::vec<TestType>{sums.data(), {n}});
  CHECK(same_bits(sums, expected));
}

TEST_CASE("products take infinities and NaN to the rows and columns they stand in only") {
  constexpr index_t m = 5, k = 3, n = 7;
  fewstep::cpu_executor executor;
  auto a = array<float>(m * k, 18), b = array<float>(k * n, 19);
  a[2 * k + 1] = std::numeric_limits<float>::quiet_NaN();
  b[2 * n + 6] = std::numeric_limits<float>::infinity();
  std::vector<float> c(m * n);
  fewstep::detail::multiply(executor, m, k, n, a.data(), k, b.data(), n, c.data(), n, false);
  for (index_t i = 0; i < m; ++i)
    for (index_t j = 0; j < n; ++j) {
      CAPTURE(i, j);
      CHECK(std::isfinite(c[static_cast<std::size_t>(i * n + j)]) == (i != 2 && j != 6));
    }
}
