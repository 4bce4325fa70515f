// SPDX-License-Identifier: Apache-2.0
// Open rollouts and particles on a device.
#include "cuda/support.cuh"

#include <fewstep/cuda.cuh>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/mdp/generator_particles.hpp>
#include <fewstep/mdp/rollout.hpp>
#include <fewstep/sampler/consistency.hpp>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

using namespace fewstep;
using namespace fewstep::test;

namespace {

constexpr index_t samples = 6, dimension = 5;
constexpr int horizon = 4;
constexpr std::uint64_t seed = 23;
const std::vector<index_t> ancestors{4, 4, 0, 1, 5, 4};
const std::vector<std::int32_t> contexts{0, 1, 2, 0, 1, 2};

template <class Backend>
mlp_generator<Backend> network(Backend& backend) {
  return {backend, {.network = {.dimension = dimension, .classes = 3, .hidden = {16}}, .seed = 1}};
}

/// The samples of an open rollout whose states are exchanged before step `changed`.
template <class Backend>
std::vector<float> opened(Backend& backend, int changed) {
  auto model = network(backend);
  auto workspace = model.make_workspace(backend, samples);
  trajectory<Backend, std::int32_t> path(backend, consistency_sampler{}.table(model.preconditioner(), horizon), samples,
                                         dimension);
  tensor<float, 2, Backend> o(backend, {samples, dimension}), clean(backend, {samples, dimension});
  mirrored<rollout_noise, Backend> noise(backend, 1, {seed, 0});
  noise.upload(backend);
  for (index_t r = 0; r < samples; ++r) path.set_context(r, contexts[static_cast<std::size_t>(r)]);
  open_rollout run(backend, model, workspace, path, o.view(), std::as_const(noise).device(), reduction::mean, 0,
                   samples);
  run.start();
  for (int k = 0; k < changed; ++k) {
    run.clean(clean.view());
    run.step();
  }
  if (changed < 0) {
    while (run.at() < horizon) run.step();
    run.finish();
    const auto all = to_host(backend, path.result().data, samples * dimension);
    rollout(backend, model, workspace, path, o.view(), std::as_const(noise).device(), reduction::mean, 0, samples);
    CHECK(same_bits(to_host(backend, path.result().data, samples * dimension), all));
    return all;
  }
  const auto before = to_host(backend, path.state(changed).data, samples * dimension);
  auto after = before;
  for (std::size_t i = 0; i < ancestors.size(); ++i) {
    std::copy_n(before.begin() + ancestors[i] * dimension, dimension,
                after.begin() + static_cast<index_t>(i) * dimension);
    path.set_context(static_cast<index_t>(i), contexts[static_cast<std::size_t>(ancestors[i])]);
  }
  backend.copy_to_device(after.data(), path.state(changed).data, samples * dimension);
  path.upload_contexts(backend);
  run.start(changed);
  while (run.at() < horizon) run.step();
  run.finish();
  return to_host(backend, path.result().data, samples * dimension);
}

template <class Backend>
std::vector<float> gathered(Backend& backend, int resampled) {
  static_assert(particle_process<generator_particles<Backend, mlp_generator<Backend>>, Backend>);
  auto model = network(backend);
  generator_particles particles(backend, model, consistency_sampler{}.table(model.preconditioner(), horizon), contexts);
  tensor<float, 2, Backend> out(backend, {samples, dimension});
  particles.start(backend, seed);
  for (int k = 0; k < horizon; ++k) {
    particles.clean(backend, k, out.view());
    if (k == resampled) particles.gather(backend, ancestors);
    particles.step(backend, k);
  }
  particles.clean(backend, horizon, out.view());
  return to_host(backend, out.data(), samples * dimension);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("an open rollout and particles on a device are those of the CPU", "[cuda]", devices) {
  for (const int at : {-1, 0, 2, 3}) {
    CAPTURE(at);
    cpu_backend cpu({.threads = 1});
    const auto expected = opened(cpu, at);
    in_every_order<TestType>([&](TestType& backend) {
      const auto made = opened(backend, at);
      CHECK(largest_difference(made, expected) < 1e-5);
      CHECK(same_bits(gathered(backend, at), made));
      return made;
    });
  }
}
