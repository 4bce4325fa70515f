// SPDX-License-Identifier: Apache-2.0
// Decoders whose arrays lie on a device.
#include "cuda/support.cuh"

#include <fewstep/advantage/batch.hpp>
#include <fewstep/algorithm/policy_gradient.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/cuda.cuh>
#include <fewstep/decoder/decoder.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/objective/reinforce.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/reward/per_sample.hpp>
#include <fewstep/sampler/consistency.hpp>

#include <cstdint>
#include <vector>

using namespace fewstep;
using namespace fewstep::test;

namespace {

struct sum_of_values {
  template <class Context>
  float operator()(vec<const float> x, const Context&) const {
    float sum = 0;
    for (const float value : x) sum += value;
    return sum;
  }
};

/// Twice the sample.
struct doubled {
  [[nodiscard]] index_t decoded_size(index_t sample_size) const { return sample_size; }
  template <class Backend>
  void operator()(Backend& backend, matrix<const float> samples, matrix<float> decoded) const {
    backend.copy(samples.data, decoded.data, samples.size());
    backend.for_each(samples.size(), detail::add_into<float>{samples.data, decoded.data});
  }
};

using contexts_type = context_rows<std::int32_t>;

/// y = x + what the row was made for.
struct add_context {
  matrix<const float> x;
  contexts_type contexts;
  matrix<float> y;
  FEWSTEP_HD void operator()(index_t i) const { y.data[i] = x.data[i] + static_cast<float>(contexts[i / x.cols()]); }
};
struct shifted {
  [[nodiscard]] index_t decoded_size(index_t sample_size) const { return sample_size; }
  [[nodiscard]] index_t rows_at_once() const { return 4; }
  template <class Backend>
  void operator()(Backend& backend, matrix<const float> samples, contexts_type contexts, matrix<float> decoded) const {
    backend.for_each(samples.size(), add_context{samples, contexts, decoded});
  }
};

template <class Backend, class Decoder>
using trainer_of = policy_gradient<
    Backend, mlp_generator<Backend>,
    policy_gradient_parts<per_sample<sum_of_values>, sgd, reinforce, batch_advantage, consistency_sampler, Decoder>>;

/// What the reward sees in two updates, and the parameters after them.
template <class Decoder, class Backend>
std::vector<float> run(Backend& backend, Decoder decoder) {
  mlp_generator<Backend> model(backend, {.network = {.dimension = 4, .classes = 3, .hidden = {8}}, .seed = 3});
  trainer_of<Backend, Decoder> trainer(
      backend, model,
      {.reward = per_sample(sum_of_values{}), .optimizer = sgd{.learning_rate = 1e-2f}, .decoder = decoder},
      {.horizon = 3, .batch = {.prompts = 3, .samples_per_prompt = 5}, .training = {.seed = 2}});
  std::vector<float> seen;
  for (int k = 0; k < 2; ++k) {
    (void)trainer.update({0, 1, 2});
    seen.insert(seen.end(), trainer.samples().begin(), trainer.samples().end());
    seen.insert(seen.end(), trainer.rewards().begin(), trainer.rewards().end());
  }
  std::vector<float> parameters(static_cast<std::size_t>(model.parameters().size()));
  backend.copy_to_host(model.parameters().data, parameters.data(), model.parameters().size());
  seen.insert(seen.end(), parameters.begin(), parameters.end());
  return seen;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("identity_decoder hands on samples and gradients within a device", "[cuda]", devices) {
  TestType backend;
  const auto samples = to_device(backend, std::vector<float>{1, 2, 3, 4, 5, 6});
  tensor<float, 2, TestType> decoded(backend, {2, 3}), gradient(backend, {2, 3});
  const identity_decoder decoder;
  decoder(backend, {samples.data(), {2, 3}}, decoded.view());
  CHECK(to_host(backend, decoded.view().data, 6) == std::vector<float>{1, 2, 3, 4, 5, 6});
  decoder.backward(backend, {samples.data(), {2, 3}}, decoded.view(), gradient.view());
  CHECK(to_host(backend, gradient.view().data, 6) == std::vector<float>{1, 2, 3, 4, 5, 6});
}

TEMPLATE_LIST_TEST_CASE("a trainer decodes on a device as on the CPU", "[cuda]", devices) {
  cpu_backend cpu({.threads = 1});
  TestType backend;
  CHECK(relative_error(run(backend, doubled{}), run(cpu, doubled{})) < 1e-5);
  CHECK(relative_error(run(backend, shifted{}), run(cpu, shifted{})) < 1e-5);
}
