// SPDX-License-Identifier: Apache-2.0
// fewstep_gpu_peer FOLDER float32|tf32|bf16|cpu: fewstep's half of the measurements beside PyTorch on a GPU (peer.py).
//
// It first writes to FOLDER what both halves compute with (weights, tokens, noise, step tables) and what came out here
// (../pytorch_peer/workloads.hpp). Then it serves requests from standard input, one a line, each with one line of
// numbers:
//   run NAME COUNT   seconds of one of COUNT runs in a row, by the events of CUDA
//   copy NAME        seconds of a copy in a GPU's memory that touches as many bytes; 0 where that is no measure
// Networks, rollouts and scores are recorded as CUDA graphs and replayed, as the library does within an update. "cpu"
// computes everything on the CPU instead: to try the other half where there is no GPU.
#include "../pytorch_peer/workloads.hpp"
#include "timing.cuh"

#include "compiled_kernels/kernels.cuh"
#include "compiled_kernels/kernels.hpp"

#include <fewstep/backend/cpu/backend.hpp>

#include <cstdio>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace gpu {

namespace {

using namespace peer;

/// Something to time.
struct workload {
  std::function<void()> run;
  double bytes = 0;  ///< read and written; 0: not compared with a copy
};

/// Seconds of one of `count` runs in a row.
template <class Backend>
double seconds_of_runs(Backend& backend, const workload& w, long count) {
  const auto time = [&](auto& watch) {
    watch.start();
    for (long i = 0; i < count; ++i) w.run();
    return watch.seconds() / static_cast<double>(count);
  };
  if constexpr (on_host<Backend>) {
    stopwatch<Backend> watch(backend);
    return time(watch);
  } else {
    stopwatch<std::remove_reference_t<decltype(backend.device())>> watch(backend.device());
    return time(watch);
  }
}

template <class Backend>
double seconds_of_copy(Backend& backend, double bytes) {
  if constexpr (on_host<Backend>)
    return 0;
  else
    return bytes > 0 ? bytes / copy_rate(backend, bytes, launched::as_graph, 1) : 0;
}

template <class Backend>
void serve(Backend& backend, const std::map<std::string, workload>& workloads) {
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string command, name;
    long count = 0;
    words >> command >> name >> count;
    const auto found = workloads.find(name);
    expects(found != workloads.end(), [&] { return message("fewstep_gpu_peer: there is no workload '", name, "'"); });
    expects(command == "copy" || (command == "run" && count >= 1),
            [&] { return message("fewstep_gpu_peer: '", line, "' is no request"); });
    std::printf("%.9g\n", command == "copy" ? seconds_of_copy(backend, found->second.bytes)
                                            : seconds_of_runs(backend, found->second, count));
    std::fflush(stdout);
  }
}

template <class Backend>
void run_peer(Backend& backend, const fs::path& folder, const std::string& arithmetic) {
  const std::vector<token_list> texts = make_texts();
  text_unet<Backend> model = make_model(backend), trained = make_model(backend);
  const index_t dimension = model.sample_size();
  batch_rollout<Backend> four(backend, model, texts, 4), eight(backend, model, texts, 8);
  network_passes<Backend> passes(backend, model, texts, eight.table());
  score_kernel<Backend> few_scores(backend, batch_size, dimension, four.table()),
      many_scores(backend, 64 * batch_size, dimension, four.table());
  auto trainer = make_trainer(backend, trained);
  using steps = optimizer_steps<Backend, adamw>;
  steps of_network(backend, model.parameters().size());
  optimizer_steps<Backend, adam> adam_of_network(backend, model.parameters().size());
  std::map<std::string, std::shared_ptr<steps>> sizes{{"adamw_1M", std::make_shared<steps>(backend, 1'000'000)},
                                                      {"adamw_10M", std::make_shared<steps>(backend, 10'000'000)}};
  if constexpr (!on_host<Backend>) sizes["adamw_100M"] = std::make_shared<steps>(backend, 100'000'000);

  exchange<Backend> to{.backend = backend, .folder = folder};
  to.add_model("model", model, model.parameters());
  passes.write(to, texts);
  write_noise(to, dimension, 7);
  four.write(to, "rollout_4");
  eight.write(to, "rollout_8");
  few_scores.write(to);
  many_scores.prepare();
  adam_of_network.write(to, "adam", model);
  of_network.write(to, "adamw", model);
  write_update(to, trainer, trained, texts);
  to.arrays.metadata("compiler",
                     message("nvcc ", __CUDACC_VER_MAJOR__, '.', __CUDACC_VER_MINOR__, '.', __CUDACC_VER_BUILD__));
  to.arrays.metadata("arithmetic", arithmetic);
  to.arrays.write(folder / "arrays.safetensors");
  std::puts("ready");
  std::fflush(stdout);

  std::map<std::string, workload> workloads{{"forward", {[&] { passes.forward(); }}},
                                            {"forward_backward", {[&] { passes.forward_backward(); }}},
                                            {"rollout_4", {[&] { four.run(); }}},
                                            {"rollout_8", {[&] { eight.run(); }}},
                                            {"score_64", {[&] { few_scores.run(); }, few_scores.bytes()}},
                                            {"score_4096", {[&] { many_scores.run(); }, many_scores.bytes()}},
                                            {"adamw_network", {[&] { of_network.run(); }, of_network.bytes()}},
                                            {"update", {[&] { trainer.update(texts); }}}};
  for (const auto& [name, of_size] : sizes) workloads[name] = {[s = of_size] { s->run(); }, of_size->bytes()};
  serve(backend, workloads);
}

void run_on(const fs::path& folder, const std::string& name) {
  if (name == "cpu") {
    cpu_backend backend;
    return run_peer(backend, folder, name);
  }
  for (const arithmetic& a : {arithmetic{"float32", compute_type::float32}, arithmetic{"tf32", compute_type::tf32},
                              arithmetic{"bf16", compute_type::bf16}})
    if (name == a.name) {
      backend_type backend = make_backend(a);
      return run_peer(backend, folder, name);
    }
  throw std::invalid_argument(message("fewstep_gpu_peer: '", name, "' is none of float32, tf32, bf16 and cpu"));
}

}  // namespace

}  // namespace gpu

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: fewstep_gpu_peer FOLDER float32|tf32|bf16|cpu\n");
    return 2;
  }
  try {
    gpu::run_on(argv[1], argv[2]);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "%s\n", failure.what());
    return 1;
  }
}
