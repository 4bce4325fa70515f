// SPDX-License-Identifier: Apache-2.0
#include "cuda/support.cuh"

#include <fewstep/backend/cpu/norm.hpp>
#include <fewstep/cuda/norm.cuh>

#include <cmath>
#include <string>

using namespace fewstep;
using namespace fewstep::test;

namespace {

using values = std::vector<float>;
using statistics_of = norm_statistics<float>;

/// What the operations of group normalisation take and give, on the host.
struct group_case {
  group_norm_shape shape;
  values x, gamma, beta, scale_shift, gy, added;  ///< scale_shift and added may be empty
};

struct group_result {
  values y, statistics, gx, gamma_gradient, beta_gradient, scale_shift_gradient;

  [[nodiscard]] values all() const {
    values joined;
    for (const values* part : {&y, &statistics, &gx, &gamma_gradient, &beta_gradient, &scale_shift_gradient})
      joined.insert(joined.end(), part->begin(), part->end());
    return joined;
  }
};

group_case random_case(const group_norm_shape& s, bool conditioned, bool with_residual) {
  const index_t n = s.samples * s.positions * s.channels;
  group_case c{s,
               normals<float>(n, 1, 2.0, 0.7),
               normals<float>(s.channels, 2, 0.5, 1.0),
               normals<float>(s.channels, 3),
               {},
               normals<float>(n, 5),
               {}};
  if (conditioned) c.scale_shift = normals<float>(s.samples * 2 * s.channels, 4, 0.4);
  if (with_residual) c.added = normals<float>(n, 6);
  return c;
}

const float* or_null(const values& v) { return v.empty() ? nullptr : v.data(); }

group_result on_cpu(const group_case& c) {
  const auto& s = c.shape;
  cpu_executor executor;
  const auto channels = static_cast<std::size_t>(s.channels);
  std::vector<statistics_of> statistics(static_cast<std::size_t>(s.samples * s.groups));
  group_result r{values(c.x.size()),          {}, values(c.x.size()), values(channels, 1.0f), values(channels, -2.0f),
                 values(c.scale_shift.size())};
  group_norm_forward(executor, s, c.x.data(), c.gamma.data(), c.beta.data(), or_null(c.scale_shift), statistics.data(),
                     r.y.data());
  group_norm_backward(executor, s, c.x.data(), c.gamma.data(), c.beta.data(), or_null(c.scale_shift), statistics.data(),
                      c.gy.data(), or_null(c.added), r.gx.data(), r.gamma_gradient.data(), r.beta_gradient.data(),
                      r.scale_shift_gradient.data());
  for (const auto& e : statistics) r.statistics.insert(r.statistics.end(), {e.mean, e.rstd});
  return r;
}

/// `offset` elements before each picture array put it off a 16-byte boundary.
template <class Backend>
group_result on_device(Backend& backend, const group_case& c, index_t offset = 0) {
  const auto& s = c.shape;
  const auto shifted = [&](const values& v) {
    values padded(static_cast<std::size_t>(offset), 0.0f);
    padded.insert(padded.end(), v.begin(), v.end());
    return to_device(backend, padded);
  };
  const auto at = [&](const auto& array, const values& v) { return v.empty() ? nullptr : array.data() + offset; };
  const auto channels = static_cast<std::size_t>(s.channels);
  const auto n = static_cast<index_t>(c.x.size());
  const auto x = shifted(c.x), gy = shifted(c.gy), added = shifted(c.added);
  const auto gamma = to_device(backend, c.gamma), beta = to_device(backend, c.beta);
  const auto scale_shift = to_device(backend, c.scale_shift);
  auto statistics = to_device(backend, std::vector<statistics_of>(static_cast<std::size_t>(s.samples * s.groups)));
  auto y = shifted(c.x), gx = shifted(c.x);
  auto gamma_gradient = to_device(backend, values(channels, 1.0f));
  auto beta_gradient = to_device(backend, values(channels, -2.0f));
  auto scale_shift_gradient = to_device(backend, values(c.scale_shift.size()));
  const float* conditioning = c.scale_shift.empty() ? nullptr : scale_shift.data();
  group_norm_forward(backend.executor(0), s, x.data() + offset, gamma.data(), beta.data(), conditioning,
                     statistics.data(), y.data() + offset);
  group_norm_backward(backend.executor(0), s, x.data() + offset, gamma.data(), beta.data(), conditioning,
                      statistics.data(), gy.data() + offset, at(added, c.added), gx.data() + offset,
                      gamma_gradient.data(), beta_gradient.data(), scale_shift_gradient.data());
  group_result r{to_host(backend, y.data() + offset, n),  {},
                 to_host(backend, gx.data() + offset, n), to_host(backend, gamma_gradient),
                 to_host(backend, beta_gradient),         to_host(backend, scale_shift_gradient)};
  for (const auto& e : to_host(backend, statistics)) r.statistics.insert(r.statistics.end(), {e.mean, e.rstd});
  return r;
}

/// The samples [first, first + count) of a case.
group_case part_of(const group_case& c, index_t first, index_t count) {
  group_case part = c;
  part.shape.samples = count;
  const auto cut = [&](const values& v) {
    if (v.empty()) return v;
    const auto row = static_cast<std::ptrdiff_t>(v.size()) / c.shape.samples;
    return values(v.begin() + first * row, v.begin() + (first + count) * row);
  };
  part.x = cut(c.x);
  part.gy = cut(c.gy);
  part.scale_shift = cut(c.scale_shift);
  part.added = cut(c.added);
  return part;
}

// Both sides round differently only in sums and in contractions of a few operations.
constexpr double tolerance = 3e-6;

}  // namespace

