// SPDX-License-Identifier: Apache-2.0
// The gradient over replayed rows, by itself, against the derivative of log pi by hand.
#include <fewstep/algorithm/replayed_gradient.hpp>

#include "support/gaussian_consistency.hpp"
#include "test.hpp"

#include <fewstep/mdp/rollout.hpp>
#include <fewstep/objective/reinforce.hpp>
#include <fewstep/regularizer/regularizer.hpp>
#include <fewstep/sampler/consistency.hpp>

#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

using namespace fewstep;
using namespace fewstep::test;

namespace {

using toy = gaussian_consistency;
constexpr index_t samples = 10;
constexpr int horizon = 4;

/// A rollout of the toy, and advantages that differ by row.
struct rolled {
  cpu_backend backend{{.threads = 1}};
  toy model;
  trajectory<cpu_backend, std::int32_t> path;
  mirrored<float, cpu_backend> advantages;

  rolled()
      : path(backend, consistency_sampler{}.table(model.preconditioner(), horizon), samples, toy::dimension),
        advantages(backend, horizon * samples) {
    for (index_t r = 0; r < samples; ++r) path.set_context(r, 0);
    cpu_tensor<float, 2> o(backend, {samples, toy::dimension});
    toy::workspace_type workspace;
    rollout(backend, model, workspace, path, o.view(), rollout_noise{3, 0}, reduction::mean, 0, samples);
    for (index_t row = 0; row < advantages.size(); ++row)
      advantages.host()[static_cast<std::size_t>(row)] = std::sin(static_cast<float>(row));
  }

  [[nodiscard]] rated_trajectory<cpu_backend, std::int32_t> judged() const { return {path, advantages}; }
  [[nodiscard]] auto replayed(const replay_settings& s) {
    return replayed_gradient<cpu_backend, toy, reinforce, no_regularizer>(backend, model, path, s);
  }
  /// The gradient of minibatch k of n.
  float of_minibatch(auto& gradient, int k) {
    no_regularizer none;
    gradient.begin_pass(backend, path, 1, 0);
    (void)gradient.begin_minibatch(backend, model, judged(), gradient.minibatch(k), reinforce{}, no_regularizer{},
                                   false);
    model.gradient = 1000;
    gradient.replace(backend, model, none, judged(), k);
    return model.gradient;
  }
  /// Minus advantage times d log pi / d mean of the row: log pi is a mean over the values, and o = f moves with the
  /// mean by 1 - s(t).
  [[nodiscard]] double slope(index_t row) const {
    const step_row& step = path.table().rows[static_cast<std::size_t>(row / samples)];
    const double a = step.a, b = step.b, s = toy::shrinking(step.time), mean = model.mean;
    double sum = 0;
    for (index_t d = 0; d < toy::dimension; ++d) {
      const double x = path.states()(row, d), next = path.states()(row + samples, d);
      sum += b * (next - a * x - b * (mean + (x - mean) * s)) / (static_cast<double>(step.sigma) * step.sigma);
    }
    return -static_cast<double>(advantages.host()[static_cast<std::size_t>(row)]) * sum * (1 - s) / toy::dimension;
  }
  [[nodiscard]] double expected() const {
    double sum = 0, rows = 0;
    for (index_t i = 0; i < path.trained_rows(); ++i) {
      const index_t row = path.first_trained_row() + i;
      if (path.is_left_out(row % samples)) continue;
      sum += slope(row);
      rows += 1;
    }
    return sum / rows;
  }
};

}  // namespace

TEST_CASE("a replayed gradient is the mean over rows, each with its own advantage, in micro-batches of any size") {
  rolled r;
  const index_t rows_at_once = GENERATE(1, 7, 64);
  CAPTURE(rows_at_once);
  auto gradient = r.replayed({.rows_at_once = rows_at_once});
  const float whole = r.of_minibatch(gradient, 0);
  CHECK(static_cast<double>(whole) == Approx(r.expected()).epsilon(1e-4));
  CHECK(gradient.total() == static_cast<double>(r.path.trained_rows()));
  for (const score& s : gradient.scores(r.backend, gradient.minibatch(0))) CHECK(s.ratio == 1);
  CHECK(r.of_minibatch(gradient, 0) == whole);
}

TEST_CASE("minibatches of a replay share out the rows, in an order of the pass's own") {
  rolled r;
  auto all = r.replayed({.rows_at_once = 64}), parted = r.replayed({.minibatches = 3, .rows_at_once = 4});
  const double whole = static_cast<double>(r.of_minibatch(all, 0));
  double sum = 0, rows = 0;
  for (int k = 0; k < 3; ++k) {
    sum += static_cast<double>(r.of_minibatch(parted, k)) * parted.total();
    rows += parted.total();
  }
  CHECK(rows == static_cast<double>(r.path.trained_rows()));
  CHECK(sum / rows == Approx(whole).epsilon(1e-4));

  const auto first_of_pass = [&](std::uint64_t pass) {
    no_regularizer none;
    parted.begin_pass(r.backend, r.path, 1, pass);
    (void)parted.begin_minibatch(r.backend, r.model, r.judged(), parted.minibatch(0), reinforce{}, no_regularizer{},
                                 false);
    parted.replace(r.backend, r.model, none, r.judged(), 0);
    return r.model.gradient;
  };
  CHECK(first_of_pass(0) == first_of_pass(0));
  CHECK(first_of_pass(0) != first_of_pass(1));
}

TEST_CASE("a replayed gradient is added where that is asked for, by any total") {
  rolled r;
  auto gradient = r.replayed({.rows_at_once = 8});
  const double whole = static_cast<double>(r.of_minibatch(gradient, 0));
  no_regularizer none;
  const std::pair<index_t, index_t> half{0, r.path.trained_rows() / 2}, rest{half.second, r.path.trained_rows()};
  gradient.set_loss(reinforce{}, no_regularizer{}, 2 * static_cast<double>(r.path.trained_rows()));
  r.model.gradient = 0;
  gradient.add(r.backend, r.model, none, r.judged(), half);
  gradient.add(r.backend, r.model, none, r.judged(), rest);
  CHECK(static_cast<double>(r.model.gradient) == Approx(whole / 2).epsilon(1e-5));
}

TEST_CASE("samples that are left out have no part in a replayed gradient nor in its mean") {
  rolled r;
  std::vector<std::uint8_t> out(static_cast<std::size_t>(samples));
  out[2] = out[9] = 1;
  r.path.leave_out(r.backend, out);
  auto gradient = r.replayed({.rows_at_once = 7});
  CHECK(static_cast<double>(r.of_minibatch(gradient, 0)) == Approx(r.expected()).epsilon(1e-4));
  CHECK(gradient.total() == static_cast<double>(r.path.trained_rows() - 2 * r.path.table().trained));
  CHECK(!gradient.is_kept(r.path, 2));
  CHECK(gradient.is_kept(r.path, 3));
}
