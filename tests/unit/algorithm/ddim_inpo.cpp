// SPDX-License-Identifier: Apache-2.0
#include "support/arrays.hpp"
#include "support/temporary_directory.hpp"
#include "test.hpp"

#include <fewstep/algorithm/ddim_inpo.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/edm.hpp>
#include <fewstep/generator/epsilon_prediction.hpp>
#include <fewstep/generator/flow_matching.hpp>
#include <fewstep/generator/guided.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/io/checkpoint.hpp>
#include <fewstep/optimizer/sgd.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

using namespace fewstep;
using fewstep::test::normals;
using fewstep::test::same_bits;

namespace {

/// The exact network for data N(0, s^2), whose output is E[P x_0 + Q z | x_t].
template <class P>
struct gaussian_network {
  using context_type = std::int32_t;
  P p{};
  double deviation = 2;
  float parameter = 0, gradient = 0;

  [[nodiscard]] index_t sample_size() const { return 1; }
  [[nodiscard]] P preconditioner() const { return p; }
  void predict(cpu_backend&, batch<std::int32_t> rows, matrix<float> o) const {
    for (index_t r = 0; r < rows.rows(); ++r) {
      const exact_noise_level level = exact_level(p, rows.times[r]);
      const coefficients c = p(rows.times[r]);
      const double x = static_cast<double>(rows.x(r, 0));
      const double variance = level.signal * level.signal * deviation * deviation + level.noise * level.noise;
      const double clean = level.signal * deviation * deviation * x / variance;
      o(r, 0) = static_cast<float>((clean - static_cast<double>(c.skip) * x) / static_cast<double>(c.out)) + parameter;
    }
  }
  void backward(cpu_backend&, batch<std::int32_t>, matrix<const float> g) {
    for (const float value : g) gradient += value;
  }
  vec<float> parameters() { return {&parameter, {1}}; }
  vec<float> gradients() { return {&gradient, {1}}; }
};

/// Ones as winners, minus ones as losers.
struct opposite_pairs {
  void operator()(std::int64_t, matrix<float> w, matrix<float> l, std::span<std::int32_t>) const {
    std::fill(w.begin(), w.end(), 1.0f);
    std::fill(l.begin(), l.end(), -1.0f);
  }
};

/// How far the inversion of 1 to time t ends from the solution of its equation, x_t = x_0 sqrt(signal^2 s^2 + noise^2)
/// / s.
template <class P>
double inversion_error(const P& p, float t, int steps) {
  cpu_backend backend({.threads = 1});
  gaussian_network<P> network{p};
  inverted_pairs source(backend, network, opposite_pairs{}, listed_times{{t}}, network,
                        {.steps = steps, .pairs = {.comparisons = 1}});
  source.prepare(backend, network, 2);
  source.collect(backend, network, {1, 0});
  const auto rows = source.rows(backend, network, 0, 2);
  const exact_noise_level level = exact_level(p, t);
  const double exact = std::sqrt(4 * level.signal * level.signal + level.noise * level.noise) / 2;
  // the target leads back to the sample
  const coefficients c = p(t);
  CHECK(static_cast<double>(c.skip * rows.rows.x(0, 0) + c.out * rows.target(0, 0)) == Approx(1).epsilon(1e-4));
  CHECK(rows.rows.x(1, 0) == -rows.rows.x(0, 0));
  CHECK(rows.rows.times[0] == t);
  return std::abs(static_cast<double>(rows.rows.x(0, 0)) - exact);
}

template <class P>
void check_first_order(const P& p, float t) {
  double before = inversion_error(p, t, 10);
  for (const int steps : {20, 40, 80, 160}) {
    const double error = inversion_error(p, t, steps);
    INFO("time " << t << " steps " << steps << " error " << error);
    CHECK(before / error == Approx(2).epsilon(0.15));
    before = error;
  }
}

}  // namespace

TEST_CASE("the error of an inversion falls with the length of its steps, for every process") {
  check_first_order(epsilon_prediction{}, 800);
  check_first_order(flow_matching{}, 0.6f);
  check_first_order(edm_denoiser{}, 3);
}

