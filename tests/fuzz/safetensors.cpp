// SPDX-License-Identifier: Apache-2.0
// A safetensors file: header, metadata, tensors of every type.
#include "fuzz.hpp"
#include "safetensors_mutator.hpp"

#include <fewstep/io/safetensors.hpp>

#include <string>
#include <vector>

namespace {

template <class T>
void read(const fewstep::safetensors_file& file, const std::string& name) {
  try {
    std::vector<T> values(file.size(name));
    file.read(name, std::span<T>(values));
  } catch (const std::exception&) {
  }
}

}  // namespace

FEWSTEP_FUZZ(bytes) {
  const fewstep::safetensors_file file({bytes.begin(), bytes.end()}, "input");
  for (const auto& name : file.names()) {
    (void)file.bytes(name);
    (void)file.shape(name);
    try {
      (void)file.floats(name);
    } catch (const std::exception&) {
      read<double>(file, name);
      read<std::int16_t>(file, name);
      read<std::uint64_t>(file, name);
      bool flag = false;
      try {
        file.read(name, std::span(&flag, 1));
      } catch (const std::exception&) {
      }
    }
  }
}
