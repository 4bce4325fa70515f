// SPDX-License-Identifier: Apache-2.0
// A safetensors file: header, tensors, metadata.
#include "fuzz.hpp"
#include "safetensors_mutator.hpp"

#include <fewstep/io/safetensors.hpp>

FEWSTEP_FUZZ(bytes) {
  const fewstep::safetensors_file file({bytes.begin(), bytes.end()}, "input");
  for (const auto& name : file.names()) {
    (void)file.shape(name);
    try {
      (void)file.floats(name);
    } catch (const std::exception&) {
      (void)file.bytes(name);
    }
  }
}
