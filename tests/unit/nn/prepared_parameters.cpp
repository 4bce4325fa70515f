// SPDX-License-Identifier: Apache-2.0
#include "support/arrays.hpp"
#include "test.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/nn/prepared_parameters.hpp>

#include <vector>

using fewstep::cpu_backend;
using fewstep::network_arrays;
using fewstep::parameter_layout;
using fewstep::prepared_parameters;
using fewstep::slice_kind;
using fewstep::vec;

TEST_CASE("prepared_parameters makes a form once, and again when it is dropped") {
  cpu_backend backend({.threads = 1});
  parameter_layout layout;
  layout.add("a", slice_kind::linear, {3, 7}, 0, 1);
  layout.add("b", slice_kind::convolution, {3, 3, 16, 32}, 0, 1);
  auto values = fewstep::test::normals<float>(layout.size(), 1);
  const vec<const float> parameters{values.data(), {layout.size()}};
  prepared_parameters<cpu_backend> prepared(layout);
  for (const bool backwards : {false, true}) {
    network_arrays<float> a;
    prepared.give(backend, layout, parameters, backwards, a);
    CHECK((a.transposed != nullptr) == backwards);
    REQUIRE(a.filters != nullptr);
    const float* form = backwards ? a.transposed : a.filters + fewstep::prepared_filter_factor * 21;
    const float first = *form;
    const_cast<float&>(*form) = 99;  // who makes the form again overwrites it
    prepared.give(backend, layout, parameters, backwards, a);
    CHECK(*form == 99);
    prepared.drop();
    prepared.give(backend, layout, parameters, backwards, a);
    CHECK(*form == first);
  }
  values.back() += 1;  // not of those that are looked at
  network_arrays<float> a;
  values.front() += 1;
  CHECK_THROWS_WITH(prepared.give(backend, layout, parameters, true, a), contains("call parameters_changed()"));
}

TEST_CASE("prepared_parameters takes no memory for a direction that nobody asked for") {
  parameter_layout linear, both;
  linear.add("a", slice_kind::linear, {3, 7}, 0, 1);
  both.add("a", slice_kind::convolution, {3, 3, 16, 16}, 0, 1);
  const prepared_parameters<cpu_backend> without_filters(linear), with_filters(both);
  CHECK(without_filters.bytes(false) == 0);
  CHECK(without_filters.bytes(true) == 21 * sizeof(float));
  CHECK(with_filters.bytes(false) == 2 * 2304 * sizeof(float));
  CHECK(with_filters.bytes(true) == 5 * 2304 * sizeof(float));
}
