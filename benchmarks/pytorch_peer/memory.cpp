// SPDX-License-Identifier: Apache-2.0
// fewstep_peer_memory FOLDER THREADS PAIRS BUDGET: fewstep's half of memory.py. Five updates of Diffusion-DPO on the
// adapters of the default U-Net, whose own network with the adapters off is the reference, within a memory budget of so
// many MB. Prints as JSON how much memory they had in use at the peak above what the program held before there was a
// model, what was planned, the rows of a micro-batch, the losses and the seconds of the fastest update; and leaves the
// model in FOLDER for the other half.
#include "../scaling/resident_memory.hpp"
#include "preference_workloads.hpp"

#include <fewstep/backend/cpu/backend.hpp>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>

namespace {

using namespace peer;

void measure(const fs::path& folder, int threads, index_t pairs, std::size_t budget) {
  cpu_backend backend({.threads = threads});
  {
    text_unet<cpu_backend> base = make_model(backend);
    save_consistency_model(backend, folder / "base.safetensors", base, base.parameters());
    auto adapted = load_consistency_model(backend, folder / "base.safetensors", {.lora = lora_options{}});
    save_consistency_model(backend, folder / "adapted.safetensors", adapted, adapted.parameters());
  }
  const resident_memory memory;
  auto model = load_consistency_model(backend, folder / "adapted.safetensors");
  auto base = model.base();
  auto trainer = make_diffusion_dpo(backend, model, base, pairs, budget);
  std::string losses;
  double seconds = 1e9;
  for (int i = 0; i < 5; ++i) {
    const preference_report report = trainer.update();
    losses += message(i == 0 ? "" : ", ", report.loss);
    seconds = std::min(seconds, report.sampling_seconds + report.training_seconds);
  }
  std::printf(R"({"peak": %zu, "planned": %zu, "rows": %ld, "losses": [%s], "seconds": %.4f})"
              "\n",
              memory.peak(), trainer.memory().total(), static_cast<long>(trainer.memory().rows), losses.c_str(),
              seconds);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: fewstep_peer_memory FOLDER THREADS PAIRS BUDGET\n");
    return 2;
  }
  try {
    measure(argv[1], std::stoi(argv[2]), std::stol(argv[3]), std::stoul(argv[4]) * 1'000'000);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "%s\n", failure.what());
    return 1;
  }
}