TEMPLATE_LIST_TEST_CASE("group_norm agrees with the CPU's, forward and backward", "[cuda]", devices) {
  struct item {
    group_norm_shape shape;
    bool conditioned, with_residual;
  };
  const auto silu = activation::silu;
  for (const item& i : {item{{2, 256, 48, 8, silu}, true, true},        // kept, bundles of 4 groups
                        item{{3, 64, 96, 8, silu}, false, false},       //
                        item{{1, 1, 8, 8}, true, false},                // one value a group
                        item{{2, 5, 7, 7, silu}, true, true},           // single channels
                        item{{1, 33, 50, 2}, false, true},              // an odd group width
                        item{{1, 1200, 40, 2, silu}, true, true},       // too large to be kept
                        item{{2, 9, 21, 3, silu, 1e-3f}, true, false},  //
                        item{{1, 3, 2052, 1, silu}, false, true}}) {    // more packs than threads
    CAPTURE(i.shape.positions, i.shape.channels, i.shape.groups);
    const auto c = random_case(i.shape, i.conditioned, i.with_residual);
    const auto expected = on_cpu(c);
    in_every_order<TestType>([&](TestType& backend) {
      const auto r = on_device(backend, c);
      // The one value of a group less its mean is 0, which the CPU's product and sum reach up to rounding, times 316.
      const bool single = i.shape.positions * i.shape.group_width() == 1;
      CHECK(relative_error(r.y, expected.y) < (single ? 1e-4 : tolerance));
      CHECK(relative_error(r.statistics, expected.statistics) < tolerance);
      if (!single) CHECK(relative_error(r.gx, expected.gx) < tolerance);  // it has no gradient but rounding
      CHECK(relative_error(r.gamma_gradient, expected.gamma_gradient) < tolerance);
      CHECK(relative_error(r.beta_gradient, expected.beta_gradient) < tolerance);
      CHECK(relative_error(r.scale_shift_gradient, expected.scale_shift_gradient) < tolerance);
      return r.all();
    });
  }
}

