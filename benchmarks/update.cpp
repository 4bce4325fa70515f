// SPDX-License-Identifier: Apache-2.0
#include "machine.hpp"

#include <fewstep/fewstep.hpp>

#include <numeric>

namespace {

using namespace fewstep;

using unet_model = text_unet<cpu_backend>;

unet_model make_model(cpu_backend& backend) {
  std::vector<std::string> words;
  for (int i = 0; i < 494; ++i) words.push_back(message("word", i));
  return unet_model(backend, vocabulary(std::move(words)),
                    {.network = {},
                     .preconditioner = {.sigma_data = 0.5f, .sigma_min = 0.01f, .sigma_max = 40.0f},
                     .lora = {},
                     .seed = 1});
}

/// Multiply-adds of the default U-Net's convolutions for one picture forward, two operations each.
constexpr double forward_operations = 195e6;

struct unet_batch {
  explicit unet_batch(const benchmark::State& state)
      : backend({.threads = static_cast<int>(state.range(1))}),
        model(make_model(backend)),
        rows(state.range(0)),
        workspace(model.make_workspace(backend, rows)),
        x(backend, {rows, model.sample_size()}),
        o(backend, {rows, model.sample_size()}),
        times(static_cast<std::size_t>(rows), 2.0f),
        texts(times.size(), token_list{{1, 2, 3}}) {
    for (index_t r = 0; r < rows; ++r)
      fill_normal({1, stream::evaluation}, static_cast<std::uint64_t>(r), 0, x.view().row(r), model.sample_size());
  }
  [[nodiscard]] batch<token_list> seen() const {
    return {x.view(), as_vec(std::span<const float>(times)), as_vec(std::span<const token_list>(texts))};
  }

  cpu_backend backend;
  unet_model model;
  index_t rows;
  unet_model::workspace_type workspace;
  cpu_tensor<float, 2> x, o;
  std::vector<float> times;
  std::vector<token_list> texts;
};

void unet_forward(benchmark::State& state) {
  unet_batch b(state);
  for (auto _ : state) b.model.forward(b.backend, b.seen(), b.o.view(), b.workspace);
  machine::report_operations(state, b.backend, forward_operations * static_cast<double>(b.rows));
}

void unet_forward_backward(benchmark::State& state) {
  unet_batch b(state);
  for (auto _ : state) {
    b.model.forward(b.backend, b.seen(), b.o.view(), b.workspace);
    b.model.backward(b.backend, b.seen(), b.x.view(), b.workspace);
  }
  machine::report_operations(state, b.backend, 3.0 * forward_operations * static_cast<double>(b.rows));
}

void batches(benchmark::internal::Benchmark* b) {
  b->ArgNames({"batch", "threads"})->Args({64, 1})->Args({64, 2})->Unit(benchmark::kMillisecond)->UseRealTime();
}
BENCHMARK(unet_forward)->Apply(batches);
BENCHMARK(unet_forward_backward)->Apply(batches);

/// A whole update of RLCM: 16 prompts x 4 samples, horizon 4 with the last step masked, a reward that costs nothing.
void rlcm_update(benchmark::State& state) {
  cpu_backend backend({.threads = static_cast<int>(state.range(0))});
  unet_model model = make_model(backend);
  auto trainer = rlcm(backend, model, per_sample([](vec<const float> x, const token_list&) { return x[0]; }),
                      adam{.learning_rate = 0.0f},
                      {.horizon = 4, .prompts_per_update = 16, .samples_per_prompt = 4, .times = {40, 6, 2, 0.6f}},
                      group_advantage{.scale = group_scale::batch_std});
  const std::vector<token_list> prompts(64, token_list{{1, 2, 3}});
  for (auto _ : state) trainer.update(prompts);
  const double passes = 64.0 * (4.0 + 3.0 * 3.0);
  machine::report_operations(state, backend, forward_operations * passes);
}
BENCHMARK(rlcm_update)->ArgName("threads")->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
