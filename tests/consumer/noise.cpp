// SPDX-License-Identifier: Apache-2.0
// Adds up random numbers, once on the backend's threads and once by Eigen.
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/eigen.hpp>

#include <cmath>
#include <cstdio>

int main() {
  fewstep::cpu_backend backend;
  fewstep::cpu_tensor<float, 1> noise(backend, {100000});
  fewstep::fill_normal({.seed = 1, .purpose = fewstep::stream::user}, 0, 0, noise.data(), noise.size());

  const fewstep::vec<const float> z = noise.view();
  const double sum = backend.sum(z.size(), [z](fewstep::index_t i) { return static_cast<double>(z[i]); });
  const double expected = fewstep::as_eigen(z).cast<double>().sum();
  std::printf("sum %.6f\n", sum);
  fewstep::expects(std::abs(sum - expected) < 1e-8, "noise: the backend and Eigen come to different sums");
}