TEMPLATE_LIST_TEST_CASE("group_norm: a sample has its bits alone, in any batch and at any address", "[cuda]", devices) {
  for (const group_norm_shape& s : {group_norm_shape{5, 16, 32, 4, activation::silu}, group_norm_shape{5, 7, 21, 3}}) {
    const auto c = random_case(s, true, true);
    TestType backend;
    const auto whole = on_device(backend, c);
    CHECK(same_bits(on_device(backend, c, 1).all(), whole.all()));
    const auto alone = on_device(backend, part_of(c, 3, 1));
    const auto image = s.positions * s.channels;
    CHECK(same_bits(alone.y.data(), whole.y.data() + 3 * image, image));
    CHECK(same_bits(alone.gx.data(), whole.gx.data() + 3 * image, image));
    CHECK(same_bits(alone.scale_shift_gradient.data(), whole.scale_shift_gradient.data() + 3 * 2 * s.channels,
                    2 * s.channels));
  }
}

TEMPLATE_LIST_TEST_CASE("group_norm: gradients of gain and bias do not depend on how the samples are split", "[cuda]",
                        devices) {
  const index_t samples = 70, columns = 37;
  const auto partial = normals<float>(samples * columns, 1), start = normals<float>(columns, 2);
  in_every_order<TestType>([&](TestType& backend) {
    const auto rows = to_device(backend, partial);
    const auto add = [&](const std::vector<index_t>& counts) {
      auto sum = to_device(backend, start);
      index_t first = 0;
      for (const index_t count : counts) {
        const detail::add_rows_in_order kernel{
            rows.data() + first * columns, count, columns, 20, sum.data(), sum.data() + 20};
        backend.executor(0).launch(kernel.blocks(), kernel);
        first += count;
      }
      return to_host(backend, sum);
    };
    const auto whole = add({samples});
    CHECK(same_bits(add({1, 64, 5}), whole));
    values expected = start;
    for (std::size_t i = 0; i < partial.size(); ++i) expected[i % static_cast<std::size_t>(columns)] += partial[i];
    CHECK(same_bits(whole, expected));
    return whole;
  });
}

TEMPLATE_LIST_TEST_CASE("group_norm: a large mean costs no accuracy, frozen gains no work", "[cuda]", devices) {
  const group_norm_shape s{1, 64, 16, 2};
  auto c = random_case(s, false, false);
  c.x = normals<float>(64 * 16, 1, 1.0, 1000.0);
  TestType backend;
  const auto r = on_device(backend, c);
  for (index_t g = 0; g < 2; ++g) {
    double sum = 0, squares = 0;
    const auto each = [&](const auto& f) {
      for (index_t p = 0; p < 64; ++p)
        for (index_t j = 0; j < 8; ++j) f(static_cast<double>(c.x[static_cast<std::size_t>(p * 16 + g * 8 + j)]));
    };
    each([&](double v) { sum += v; });
    each([&](double v) { squares += (v - sum / 512) * (v - sum / 512); });
    CHECK(static_cast<double>(r.statistics[static_cast<std::size_t>(2 * g)]) == Approx(sum / 512).epsilon(1e-7));
    CHECK(static_cast<double>(r.statistics[static_cast<std::size_t>(2 * g + 1)]) ==
          Approx(1 / std::sqrt(squares / 512 + 1e-5)).epsilon(1e-6));
  }
  std::vector<double> expected;
  for (std::size_t i = 0; i < c.x.size(); ++i) {
    const auto of = [](float v) { return static_cast<double>(v); };
    const std::size_t j = i % 16, g = j / 8;
    const double normalised = (of(c.x[i]) - of(r.statistics[2 * g])) * of(r.statistics[2 * g + 1]);
    expected.push_back(normalised * of(c.gamma[j]) + of(c.beta[j]));
  }
  CHECK(relative_error(r.y, expected) < 1e-6);
  const auto x = to_device(backend, c.x), gamma = to_device(backend, c.gamma), gy = to_device(backend, c.gy);
  const auto statistics = to_device(backend, std::vector<statistics_of>{{0, 1}, {0, 1}});
  auto gx = to_device(backend, c.x);
  group_norm_backward(backend.executor(0), s, x.data(), gamma.data(), gamma.data(), nullptr, statistics.data(),
                      gy.data(), nullptr, gx.data(), nullptr, nullptr, nullptr);
  CHECK(std::isfinite(to_host(backend, gx)[0]));
  CHECK_THROWS_WITH(group_norm_forward(backend.executor(0), {1, 4, 10000, 1}, x.data(), gamma.data(), gamma.data(),
                                       nullptr, nullptr, gx.data()),
                    contains("10000 channels in 1 groups"));
}

