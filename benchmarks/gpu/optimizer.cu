// SPDX-License-Identifier: Apache-2.0
// A step of an optimizer over a flat array. Parameters and moments are read and written, gradients read. of_copy
// compares the rate of bytes with that of a copy of the same working set: parameters, gradients and moments together.
#include "timing.cuh"

#include <fewstep/optimizer/adam.hpp>
#include <fewstep/optimizer/optimizer.hpp>
#include <fewstep/optimizer/sgd.hpp>

namespace gpu {

namespace {

/// `touched` arrays of n floats are read or written, of `kept` that there are.
template <class Backend, class Rule>
void step(benchmark::State& state, launched how, int touched, int kept) {
  Backend backend;
  const index_t n = state.range(0);
  tensor<float, 1, Backend> parameters = filled(backend, n), gradients = filled(backend, n);
  const Rule optimizer;
  auto memory = make_optimizer_state(optimizer, backend, n);
  const double bytes = sizeof(float) * static_cast<double>(n);
  run(state, backend,
      {.items = static_cast<double>(n), .bytes = touched * bytes, .set = kept * bytes, .copied = kept * bytes}, how, 1,
      [&](index_t) {
        optimizer_step(optimizer, backend, memory, {parameters.view(), gradients.view()}, {});
      });
}

[[maybe_unused]] const bool registered = [] {
  for (const launched how : {launched::as_graph, launched::singly}) {
    const auto add_rule = [how]<class Rule>(const Rule&, const char* name, int touched, int kept) {
      add(message("optimizer/", name, '/', name_of(how)), {"parameters"}, {{1'000'000}, {10'000'000}, {100'000'000}},
          {1003}, [=](benchmark::State& state) { step<backend_type, Rule>(state, how, touched, kept); });
    };
    add_rule(adamw{}, "adamw", 7, 4);
    add_rule(adam{}, "adam", 7, 4);
    add_rule(sgd{}, "sgd", 5, 3);
  }
  return true;
}();

}  // namespace

}  // namespace gpu
