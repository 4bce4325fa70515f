// SPDX-License-Identifier: Apache-2.0
#include "cuda/support.cuh"

#include <fewstep/cuda/score.cuh>
#include <fewstep/cuda/transition.cuh>
#include <fewstep/objective/clipped_surrogate.hpp>
#include <fewstep/objective/guarded_surrogate.hpp>
#include <fewstep/objective/reinforce.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

using namespace fewstep;
using namespace fewstep::test;

namespace {

const std::vector<step_row> table = {{1, 0.5f, 0.7f, -0.4f, 0.3f, 1, 0, 1, 0.5f},
                                     {0.5f, 0, 0.9f, 0.25f, 0.2f, 1, 0, 1, 0.5f}};

/// Transitions of steps in an order of their own: x' = a x + b o + sigma z, and what the rollout had for them.
struct transitions {
  index_t dimension;
  scored_range scored;
  std::vector<std::int32_t> step;
  std::vector<float> x, next, o, reference, old_output, advantages;
  std::vector<double> old;

  transitions(index_t count, index_t d, scored_range range = {})
      : dimension(d),
        scored(range),
        x(normals<float>(count * d, 1)),
        next(normals<float>(count * d, 2)),
        o(normals<float>(count * d, 3)),
        reference(normals<float>(count * d, 4)),
        old_output(normals<float>(count * d, 6)),
        advantages(normals<float>(count, 5)) {
    for (index_t i = 0; i < count; ++i) {
      step.push_back(static_cast<std::int32_t>((2 * i + 1) % 3 % 2));
      const step_row& row = row_of(i);
      for (index_t k = i * d; k < (i + 1) * d; ++k) {
        const auto at = static_cast<std::size_t>(k);
        next[at] = row.a * x[at] + row.b * o[at] + row.sigma * next[at];
      }
      const index_t first = i * d + scored.first;
      old.push_back(log_probability({x.data() + first, next.data() + first, &row}, o.data() + first, scored.size(d),
                                    reduction::mean) +
                    0.02 * (static_cast<double>(i % 3) - 1));
    }
  }
  [[nodiscard]] index_t count() const { return static_cast<index_t>(step.size()); }
  [[nodiscard]] const step_row& row_of(index_t i) const {
    return table[static_cast<std::size_t>(step[static_cast<std::size_t>(i)])];
  }
};

struct scored_batch {
  std::vector<float> gradient;
  std::vector<score> scores;
};

template <class Objective, class Estimate>
scored_batch on_cpu(const transitions& t, const loss_settings<Objective, Estimate>& settings, bool referenced,
                    reduction over) {
  cpu_backend backend({.threads = 1});
  scored_batch result{t.o, std::vector<score>(t.step.size())};
  const array_extents<2> shape{t.count(), t.dimension};
  matrix<const float> reference;
  if (referenced) reference = {t.reference.data(), shape};
  score_rows(backend, scored_rows<Objective, Estimate>{.x = {t.x.data(), shape},
                                                       .next = {t.next.data(), shape},
                                                       .o = {result.gradient.data(), shape},
                                                       .reference = reference,
                                                       .old_output = {t.old_output.data(), shape},
                                                       .step = t.step.data(),
                                                       .old_log_probability = t.old.data(),
                                                       .advantage = t.advantages.data(),
                                                       .table = table.data(),
                                                       .settings = &settings,
                                                       .scores = result.scores.data(),
                                                       .reduction = over,
                                                       .scored = t.scored});
  return result;
}

/// Rows [first, first + count) of the transitions; arrays begin `shift` floats behind a boundary.
template <class Backend, class Objective, class Estimate>
scored_batch on_device(Backend& backend, const transitions& t, const loss_settings<Objective, Estimate>& settings,
                       bool referenced, reduction over, detail::long_rows way = detail::long_rows::automatic,
                       index_t first = 0, index_t count = -1, index_t shift = 0) {
  if (count < 0) count = t.count();
  const array_extents<2> shape{count, t.dimension};
  const auto shifted = [&](const std::vector<float>& values) {
    std::vector<float> moved(static_cast<std::size_t>(shift + count * t.dimension));
    std::copy_n(values.begin() + first * t.dimension, count * t.dimension, moved.begin() + shift);
    return to_device(backend, moved);
  };
  const auto x = shifted(t.x), next = shifted(t.next), o_ref = shifted(t.reference), old_output = shifted(t.old_output);
  auto o = shifted(t.o);
  const auto step = to_device(backend, t.step);
  const auto old = to_device(backend, t.old);
  const auto a = to_device(backend, t.advantages);
  const auto rows_of_table = to_device(backend, table);
  const auto device_settings = to_device(backend, std::vector<loss_settings<Objective, Estimate>>{settings});
  tensor<score, 1, Backend> scores(backend, {count});
  matrix<const float> reference;
  if (referenced) reference = {o_ref.data() + shift, shape};
  detail::score_rows(backend,
                     scored_rows<Objective, Estimate>{.x = {x.data() + shift, shape},
                                                      .next = {next.data() + shift, shape},
                                                      .o = {o.data() + shift, shape},
                                                      .reference = reference,
                                                      .old_output = {old_output.data() + shift, shape},
                                                      .step = step.data() + first,
                                                      .old_log_probability = old.data() + first,
                                                      .advantage = a.data() + first,
                                                      .table = rows_of_table.data(),
                                                      .settings = device_settings.data(),
                                                      .scores = scores.data(),
                                                      .reduction = over,
                                                      .scored = t.scored},
                     way);
  return {to_host(backend, o.data() + shift, count * t.dimension), to_host(backend, scores)};
}

bool same_bits(const score& a, const score& b) {
  return a.log_probability == b.log_probability && a.log_ratio == b.log_ratio && a.ratio == b.ratio &&
         a.value == b.value && a.reference_kl == b.reference_kl && a.divergence == b.divergence;
}

/// Residuals and squares are rounded in another order, or fused where the CPU's are not.
void check_close(const scored_batch& device, const scored_batch& cpu, double count) {
  CHECK(relative_error(device.gradient, cpu.gradient) < 2e-5);
  for (std::size_t i = 0; i < cpu.scores.size(); ++i) {
    const score &d = device.scores[i], &c = cpu.scores[i];
    CHECK(std::abs(d.log_probability - c.log_probability) < 2e-6 * count);
    CHECK(std::abs(static_cast<double>(d.log_ratio - c.log_ratio)) < 4e-6 * count);
    CHECK(d.reference_kl == Approx(c.reference_kl).epsilon(1e-5));
    CHECK(d.divergence == Approx(c.divergence).epsilon(1e-5));
  }
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("scores and gradients are the CPU's, for rows of any length", "[cuda]", devices) {
  for (const index_t dimension : {1, 2, 7, 16, 17, 48, 511, 512, 513, 3072, 4096, 4097, 8200}) {
    const transitions t(dimension > 1000 ? 2 : 5, dimension);
    for (const bool referenced : {false, true}) {
      CAPTURE(dimension, referenced);
      const loss_settings<reinforce> settings{{}, 0.3f, 7.0};
      const auto expected = on_cpu(t, settings, referenced, reduction::mean);
      TestType backend;
      check_close(on_device(backend, t, settings, referenced, reduction::mean), expected, 1);
    }
  }
}

TEMPLATE_LIST_TEST_CASE("objectives, reductions and the KL are the CPU's", "[cuda]", devices) {
  for (const index_t dimension : {6, 40}) {
    const transitions t(6, dimension);
    for (const reduction over : {reduction::mean, reduction::sum}) {
      CAPTURE(dimension, over == reduction::sum);
      const double count = over == reduction::sum ? static_cast<double>(dimension) : 1;
      const loss_settings<clipped_surrogate> clipped{{0.01f}, 0.1f, 6.0};
      TestType backend;
      const auto device = on_device(backend, t, clipped, over == reduction::mean, over);
      const auto cpu = on_cpu(t, clipped, over == reduction::mean, over);
      check_close(device, cpu, count);
      if (over == reduction::mean)
        for (std::size_t i = 0; i < cpu.scores.size(); ++i)
          CHECK(device.scores[i].value == Approx(cpu.scores[i].value).epsilon(2e-5).margin(1e-6));
    }
  }
}

TEMPLATE_LIST_TEST_CASE("threads may start in any order", "[cuda]", devices) {
  for (const index_t dimension : {5, 100, 600, 4100}) {
    const transitions t(3, dimension);
    const loss_settings<reinforce> settings{{}, 0.3f, 3.0};
    for (const detail::long_rows way : {detail::long_rows::block, detail::long_rows::split})
      in_every_order<TestType>([&](TestType& backend) {
        auto batch = on_device(backend, t, settings, true, reduction::mean, way);
        for (const score& s : batch.scores)
          batch.gradient.insert(batch.gradient.end(), {static_cast<float>(s.log_probability), s.log_ratio, s.value,
                                                       static_cast<float>(s.reference_kl)});
        return batch.gradient;
      });
  }
}

TEMPLATE_LIST_TEST_CASE("a row has the same bits alone, in a batch, off a boundary, and whoever works on it", "[cuda]",
                        devices) {
  for (const index_t dimension : {4, 16, 52, 600, 4100, 12288}) {
    const transitions t(5, dimension);
    for (const bool referenced : {false, true}) {
      const loss_settings<reinforce> settings{{}, 0.3f, 5.0};
      TestType backend;
      const auto batch = on_device(backend, t, settings, referenced, reduction::mean, detail::long_rows::split);
      for (const index_t shift : {0, 1})
        for (const detail::long_rows way : {detail::long_rows::block, detail::long_rows::split}) {
          if (dimension <= 4096 && way == detail::long_rows::split) continue;
          const auto alone = on_device(backend, t, settings, referenced, reduction::mean, way, 3, 1, shift);
          CAPTURE(dimension, referenced, shift);
          CHECK(same_bits(alone.scores[0], batch.scores[3]));
          CHECK(test::same_bits(alone.gradient.data(), batch.gradient.data() + 3 * dimension, dimension));
        }
    }
  }
}

TEMPLATE_LIST_TEST_CASE("rows that no block can hold are scored in two passes", "[cuda]", devices) {
  const transitions t(1, 65537);
  const loss_settings<reinforce> settings{{}, 0.0f, 1.0};
  TestType backend;
  check_close(on_device(backend, t, settings, false, reduction::mean, detail::long_rows::block),
              on_cpu(t, settings, false, reduction::mean), 1);
}

TEMPLATE_LIST_TEST_CASE("log-probability and gradient are those of the Gaussian in double", "[cuda]", devices) {
  for (const index_t dimension : {1, 3, 20}) {
    const transitions t(2, dimension);
    const loss_settings<reinforce> settings{{}, 0.3f, 4.0};
    TestType backend;
    const auto batch = on_device(backend, t, settings, true, reduction::mean);
    const double d = static_cast<double>(dimension);
    for (index_t i = 0; i < t.count(); ++i) {
      const step_row& row = t.row_of(i);
      const double a = row.a, b = row.b, sigma = row.sigma;
      const auto at = [&](const std::vector<float>& values, index_t k) {
        return static_cast<double>(values[static_cast<std::size_t>(i * dimension + k)]);
      };
      const auto log_pi = [&](index_t moved, double by) {
        double sum = 0;
        for (index_t k = 0; k < dimension; ++k) {
          const double r = at(t.next, k) - a * at(t.x, k) - b * (at(t.o, k) + (k == moved ? by : 0));
          sum += -r * r / (2 * sigma * sigma) - std::log(sigma) - 0.5 * std::log(2 * std::acos(-1.0));
        }
        return sum / d;
      };
      const auto loss = [&](index_t moved, double by) {
        double kl = 0;
        for (index_t k = 0; k < dimension; ++k) {
          const double difference = at(t.o, k) + (k == moved ? by : 0) - at(t.reference, k);
          kl += b * b * difference * difference / (2 * sigma * sigma) / d;
        }
        const double advantage = t.advantages[static_cast<std::size_t>(i)];
        const double ratio = log_pi(moved, by) - t.old[static_cast<std::size_t>(i)];
        return (-advantage * ratio + static_cast<double>(settings.coefficient) * kl) / settings.rows;
      };
      CHECK(std::abs(batch.scores[static_cast<std::size_t>(i)].log_probability - log_pi(-1, 0)) < 1e-6);
      for (index_t k = 0; k < dimension; ++k) {
        const double slope = (loss(k, 1e-4) - loss(k, -1e-4)) / 2e-4;
        CHECK(at(batch.gradient, k) == Approx(slope).epsilon(1e-5).margin(1e-6 / d));
      }
    }
  }
}

TEMPLATE_LIST_TEST_CASE("an output that is not a number shows in its own score only", "[cuda]", devices) {
  for (const index_t dimension : {3, 50, 4097}) {
    transitions t(3, dimension);
    t.o[static_cast<std::size_t>(2 * dimension - 1)] = NAN;
    TestType backend;
    const auto batch = on_device(backend, t, loss_settings<reinforce>{}, false, reduction::mean);
    CHECK(std::isfinite(batch.scores[0].log_probability));
    CHECK(std::isnan(batch.scores[1].log_probability));
    CHECK(std::isfinite(batch.scores[2].log_probability));
  }
}

TEMPLATE_LIST_TEST_CASE(
    "a trust region on the rollout's outputs is the CPU's, and each way to do it gives the same bits", "[cuda]",
    devices) {
  for (const index_t dimension : {1, 7, 48, 512, 3072, 4097, 8200}) {
    const transitions t(dimension > 1000 ? 2 : 5, dimension);
    for (const bool referenced : {false, true}) {
      CAPTURE(dimension, referenced);
      const loss_settings<guarded_surrogate> settings{{1.0f}, 0.3f, 7.0};
      const auto expected = on_cpu(t, settings, referenced, reduction::mean);
      TestType backend;
      const auto scored = on_device(backend, t, settings, referenced, reduction::mean);
      check_close(scored, expected, 1);
      for (const auto way : {detail::long_rows::block, detail::long_rows::split})
        for (const index_t shift : {0, 1}) {
          const auto other = on_device(backend, t, settings, referenced, reduction::mean, way, 0, -1, shift);
          CHECK(other.gradient == scored.gradient);
          for (std::size_t i = 0; i < scored.scores.size(); ++i) CHECK(same_bits(other.scores[i], scored.scores[i]));
        }
    }
  }
}

TEMPLATE_LIST_TEST_CASE(
    "coordinates that are not scored count for nothing and get no gradient, however rows are shared", "[cuda]",
    devices) {
  struct part {
    index_t dimension;
    scored_range range;
  };
  for (const part& p :
       {part{7, {2, 3}}, part{48, {5, 40}}, part{600, {0, 16}}, part{4100, {4095, 5}}, part{8200, {3, 8000}}}) {
    const transitions t(p.dimension > 1000 ? 2 : 5, p.dimension, p.range);
    const loss_settings<guarded_surrogate> settings{{1.0f}, 0.3f, 7.0};
    const auto expected = on_cpu(t, settings, true, reduction::mean);
    TestType backend;
    const auto scored = on_device(backend, t, settings, true, reduction::mean);
    CAPTURE(p.dimension, p.range.first, p.range.count);
    check_close(scored, expected, 1);
    for (std::size_t i = 0; i < scored.gradient.size(); ++i)
      if (!p.range.has(static_cast<index_t>(i) % p.dimension)) CHECK(scored.gradient[i] == 0.0f);
    for (const auto way : {detail::long_rows::block, detail::long_rows::split}) {
      const auto other = on_device(backend, t, settings, true, reduction::mean, way, 0, -1, 1);
      CHECK(other.gradient == scored.gradient);
      for (std::size_t i = 0; i < scored.scores.size(); ++i) CHECK(same_bits(other.scores[i], scored.scores[i]));
    }
  }
}

namespace {

/// An estimate of the action that was taken gives the CPU's scores and gradients, however rows are shared.
template <class Backend, class Objective, class Estimate>
void check_estimate(const transitions& t, const loss_settings<Objective, Estimate>& settings) {
  const auto expected = on_cpu(t, settings, true, reduction::mean);
  Backend backend;
  const auto scored = on_device(backend, t, settings, true, reduction::mean);
  CHECK(relative_error(scored.gradient, expected.gradient) < 2e-5);
  for (std::size_t i = 0; i < expected.scores.size(); ++i) {
    CHECK(scored.scores[i].reference_kl == Approx(expected.scores[i].reference_kl).epsilon(1e-4));
    CHECK(scored.scores[i].divergence == Approx(expected.scores[i].divergence).epsilon(1e-5));
  }
  for (const auto way : {detail::long_rows::block, detail::long_rows::split})
    for (const index_t shift : {0, 1}) {
      const auto other = on_device(backend, t, settings, true, reduction::mean, way, 0, -1, shift);
      CHECK(other.gradient == scored.gradient);
      for (std::size_t i = 0; i < scored.scores.size(); ++i) CHECK(same_bits(other.scores[i], scored.scores[i]));
    }
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("KL estimates of the action are the CPU's, and each way to do it gives the same bits", "[cuda]",
                        devices) {
  struct part {
    index_t dimension;
    scored_range range;
  };
  for (const part& p : {part{1, {}}, part{7, {2, 3}}, part{48, {}}, part{600, {0, 400}}, part{3072, {}}, part{4097, {}},
                        part{8200, {3, 8000}}}) {
    transitions t(p.dimension > 1000 ? 2 : 5, p.dimension, p.range);
    for (std::size_t i = 0; i < t.o.size(); ++i)
      t.reference[i] = t.o[i] + 0.5f * t.reference[i] / std::sqrt(static_cast<float>(p.dimension));
    CAPTURE(p.dimension, p.range.first, p.range.count);
    check_estimate<TestType>(t, loss_settings<reinforce, kl_estimate::k2>{{}, 0.3f, 7.0, {}});
    check_estimate<TestType>(t, loss_settings<guarded_surrogate, kl_estimate::k3>{{1.0f}, 0.3f, 7.0, {}});
  }
}