TEMPLATE_LIST_TEST_CASE("layer_norm agrees with the CPU's, forward and backward", "[cuda]", devices) {
  struct item {
    index_t rows, columns;
  };
  for (const auto [rows, columns] : {item{19, 96}, item{1, 1}, item{8, 7}, item{3, 320}, item{9, 130}}) {
    CAPTURE(rows, columns);
    const auto x = normals<float>(rows * columns, 1, 2.0, 0.5), gy = normals<float>(rows * columns, 2);
    const auto gamma = normals<float>(columns, 3, 0.5, 1.0), beta = normals<float>(columns, 4);
    const auto n = static_cast<std::size_t>(rows * columns), width = static_cast<std::size_t>(columns);
    values y(n), gx(n), gamma_gradient(width, 1.0f), beta_gradient(width, 2.0f);
    std::vector<statistics_of> statistics(static_cast<std::size_t>(rows));
    cpu_executor cpu;
    layer_norm_forward(cpu, 1e-5f, {x.data(), {rows, columns}}, gamma.data(), beta.data(), statistics.data(),
                       matrix<float>{y.data(), {rows, columns}});
    layer_norm_backward(cpu, {x.data(), {rows, columns}}, gamma.data(), statistics.data(), {gy.data(), {rows, columns}},
                        matrix<float>{gx.data(), {rows, columns}}, gamma_gradient.data(), beta_gradient.data());
    in_every_order<TestType>([&](TestType& backend) {
      values shifted{0.0f};
      shifted.insert(shifted.end(), x.begin(), x.end());
      const auto dx = to_device(backend, x), dgy = to_device(backend, gy), elsewhere = to_device(backend, shifted);
      const auto dgamma = to_device(backend, gamma), dbeta = to_device(backend, beta);
      auto dy = to_device(backend, y), dgx = to_device(backend, gx);
      auto dstatistics = to_device(backend, std::vector<statistics_of>(statistics.size()));
      auto dgamma_gradient = to_device(backend, values(width, 1.0f)),
           dbeta_gradient = to_device(backend, values(width, 2.0f));
      auto& executor = backend.executor(0);
      const auto forward = [&](const float* from, index_t count) {
        layer_norm_forward(executor, 1e-5f, matrix<const float>{from, {count, columns}}, dgamma.data(), dbeta.data(),
                           dstatistics.data(), matrix<float>{dy.data(), {count, columns}});
        return to_host(backend, dy.data(), count * columns);
      };
      const auto last = forward(elsewhere.data() + 1 + (rows - 1) * columns, 1);
      const auto whole = forward(dx.data(), rows);
      CHECK(same_bits(last.data(), whole.data() + (rows - 1) * columns, columns));
      layer_norm_backward(executor, matrix<const float>{dx.data(), {rows, columns}}, dgamma.data(), dstatistics.data(),
                          matrix<const float>{dgy.data(), {rows, columns}}, matrix<float>{dgx.data(), {rows, columns}},
                          dgamma_gradient.data(), dbeta_gradient.data());
      CHECK(relative_error(whole, y) < tolerance);
      if (columns > 1) CHECK(relative_error(to_host(backend, dgx), gx) < tolerance);
      CHECK(relative_error(to_host(backend, dgamma_gradient), gamma_gradient) < tolerance);
      CHECK(relative_error(to_host(backend, dbeta_gradient), beta_gradient) < tolerance);
      auto joined = to_host(backend, dgx);
      for (const auto& part : {whole, to_host(backend, dgamma_gradient), to_host(backend, dbeta_gradient)})
        joined.insert(joined.end(), part.begin(), part.end());
      return joined;
    });
  }
}
