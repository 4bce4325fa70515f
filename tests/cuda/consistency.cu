// SPDX-License-Identifier: Apache-2.0
#include "cuda/support.cuh"

#include <fewstep/cuda/consistency.cuh>

using namespace fewstep;
using namespace fewstep::test;

namespace {

constexpr index_t rows = 3, size = 301;

/// Arrays of one batch: a row whose target is the clean sample, and two whose target is an earlier prediction.
template <class Backend>
struct batch_of_examples {
  std::vector<float> times_of_host{0.7f, 2.5f, 11.0f}, earlier_of_host{0.7f, 1.0f, 4.0f};
  tensor<float, 1, Backend> clean, earlier_output, output, noised, earlier, times, earlier_times;
  tensor<double, 1, Backend> losses;
  tensor<rollout_noise, 1, Backend> noise;

  explicit batch_of_examples(Backend& backend)
      : clean(to_device(backend, normals<float>(rows * size, 1))),
        earlier_output(to_device(backend, normals<float>(rows * size, 2))),
        output(to_device(backend, normals<float>(rows * size, 3))),
        noised(backend, {rows * size}),
        earlier(backend, {rows * size}),
        times(to_device(backend, times_of_host)),
        earlier_times(to_device(backend, earlier_of_host)),
        losses(backend, {rows}),
        noise(to_device(backend, std::vector<rollout_noise>{{5, 1000}})) {}

  matrix<float> matrix_of(tensor<float, 1, Backend>& values) { return {values.data(), {rows, size}}; }

  void run(Backend& backend, bool denoises) {
    const edm_consistency p{};
    noise_examples(backend, noised_examples<edm_consistency>{matrix_of(clean), matrix_of(noised), matrix_of(earlier),
                                                             times.data(), earlier_times.data(), p, noise.data()});
    apply_loss(backend, consistency_loss<edm_consistency>{matrix_of(clean), matrix_of(noised), matrix_of(earlier),
                                                          matrix_of(earlier_output), matrix_of(output), times.data(),
                                                          earlier_times.data(), losses.data(), p, 0.03, 0.5, denoises});
  }
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("consistency training's noise and loss are those of the CPU", "[cuda]", devices) {
  for (const bool denoises : {false, true}) {
    cpu_backend cpu({.threads = 1});
    batch_of_examples<cpu_backend> expected(cpu);
    expected.run(cpu, denoises);
    in_every_order<TestType>([&](TestType& backend) {
      batch_of_examples<TestType> b(backend);
      b.run(backend, denoises);
      const auto gradient = to_host(backend, b.output);
      CHECK(relative_error(to_host(backend, b.noised), to_host(cpu, expected.noised)) < 1e-6);
      CHECK(relative_error(to_host(backend, b.earlier), to_host(cpu, expected.earlier)) < 1e-6);
      CHECK(relative_error(to_host(backend, b.losses), to_host(cpu, expected.losses)) < 1e-6);
      CHECK(relative_error(gradient, to_host(cpu, expected.output)) < 1e-5);
      return gradient;
    });
  }
}