TEST_CASE("of a deterministic inversion nothing is drawn: only the times of an update matter") {
  cpu_backend backend({.threads = 1});
  gaussian_network<flow_matching> model, reference;
  const auto gradient = [&](std::uint64_t seed, bool inverts) {
    const preference_parts parts{.optimizer = sgd{.learning_rate = 0}, .reference = frozen_reference(reference)};
    const preference_optimization_options update{.training = {.seed = seed}};
    const listed_times times{{0.5f}};
    if (inverts)
      ddim_inpo(backend, model, reference, opposite_pairs{}, parts,
                {.pairs = {.pairs = {.comparisons = 4}}, .update = update}, times)
          .update();
    else
      preference_optimization(
          backend, model,
          corrupted_pairs(backend, model, opposite_pairs{}, times, {.comparisons = 4, .sharing = noise_sharing::own}),
          parts, update)
          .update();
    return model.gradient;
  };
  CHECK(gradient(1, true) == gradient(2, true));
  CHECK(gradient(1, false) != gradient(2, false));
}

TEST_CASE("DDIM-InPO: at the reference margins are exactly 0, in every micro-batch and on any threads") {
  std::vector<float> expected;
  for (const int threads : {1, 2})
    for (const std::size_t budget : {std::size_t{1} << 30, std::size_t{720'000}}) {
      cpu_backend backend({.threads = threads});
      mlp_generator<cpu_backend> model(backend, {.network = {.dimension = 5}, .seed = 1}),
          reference(backend, {.network = {.dimension = 5}, .seed = 1});
      auto trainer = ddim_inpo(
          backend, model, reference,
          [](std::int64_t, matrix<float> w, matrix<float> l, std::span<std::int32_t>) {
            const auto a = normals<float>(w.size(), 1), b = normals<float>(l.size(), 2);
            std::copy(a.begin(), a.end(), w.begin());
            std::copy(b.begin(), b.end(), l.begin());
          },
          preference_parts{.optimizer = sgd{.learning_rate = 0}, .reference = frozen_reference(reference)},
          {.pairs = {.steps = 3, .pairs = {.comparisons = 70}}, .update = {.training = {.memory_budget = budget}}});
      const preference_report report = trainer.update();
      CHECK(report.loss == std::log(2.0));
      CHECK(report.margin == 0);
      const std::vector<float> gradient(model.gradients().begin(), model.gradients().end());
      if (expected.empty()) expected = gradient;
      CHECK(same_bits(gradient, expected));
    }
}

TEST_CASE("an inverter of other samples is refused, and a resumed run has the inverter that it had") {
  const temporary_directory folder;
  cpu_backend backend({.threads = 1});
  using small_model = mlp_generator<cpu_backend>;
  small_model model(backend, {}), base(backend, {}), larger(backend, {.network = {.dimension = 3}});
  const preference_parts parts{.optimizer = sgd{}, .reference = frozen_reference(base)};
  const auto with = [&](auto& inverter, int steps) {
    return ddim_inpo(backend, model, inverter, opposite_pairs{}, parts,
                     {.pairs = {.steps = steps, .pairs = {.comparisons = 2}}});
  };
  CHECK_THROWS_WITH(with(larger, 2), contains("inverted_pairs: the reference has samples of 3 values, the model of 2"));
  auto twice = guided(backend, base, {.scale = 2}), thrice = guided(backend, base, {.scale = 3});
  auto trainer = with(twice, 2);
  save_checkpoint(folder / "run", trainer);
  CHECK_NOTHROW(load_checkpoint(folder / "run", trainer));
  auto of_another = with(thrice, 2), in_more_steps = with(twice, 3);
  auto plain = with(base, 2);
  CHECK_THROWS_WITH(load_checkpoint(folder / "run", of_another), contains("inverter.scale = 2, but this run has 3"));
  CHECK_THROWS_WITH(load_checkpoint(folder / "run", in_more_steps), contains("steps = 2, but this run has 3"));
  CHECK_THROWS_WITH(load_checkpoint(folder / "run", plain), contains("inverter"));
}
