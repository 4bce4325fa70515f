// SPDX-License-Identifier: Apache-2.0
// fewstep's half of greedy_swap.py: greedy swaps towards a Gaussian, of features in files.
//   fewstep_greedy_swap FOLDER N P    reads first.bin, second.bin and exemplars.bin (float32 rows); for every line on
//                                     standard input, answers the seconds of one pass, the reward and the labels
#include <fewstep/preference/greedy_swap.hpp>
#include <fewstep/set_reward/frechet_reward.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

namespace {

std::vector<float> read(const std::filesystem::path& path) {
  std::vector<float> values(std::filesystem::file_size(path) / sizeof(float));
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
  fewstep::expects(file.good(), [&] { return fewstep::message("greedy_swap: ", path, " cannot be read"); });
  return values;
}

}  // namespace

int main(int, char** argv) {
  const std::filesystem::path folder = argv[1];
  const fewstep::index_t n = std::atol(argv[2]), p = std::atol(argv[3]);
  const auto first = read(folder / "first.bin"), second = read(folder / "second.bin"),
             exemplars = read(folder / "exemplars.bin");
  const auto of = [p](const std::vector<float>& values) {
    return fewstep::matrix<const float>{values.data(), {static_cast<fewstep::index_t>(values.size()) / p, p}};
  };
  fewstep::expects(of(first).rows() == n, "greedy_swap: first.bin has another size than was said");
  const fewstep::frechet_reward reward{fewstep::feature_set(of(exemplars))};
  for (std::string line; std::getline(std::cin, line);) {
    const auto begin = std::chrono::steady_clock::now();
    const fewstep::demonstrations d = fewstep::greedy_swap(reward, of(first), of(second));
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    std::printf("%.9f %.17g %lld", seconds.count(), d.positive, static_cast<long long>(d.exchanged));
    for (const float label : d.labels) std::printf(" %d", static_cast<int>(label));
    std::printf("\n");
    std::fflush(stdout);
  }
}
