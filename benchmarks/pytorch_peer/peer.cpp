// SPDX-License-Identifier: Apache-2.0
// fewstep_peer FOLDER THREADS: fewstep's half of the measurements beside PyTorch (peer.py).
//
// It first writes to FOLDER what both halves compute with (weights, tokens, noise, step tables) and what came out here.
// Then it serves requests from standard input, one a line, each with one line of numbers:
//   run NAME COUNT   seconds of each of COUNT runs of a workload
//   copy NAME        seconds of a copy that touches as many bytes; 0 where that is no measure
#include "preference_workloads.hpp"
#include "workloads.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/testing/benchmark_run.hpp>

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <functional>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#ifndef FEWSTEP_PEER_FLAGS
#define FEWSTEP_PEER_FLAGS "flags unknown"
#endif

#ifdef __clang__
#define FEWSTEP_PEER_COMPILER __VERSION__
#else
#define FEWSTEP_PEER_COMPILER "g++ " __VERSION__
#endif

namespace {

using namespace peer;

/// A small perceptron that predicts one sample, as in a control loop.
class single_prediction {
 public:
  explicit single_prediction(cpu_backend& backend)
      : backend_(backend),
        model_(backend, {.network = {}, .preconditioner = {}, .seed = 2}),
        workspace_(model_.make_workspace(backend, 1)),
        x_(backend, {1, model_.sample_size()}),
        o_(backend, {1, model_.sample_size()}) {
    const auto x = inputs(7, 1, model_.sample_size());
    backend.copy_to_device(x.data(), x_.data(), x_.size());
  }

  void run() {
    model_.predict(backend_, {x_.view(), vec<const float>{&time_, {1}}, vec<const std::int32_t>{&context_, {1}}},
                   o_.view(), workspace_);
  }

  void write(exchange<cpu_backend>& to) {
    run();
    std::vector<float> in_file;
    for (const auto& slice : model_.layout().slices()) {
      in_file.resize(static_cast<std::size_t>(slice.size()));
      convert_layout(slice, model_.parameters().data + slice.offset, in_file.data(), true);
      to.arrays.add(slice.name, file_extents(slice), in_file);
    }
    to.add("mlp.frequencies", mlp_network<float>::options_type{}.frequencies);
    to.add("mlp.in", static_cast<double>(model_.preconditioner()(time_).in));
    to.add("mlp.time", static_cast<double>(time_));
    to.add_rows("mlp.x", x_.view());
    to.add_rows("mlp.o", o_.view());
  }

