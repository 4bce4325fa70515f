// SPDX-License-Identifier: Apache-2.0
#include <fewstep/core/view.hpp>

#include "test.hpp"

#include <array>
#include <numeric>
#include <span>
#include <type_traits>
#include <vector>

using fewstep::index_t;
using fewstep::matrix;
using fewstep::tensor_view;
using fewstep::vec;

static_assert(std::is_trivially_copyable_v<matrix<float>>);
static_assert(std::is_convertible_v<matrix<float>, matrix<const float>>);
static_assert(!std::is_convertible_v<matrix<const float>, matrix<float>>);
static_assert(std::is_same_v<matrix<const float>::value_type, float>);

TEST_CASE("a view without elements is empty") {
  const matrix<float> view;
  CHECK(view.data == nullptr);
  CHECK(view.size() == 0);
  CHECK(view.begin() == view.end());
}

TEST_CASE("a rank-3 view is row-major") {
  std::vector<int> values(24);
  std::iota(values.begin(), values.end(), 0);
  const tensor_view<int, 3> view(values.data(), {2, 3, 4});

  CHECK(view.size() == 24);
  CHECK(view.rows() == 2);
  CHECK(view.extent(1) == 3);
  CHECK(view.extent(2) == 4);
  CHECK(*view.row(1) == 12);
  CHECK(std::accumulate(view.begin(), view.end(), 0) == 23 * 24 / 2);
}

TEST_CASE("a matrix is indexed by row and column") {
  std::array<float, 6> values{0, 1, 2, 3, 4, 5};
  const matrix<float> view(values.data(), {2, 3});

  CHECK(view.cols() == 3);
  for (index_t r = 0; r < 2; ++r)
    for (index_t c = 0; c < 3; ++c) CHECK(view(r, c) == static_cast<float>(3 * r + c));

  view(1, 0) = 10;
  CHECK(values[3] == 10);
}

TEST_CASE("a subview shares the rows it is made of") {
  std::array<float, 8> values{0, 1, 2, 3, 4, 5, 6, 7};
  const matrix<const float> middle = matrix<float>(values.data(), {4, 2}).subview(1, 2);

  CHECK(middle.rows() == 2);
  CHECK(middle.cols() == 2);
  CHECK(middle.data == &values[2]);
  CHECK(middle(1, 1) == 5);
  CHECK(middle.subview(2, 0).size() == 0);
}

TEST_CASE("spans become views and come back") {
  std::vector<double> values{1, 2, 3};
  const vec<double> view = fewstep::as_vec(std::span(values));
  CHECK(view.size() == 3);
  CHECK(view[2] == 3);

  const std::span<double> back = fewstep::as_span(view);
  CHECK(back.data() == values.data());
  CHECK(back.size() == values.size());
}
