// SPDX-License-Identifier: Apache-2.0
// The operations of a Markov decision process on rows of D values, which are bound by memory.
//   score/*       log-probability, importance ratio, clipped surrogate and the gradient with respect to the network's
//                 output: x, x' and o are read, the gradient is written over o
//   take_step/*   x' = a x + b o + sigma z with fresh noise, and log pi(x'): x and o are read, x' is written
// of_copy compares with a copy that touches as many bytes, launched in the same way.
#include "timing.cuh"

#include "compiled_kernels/kernels.cuh"
#include "compiled_kernels/kernels.hpp"

#include <fewstep/backend/mirror.hpp>
#include <fewstep/mdp/score.hpp>
#include <fewstep/mdp/transition.hpp>
#include <fewstep/objective/clipped_surrogate.hpp>

namespace gpu {

namespace {

constexpr step_row step{6.0f, 2.0f, 0.9f, 0.4f, 2.0f, 1.0f, 0.1f, 0.5f};

/// What all sets share.
template <class Backend>
struct transitions {
  index_t rows, d;
  mirrored<step_row, Backend> table;
  mirrored<std::int32_t, Backend> steps;
  mirrored<double, Backend> log_probabilities;
  mirrored<float, Backend> advantages;
  mirrored<loss_settings<clipped_surrogate>, Backend> settings;
  mirrored<rollout_noise, Backend> noise;
  tensor<score, 1, Backend> scores;
  std::vector<tensor<float, 2, Backend>> x, next, o;

  transitions(Backend& backend, index_t count, index_t dimension)
      : rows(count),
        d(dimension),
        table(backend, 1, step),
        steps(backend, rows),
        log_probabilities(backend, rows, -1.0),
        advantages(backend, rows, 0.5f),
        settings(backend, 1, {clipped_surrogate{0.5f}, 0.0f, static_cast<double>(rows)}),
        noise(backend, 1, {1, 0}),
        scores(backend, {rows}) {
    table.upload(backend);
    steps.upload(backend);
    log_probabilities.upload(backend);
    advantages.upload(backend);
    settings.upload(backend);
    noise.upload(backend);
  }
  /// Adds arrays x, x' and o.
  void add_set(Backend& backend) {
    for (auto* arrays : {&x, &next, &o}) {
      arrays->push_back(tensor<float, 2, Backend>(backend, {rows, d}));
      backend.for_each(rows * d, fill_values{arrays->back().data()});
    }
  }
  [[nodiscard]] std::size_t at(index_t call) const { return static_cast<std::size_t>(call) % x.size(); }
  /// Bytes of an array.
  [[nodiscard]] double bytes() const { return sizeof(float) * static_cast<double>(rows * d); }
};

template <class Backend>
[[nodiscard]] index_t make_sets(Backend& backend, transitions<Backend>& t, bool streamed) {
  const index_t sets = streamed ? streamed_sets(backend, 3 * t.bytes()) : 1;
  for (index_t i = 0; i < sets; ++i) t.add_set(backend);
  return sets;
}

template <class Backend>
void score_kernel(benchmark::State& state, launched how, bool streamed) {
  Backend backend;
  transitions<Backend> t(backend, state.range(0), state.range(1));
  const index_t sets = make_sets(backend, t, streamed);
  run(state, backend,
      {.items = static_cast<double>(t.rows), .bytes = 4 * t.bytes(), .set = 3 * t.bytes(), .copied = 4 * t.bytes()},
      how, sets, [&](index_t call) {
        score_rows(backend, scored_rows<clipped_surrogate>{.x = t.x[t.at(call)].view(),
                                                           .next = t.next[t.at(call)].view(),
                                                           .o = t.o[t.at(call)].view(),
                                                           .reference = {nullptr, {t.rows, t.d}},
                                                           .step = t.steps.device(),
                                                           .old_log_probability = t.log_probabilities.device(),
                                                           .advantage = t.advantages.device(),
                                                           .table = t.table.device(),
                                                           .settings = t.settings.device(),
                                                           .scores = t.scores.data()});
      });
}

template <class Backend>
void step_kernel(benchmark::State& state, launched how, bool streamed) {
  Backend backend;
  transitions<Backend> t(backend, state.range(0), state.range(1));
  const index_t sets = make_sets(backend, t, streamed);
  run(state, backend,
      {.items = static_cast<double>(t.rows), .bytes = 3 * t.bytes(), .set = 3 * t.bytes(), .copied = 3 * t.bytes()},
      how, sets, [&](index_t call) {
        take_step(backend, transition_step{.x = t.x[t.at(call)].view(),
                                           .o = t.o[t.at(call)].view(),
                                           .next = t.next[t.at(call)].view(),
                                           .row = step,
                                           .noise = t.noise.device(),
                                           .log_probabilities = t.log_probabilities.device()});
      });
}

[[maybe_unused]] const bool registered = [] {
  for (const launched how : {launched::as_graph, launched::singly})
    for (const bool streamed : {true, false}) {
      const std::string way = message(name_of(how), streamed ? "/streamed" : "/resident");
      const argument_lists shapes{{64, 3072}, {512, 3072}, {64, 16384}, {4096, 3072}, {4096, 16384}};
      add("score/" + way, {"rows", "D"}, shapes, {3, 40},
          [=](benchmark::State& state) { score_kernel<backend_type>(state, how, streamed); });
      add("take_step/" + way, {"rows", "D"}, shapes, {3, 40},
          [=](benchmark::State& state) { step_kernel<backend_type>(state, how, streamed); });
    }
  return true;
}();

}  // namespace

}  // namespace gpu
