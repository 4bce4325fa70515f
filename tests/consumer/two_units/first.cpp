// SPDX-License-Identifier: Apache-2.0
#include "second.hpp"

#include <omp.h>

int main() {
  const places here{&fewstep::detail::crc32c_tables, &fewstep::crc32c};
  fewstep::expects(here == places_seen_by_second_unit(), "two_units: the units do not share what the library defines");

  // The number of threads belongs to a backend: two of them differ, and OpenMP's own number stays what it is.
  const int threads = omp_get_max_threads();
  fewstep::cpu_backend two({.threads = 2}), three({.threads = 3});
  fewstep::mlp_generator<fewstep::cpu_backend> generator(two, {.seed = 1}), same(three, {.seed = 1});
  const auto [before, after] = train(two, generator);
  fewstep::expects(before < after, "two_units: ten updates do not raise the reward");
  fewstep::expects(train(three, same) == std::pair(before, after), "two_units: three threads train otherwise than two");
  fewstep::expects(two.threads() == 2 && three.threads() == 3 && omp_get_max_threads() == threads,
                   "two_units: a number of threads has changed");

  const auto parameters = as_span(generator.parameters());
  fewstep::safetensors_writer writer;
  writer.add("parameters", {generator.layout().size()}, parameters);
  writer.write("parameters.safetensors");
  const auto read = fewstep::safetensors_file::load("parameters.safetensors").floats("parameters");
  fewstep::expects(std::ranges::equal(read, parameters), "two_units: the file gives back other parameters");
  fewstep::jpeg_encoder encoder;
  fewstep::expects(!encoder.encode({8, 8, std::vector<std::uint8_t>(8 * 8 * 3)}).empty(), "two_units: no JPEG");
  std::printf("reward %.3f to %.3f\n", before, after);
}