 private:
  cpu_backend& backend_;
  mlp_generator<cpu_backend> model_;
  mlp_generator<cpu_backend>::workspace_type workspace_;
  cpu_tensor<float, 2> x_, o_;
  float time_ = 1.5f;
  std::int32_t context_ = 0;
};

/// Something to time.
struct workload {
  std::function<void()> run;
  double bytes = 0;                       ///< read and written; 0: not compared with a copy
  std::function<void()> prepare = [] {};  ///< before each run, not timed
};
using workload_map = std::map<std::string, workload>;

double seconds_of(const workload& w) {
  w.prepare();
  const auto begin = std::chrono::steady_clock::now();
  w.run();
  benchmark::ClobberMemory();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void serve(cpu_backend& backend, const workload_map& workloads) {
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string command, name;
    long count = 0;
    words >> command >> name >> count;
    const auto found = workloads.find(name);
    expects(found != workloads.end(), [&] { return message("fewstep_peer: there is no workload '", name, "'"); });
    const workload& w = found->second;
    if (command == "copy") {
      std::printf("%.9g\n", w.bytes > 0 ? w.bytes / copy_bandwidth(backend, static_cast<std::size_t>(w.bytes)) : 0.0);
    } else {
      expects(command == "run" && count >= 1, [&] { return message("fewstep_peer: '", line, "' is no request"); });
      for (long i = 0; i < count; ++i) std::printf("%.9g ", seconds_of(w));
      std::printf("\n");
    }
    std::fflush(stdout);
  }
}

void run_peer(const fs::path& folder, int threads) {
  cpu_backend backend({.threads = threads});
  const std::vector<token_list> texts = make_texts();
  text_unet<cpu_backend> model = make_model(backend), trained = make_model(backend);
  const index_t parameters = model.parameters().size(), dimension = model.sample_size();

  batch_rollout<cpu_backend> four(backend, model, texts, 4), eight(backend, model, texts, 8);
  network_passes<cpu_backend> passes(backend, model, texts, eight.table());
  score_kernel<cpu_backend> few_scores(backend, batch_size, dimension, four.table()),
      many_scores(backend, 64 * batch_size, dimension, four.table());
  optimizer_steps<cpu_backend, adam> adam_small(backend, 1'000'000), adam_large(backend, 10'000'000),
      adam_network(backend, parameters);
  optimizer_steps<cpu_backend, adamw> adamw_small(backend, 1'000'000), adamw_large(backend, 10'000'000),
      adamw_network(backend, parameters);
  auto trainer = make_trainer(backend, trained);
  text_unet<cpu_backend> reference = make_reference(backend), by_pairs = make_model(backend),
                         by_trajectories = make_model(backend);
  auto denoising = make_diffusion_dpo(backend, by_pairs, reference);
  auto comparing = make_d3po(backend, by_trajectories, reference);
  single_prediction prediction(backend);

  exchange<cpu_backend> to{.backend = backend, .folder = folder};
  to.add_model("model", model, model.parameters());
  passes.write(to, texts);
  write_noise(to, dimension, 7);
  four.write(to, "rollout_4");
  eight.write(to, "rollout_8");
  few_scores.write(to);
  adam_network.write(to, "adam", model);
  adamw_network.write(to, "adamw", model);
  write_update(to, trainer, trained, texts);
  to.add_model("reference", reference, reference.parameters());
  write_preference_update(to, "diffusion_dpo", denoising, by_pairs, denoising.update());
  write_preference_update(to, "d3po", comparing, by_trajectories, comparing.update(texts));
  prediction.write(to);
  to.arrays.metadata("compiler", FEWSTEP_PEER_COMPILER);
  to.arrays.metadata("flags", FEWSTEP_PEER_FLAGS);
  to.arrays.write(folder / "arrays.safetensors");
  std::puts("ready");
  std::fflush(stdout);

  const auto scored = [](score_kernel<cpu_backend>& kernel) {
    return workload{[&] { kernel.run(); }, kernel.bytes(), [&] { kernel.prepare(); }};
  };
  const auto stepped = [](auto& steps) { return workload{[&] { steps.run(); }, steps.bytes()}; };
  serve(backend, {{"forward", {[&] { passes.forward(); }}},
                  {"forward_backward", {[&] { passes.forward_backward(); }}},
                  {"rollout_4", {[&] { four.run(); }}},
                  {"rollout_8", {[&] { eight.run(); }}},
                  {"score_64", scored(few_scores)},
                  {"score_4096", scored(many_scores)},
                  {"adam_1M", stepped(adam_small)},
                  {"adam_10M", stepped(adam_large)},
                  {"adam_network", stepped(adam_network)},
                  {"adamw_1M", stepped(adamw_small)},
                  {"adamw_10M", stepped(adamw_large)},
                  {"adamw_network", stepped(adamw_network)},
                  {"update", {[&] { trainer.update(texts); }}},
                  {"diffusion_dpo", {[&] { denoising.update(); }}},
                  {"d3po", {[&] { comparing.update(texts); }}},
                  {"mlp", {[&] { prediction.run(); }}}});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: fewstep_peer FOLDER THREADS\n");
    return 2;
  }
  try {
    run_peer(argv[1], std::stoi(argv[2]));
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "%s\n", failure.what());
    return 1;
  }
}
