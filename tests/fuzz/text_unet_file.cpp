// SPDX-License-Identifier: Apache-2.0
// A text_unet's file, with and without adapters, as both kinds of preconditioning.
#include "fuzz.hpp"
#include "safetensors_mutator.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/model_file/text_unet_file.hpp>

#include <cmath>
#include <cstdlib>

FEWSTEP_FUZZ(bytes) {
  const fewstep::safetensors_file file({bytes.begin(), bytes.end()}, "input");
  fewstep::cpu_backend backend({.threads = 1});
  {
    auto model = fewstep::load_consistency_model(backend, file);
    const auto process = model.preconditioner();
    if (!(process.sigma_data > 0) || !(process.sigma_max > process.sigma_min)) std::abort();
    for (const float value : model.base_parameters())
      if (!std::isfinite(value)) std::abort();
    (void)model.words().encode("red cat");
  }
  (void)fewstep::load_text_unet<fewstep::variance_preserving<fewstep::edm_denoiser>>(
      backend, file, {.lora = fewstep::lora_options{.rank = 1}});
}
