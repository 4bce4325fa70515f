// SPDX-License-Identifier: Apache-2.0
// fewstep_peer_memory FOLDER THREADS PAIRS: fewstep's half of memory.py. Three updates of Diffusion-DPO on the adapters
// of the default U-Net, whose own network with the adapters off is the reference. Prints as JSON how much memory they
// had in use at the peak above what the program held before there was a model, what was planned, and the losses; and
// leaves the model in FOLDER for the other half.
#include "../scaling/resident_memory.hpp"
#include "preference_workloads.hpp"

#include <fewstep/backend/cpu/backend.hpp>

#include <cstdio>
#include <exception>
#include <string>

namespace {

using namespace peer;

void measure(const fs::path& folder, int threads, index_t pairs) {
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
  auto trainer = make_diffusion_dpo(backend, model, base, pairs);
  std::string losses;
  for (int i = 0; i < 3; ++i) losses += message(i == 0 ? "" : ", ", trainer.update().loss);
  std::printf(R"({"peak": %zu, "planned": %zu, "rows": %ld, "losses": [%s]})"
              "\n",
              memory.peak(), trainer.memory().total(), static_cast<long>(trainer.memory().rows), losses.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: fewstep_peer_memory FOLDER THREADS PAIRS\n");
    return 2;
  }
  try {
    measure(argv[1], std::stoi(argv[2]), std::stol(argv[3]));
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "%s\n", failure.what());
    return 1;
  }
}
