// SPDX-License-Identifier: Apache-2.0
#include <fewstep/cuda.cuh>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <span>
#include <vector>

using namespace fewstep;

// y = V tanh(W x) for one row x = [two values, ln t, 1], with hand-written kernels.
constexpr int inputs = 4, width = 64, outputs = 2;

//! [kernel]
// A kernel is a function object over a block of threads; here a block evaluates one row, a thread one hidden unit. The
// same text runs on a GPU and, where there is none, in the emulation.
struct evaluate_rows {
  static constexpr int threads = width;
  batch<int> rows;
  const float* weights;  // W[inputs, width], then V[outputs, width]
  edm_consistency preconditioner;
  float* hidden;  // [rows, width] for backward, or null
  matrix<float> o;

  template <class Block>
  FEWSTEP_HD void operator()(Block& block) const {
    const index_t r = block.index();
    const int j = block.thread();
    const float t = rows.times[r], in = preconditioner(t).in;
    const float x[inputs] = {in * rows.x(r, 0), in * rows.x(r, 1), log_float(t), 1.0f};
    float sum = 0;
    for (int i = 0; i < inputs; ++i) sum = fmaf(weights[i * width + j], x[i], sum);
    const float unit = tanhf(sum);
    if (hidden != nullptr) hidden[r * width + j] = unit;
    for (int k = 0; k < outputs; ++k) {
      const float y = block.sum(weights[(inputs + k) * width + j] * unit);  // the same order for every row
      if (j == 0) o(r, k) = y;
    }
  }
};
//! [kernel]

// Adds the gradients: a thread for each hidden unit walks over the rows in order, so the sum has the same bits wherever
// the trainer cuts the batch.
struct add_gradients {
  static constexpr int threads = width;
  batch<int> rows;
  const float *weights, *hidden;
  edm_consistency preconditioner;
  matrix<const float> o_gradient;
  float* gradients;

  template <class Block>
  FEWSTEP_HD void operator()(Block& block) const {
    const int j = block.thread();
    for (index_t r = 0; r < rows.rows(); ++r) {
      const float unit = hidden[r * width + j], t = rows.times[r], in = preconditioner(t).in;
      const float x[inputs] = {in * rows.x(r, 0), in * rows.x(r, 1), log_float(t), 1.0f};
      float g = 0;
      for (int k = 0; k < outputs; ++k) {
        gradients[(inputs + k) * width + j] += o_gradient(r, k) * unit;
        g += o_gradient(r, k) * weights[(inputs + k) * width + j];
      }
      g *= 1 - unit * unit;
      for (int i = 0; i < inputs; ++i) gradients[i * width + j] += g * x[i];
    }
  }
};

//! [generator]
// The generator: nothing but host code that launches kernels on arrays of the backend.
template <class Backend>
struct own_generator {
  using context_type = int;                          // there is no condition
  using workspace_type = tensor<float, 1, Backend>;  // all that lives between forward and backward
  tensor<float, 1, Backend> weights, weight_gradients;

  explicit own_generator(Backend& backend)
      : weights(backend, {(inputs + outputs) * width}), weight_gradients(backend, {weights.size()}) {
    std::mt19937 random(1);
    std::vector<float> start(static_cast<std::size_t>(weights.size()));
    for (float& w : start) w = static_cast<float>(random()) / 4294967296.0f - 0.5f;
    backend.copy_to_device(start.data(), weights.data(), weights.size());
  }

  index_t sample_size() const { return outputs; }
  index_t row_block() const { return 1; }
  edm_consistency preconditioner() const { return {.sigma_data = 0.7f, .sigma_min = 0.01f, .sigma_max = 5}; }
  vec<float> parameters() { return weights.view(); }
  vec<float> gradients() { return weight_gradients.view(); }
  workspace_type make_workspace(Backend& backend, index_t n) const { return {backend, {n * width}}; }
  std::size_t workspace_bytes(const Backend&, index_t n) const { return sizeof(float) * std::size_t(n) * width; }

  void predict(Backend& backend, batch<int> rows, matrix<float> o, workspace_type&) {
    backend.executor(0).launch(rows.rows(), evaluate_rows{rows, weights.data(), preconditioner(), nullptr, o});
  }
  void forward(Backend& backend, batch<int> rows, matrix<float> o, workspace_type& hidden) {
    backend.executor(0).launch(rows.rows(), evaluate_rows{rows, weights.data(), preconditioner(), hidden.data(), o});
  }
  void backward(Backend& backend, batch<int> rows, matrix<const float> o_gradient, workspace_type& hidden) {
    backend.executor(0).launch(
        1, add_gradients{rows, weights.data(), hidden.data(), preconditioner(), o_gradient, weight_gradients.data()});
  }
};
//! [generator]

template <class Backend>
void run() {
  Backend backend;
  own_generator<Backend> generator(backend);
  const std::vector<int> contexts{0};
  check_generator(backend, generator, contexts);  // throws a sentence if a promise is broken

  // A consistency model of the unit circle. Examples are made by the host.
  auto circle = [](std::int64_t step, matrix<float> x, std::span<int>) {
    for (index_t i = 0; i < x.rows(); ++i) {
      const float angle = 6.2831853f * random_stream{7, stream::data}.uniform(std::uint64_t(step * x.rows() + i));
      x(i, 0) = std::cos(angle), x(i, 1) = std::sin(angle);
    }
  };
  consistency_training training(backend, generator, adam{.learning_rate = 3e-3f}, {.steps = 400, .batch = 32});
  while (!training.finished()) training.step(circle);

  // RLCM moves all of it to the right. The reward is the host's: samples come to it through pinned memory.
  auto nearness = per_sample([](vec<const float> x, int) { return -std::hypot(x[0] - 1, x[1]); });
  auto trainer = rlcm(backend, generator, nearness, adam{.learning_rate = 2e-3f},
                      {.horizon = 4, .batch = {.prompts = 4, .samples_per_prompt = 15}});
  for (const auto& update : trainer.run(contexts, 41))
    if (update.index % 20 == 0)
      std::printf("reward %.1f, importance ratio %.9f\n", update.reward_mean, update.ratio_mean);
}

// Runs on the GPU, or with the argument "emulated" on the CPU.
int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "emulated") == 0)
    run<emulated_backend>();
  else
    run<cuda_backend>();
}
