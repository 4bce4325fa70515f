// SPDX-License-Identifier: Apache-2.0
// The default U-Net, and what reinforcement learning does with it.
//   unet/predict, unet/forward      a batch through the network, without and with what backward needs
//   unet/forward_backward           and back to all parameters
//   rollout/*                       trajectories of 64 pictures with their log-probabilities
//   rlcm_update/*                   a whole update: rollout, a reward on the host, replay, gradient, Adam
// Each as a CUDA graph and as single launches (`launches` counts them), in every compute type. Of an update, "graph"
// says that the library records its parts and replays them, as it does by default. Operations are those of the
// convolutions, 195 M for a picture forward and twice as many back; of_peak compares with cuBLASLt's rate of a large
// product in the same compute type.
#include "../default_unet.hpp"
#include "timing.cuh"

#include "compiled_kernels/kernels.cuh"
#include "compiled_kernels/kernels.hpp"

#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/backend/mirror.hpp>
#include <fewstep/mdp/rollout.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/reward/per_sample.hpp>
#include <fewstep/sampler/consistency.hpp>

namespace gpu {

namespace {

constexpr double operations_of_picture = 195e6;

template <class Backend>
text_unet<Backend> make_model(Backend& backend) {
  unet_options tiny;
  tiny.height = tiny.width = 8;
  tiny.widths = {8, 24};
  tiny.encoder_blocks = tiny.decoder_blocks = tiny.middle_blocks = 1;
  tiny.condition = 12;
  return default_unet(backend, emulated ? tiny : unet_options{});
}

[[nodiscard]] token_list some_words() { return {{1, 2, 3}}; }

/// Calls of work(), which only enqueues.
template <class Backend, class Work>
void run_network(benchmark::State& state, Backend& backend, const arithmetic& a, launched how, double pictures,
                 double passes, const Work& work_of_call) {
  work_of_call();
  state.counters["launches"] = launches_of(backend, work_of_call);
  run(state, backend,
      {.items = pictures, .operations = pictures * passes * operations_of_picture, .peak = matrix_rate(a.compute)}, how,
      1, [&](index_t) { work_of_call(); });
}

enum class direction { predict, forward, forward_backward };

template <class Backend>
void network(benchmark::State& state, const arithmetic& a, launched how, direction way) {
  Backend backend = make_backend(a);
  auto model = make_model(backend);
  const index_t n = state.range(0), d = model.sample_size();
  auto workspace = model.make_workspace(backend, way == direction::predict ? 0 : n);
  const tensor<float, 1, Backend> x = filled(backend, n * d), probe = filled(backend, n * d);
  tensor<float, 2, Backend> o(backend, {n, d});
  mirrored<float, Backend> times(backend, n, 1.0f);
  mirrored<token_list, Backend> contexts(backend, n, some_words());
  times.upload(backend);
  contexts.upload(backend);
  const batch<token_list> rows{{x.data(), {n, d}}, times.view(), contexts.view()};
  run_network(state, backend, a, how, static_cast<double>(n), way == direction::forward_backward ? 3 : 1, [&] {
    if (way == direction::predict) return model.predict(backend, rows, o.view(), workspace);
    model.forward(backend, rows, o.view(), workspace);
    if (way == direction::forward_backward)
      model.backward(backend, rows, matrix<const float>{probe.data(), {n, d}}, workspace);
  });
}

template <class Backend>
void sample_batch(benchmark::State& state, const arithmetic& a, launched how) {
  Backend backend = make_backend(a);
  auto model = make_model(backend);
  const index_t n = state.range(0), d = model.sample_size();
  const int horizon = static_cast<int>(state.range(1));
  auto workspace = model.make_workspace(backend, 0);
  trajectory<Backend, token_list> path(backend, consistency_sampler{}.table(model.preconditioner(), horizon), n, d);
  for (index_t r = 0; r < n; ++r) path.set_context(r, some_words());
  tensor<float, 2, Backend> o(backend, {n, d});
  mirrored<rollout_noise, Backend> noise(backend, 1, {1, 0});
  noise.upload(backend);
  run_network(state, backend, a, how, static_cast<double>(n), horizon, [&] {
    rollout(backend, model, workspace, path, o.view(), std::as_const(noise).device(), reduction::mean, 0, n);
  });
}

/// Adam at a rate of 0, so that every update has the same to do.
template <class Backend>
void update(benchmark::State& state, const arithmetic& a, launched how) {
  Backend backend = make_backend(a, how == launched::as_graph);
  auto model = make_model(backend);
  const auto samples = static_cast<double>(state.range(0));
  auto trainer = rlcm(backend, model, per_sample([](vec<const float> x, const token_list&) { return x[0]; }),
                      adam{.learning_rate = 0.0f},
                      {.horizon = static_cast<int>(state.range(1)),
                       .batch = {.prompts = static_cast<int>(state.range(0)), .samples_per_prompt = 1}});
  const std::vector<token_list> contexts{some_words()};
  for (int k = 0; k < 2; ++k) trainer.update(contexts);  // taken its memory, and recorded
  const double passes = trainer.table().horizon() + 3.0 * trainer.table().trained;
  run(state, backend,
      {.items = samples, .operations = samples * passes * operations_of_picture, .peak = matrix_rate(a.compute)},
      launched::singly, 1, [&](index_t) { trainer.update(contexts); });
}

[[maybe_unused]] const bool registered = [] {
  using state_type = benchmark::State;
  for (const arithmetic& a : arithmetics())
    for (const launched how : {launched::as_graph, launched::singly}) {
      const std::string way = message('/', a.name, '/', name_of(how));
      for (const auto& [name, of] : {std::pair("predict", direction::predict), std::pair("forward", direction::forward),
                                     std::pair("forward_backward", direction::forward_backward)})
        add(message("unet/", name, way), {"batch"}, {{64}, {192}}, {2},
            [a, how, of = of](state_type& state) { network<backend_type>(state, a, how, of); });
      add("rollout" + way, {"batch", "horizon"}, {{64, 4}, {64, 8}}, {2, 2},
          [a, how](state_type& state) { sample_batch<backend_type>(state, a, how); });
      add("rlcm_update" + way, {"batch", "horizon"}, {{64, 4}, {64, 8}}, {2, 2},
          [a, how](state_type& state) { update<backend_type>(state, a, how); });
    }
  return true;
}();

}  // namespace

}  // namespace gpu
