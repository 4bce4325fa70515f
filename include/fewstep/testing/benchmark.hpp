// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/reward/per_sample.hpp>
#include <fewstep/testing/benchmark_run.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

/// Micro-benchmarks of a generator of one's own. Needs Google Benchmark (1.7 or later); not part of the umbrella
/// header.

namespace fewstep {

namespace detail {

/// Rows at a middle noise level, all under one context, and the memory to evaluate them in.
template <class Generator>
struct benchmark_rows {
  using context_type = typename Generator::context_type;

  benchmark_rows(cpu_backend& backend, Generator& model, index_t rows, const context_type& context)
      : workspace(detail::make_workspace(backend, model, rows)),
        x(backend, {rows, model.sample_size()}),
        o(backend, {rows, model.sample_size()}),
        times(static_cast<std::size_t>(rows)),
        contexts(times.size(), context) {
    const auto preconditioner = model.preconditioner();
    const float time = 0.5f * (preconditioner.min_time() + preconditioner.max_time());
    std::fill(times.begin(), times.end(), time);
    for (index_t r = 0; r < rows; ++r)
      fill_normal({0, stream::evaluation}, static_cast<std::uint64_t>(r), 0, x.view().row(r), x.extent(1));
    for (float& value : x.view()) value *= preconditioner.level(time).noise;
  }
  [[nodiscard]] batch<context_type> seen() const {
    return {x.view(), as_vec(std::span<const float>(times)), as_vec(std::span<const context_type>(contexts))};
  }

  workspace_of<Generator> workspace;
  cpu_tensor<float, 2> x, o;
  std::vector<float> times;
  std::vector<context_type> contexts;
};

}  // namespace detail

/// Times the prediction of `rows` rows. `operations` are those of one row; 0: not reported.
template <class Generator>
void benchmark_predict(::benchmark::State& state, cpu_backend& backend, Generator& model, index_t rows,
                       const typename Generator::context_type& context, double operations = 0) {
  detail::benchmark_rows<Generator> b(backend, model, rows, context);
  const auto n = static_cast<double>(rows);
  run_benchmark(state, backend, {.items = n, .operations = n * operations},
                [&] { detail::predict(backend, model, b.seen(), b.o.view(), b.workspace); });
}

/// Times forward and backward of `rows` rows, counted as three times the operations of a prediction.
template <class Generator>
void benchmark_forward_backward(::benchmark::State& state, cpu_backend& backend, Generator& model, index_t rows,
                                const typename Generator::context_type& context, double operations = 0) {
  detail::benchmark_rows<Generator> b(backend, model, rows, context);
  const auto n = static_cast<double>(rows);
  run_benchmark(state, backend, {.items = n, .operations = 3 * n * operations}, [&] {
    detail::forward(backend, model, b.seen(), b.o.view(), b.workspace);
    detail::backward(backend, model, b.seen(), b.x.view(), b.workspace);
  });
}

/// Times a whole update of RLCM: `samples` samples of `horizon` (at least 2) network calls under contexts drawn from
/// `contexts`, a reward that costs nothing, every step but the last trained, Adam at a rate of 0, so that every update
/// has the same to do. Its items are samples.
template <class Generator>
void benchmark_policy_gradient(::benchmark::State& state, cpu_backend& backend, Generator& model, index_t samples,
                               int horizon, std::span<const typename Generator::context_type> contexts,
                               double operations = 0) {
  auto trainer = rlcm(backend, model, per_sample([](vec<const float> x, const auto&) { return x[0]; }),
                      adam{.learning_rate = 0.0f},
                      {.horizon = horizon, .batch = {.prompts = static_cast<int>(samples), .samples_per_prompt = 1}});
  const auto n = static_cast<double>(samples);
  const double passes = trainer.table().horizon() + 3.0 * trainer.table().trained;
  run_benchmark(state, backend, {.items = n, .operations = n * passes * operations}, [&] { trainer.update(contexts); });
}

/// What benchmark_generator measures: every combination.
template <class Context>
struct generator_benchmarks {
  std::vector<index_t> batches = {64};
  std::vector<int> horizons = {4};
  std::vector<int> threads = {1};
  std::vector<Context> contexts = {Context{}};
  double operations = 0;  ///< floating-point, of one row's prediction, 2 a multiply-add; 0: no share of the ceiling
};

namespace detail {

template <class Make>
using made_context = typename std::remove_cvref_t<std::invoke_result_t<const Make&, cpu_backend&>>::context_type;

}  // namespace detail

/// Registers NAME/predict, NAME/forward_backward and NAME/policy_gradient for every combination of the settings.
/// make(cpu_backend&) returns a generator; every benchmark makes its own, and reports what it throws.
///
///   int main(int argc, char** argv) {
///     fewstep::benchmark_generator("mine", [](fewstep::cpu_backend&) { return my_generator(); }, {.batches = {256}});
///     benchmark::Initialize(&argc, argv);
///     benchmark::RunSpecifiedBenchmarks();
///   }
template <class Make>
void benchmark_generator(const std::string& name, const Make& make,
                         const generator_benchmarks<detail::made_context<Make>>& settings = {}) {
  const std::vector<std::int64_t> threads(settings.threads.begin(), settings.threads.end());
  const std::vector<std::int64_t> horizons(settings.horizons.begin(), settings.horizons.end());
  const auto add = [&](const char* kind, std::vector<std::string> names, std::vector<std::vector<std::int64_t>> values,
                       const auto& run) {
    const std::size_t last = names.size();
    names.emplace_back("threads");
    values.push_back(threads);
    const auto body = [make, settings, run, last](::benchmark::State& state) {
      try {
        cpu_backend backend({.threads = static_cast<int>(state.range(last))});
        auto model = make(backend);
        run(state, backend, model, settings);
      } catch (const std::exception& failure) {
        state.SkipWithError(failure.what());
      }
    };
    auto* registered = ::benchmark::RegisterBenchmark(message(name, '/', kind).c_str(), body);
    registered->ArgNames(names)->ArgsProduct(values)->UseRealTime();
  };
  using state_type = ::benchmark::State;
  add("predict", {"batch"}, {settings.batches}, [](state_type& state, cpu_backend& backend, auto& model, auto& s) {
    benchmark_predict(state, backend, model, state.range(0), s.contexts.front(), s.operations);
  });
  add("forward_backward", {"batch"}, {settings.batches},
      [](state_type& state, cpu_backend& backend, auto& model, auto& s) {
        benchmark_forward_backward(state, backend, model, state.range(0), s.contexts.front(), s.operations);
      });
  add("policy_gradient", {"batch", "horizon"}, {settings.batches, horizons},
      [](state_type& state, cpu_backend& backend, auto& model, auto& s) {
        benchmark_policy_gradient(state, backend, model, state.range(0), static_cast<int>(state.range(1)),
                                  std::span(s.contexts), s.operations);
      });
}

}  // namespace fewstep
