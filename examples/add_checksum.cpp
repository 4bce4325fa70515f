// SPDX-License-Identifier: Apache-2.0
// Gives safetensors files that have none, such as those from Python, a checksum: add_checksum FILE...
// Loading checks it from then on. Tensors and metadata stay as they are.
#include <fewstep/io/safetensors.hpp>

#include <cstdio>
#include <exception>

int main(int count, char** argument) try {
  if (count < 2) {
    std::fprintf(stderr, "usage: add_checksum FILE...\n");
    return 2;
  }
  for (int i = 1; i < count; ++i) {
    const auto file = fewstep::safetensors_file::load(argument[i]);
    if (!file.has_checksum()) fewstep::safetensors_writer(file).write(argument[i]);
    std::printf("%s: %s\n", argument[i], file.has_checksum() ? "has a checksum, which is right" : "has one now");
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "add_checksum: %s\n", error.what());
  return 1;
}
