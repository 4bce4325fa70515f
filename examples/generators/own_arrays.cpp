// SPDX-License-Identifier: Apache-2.0
#include <fewstep/fewstep.hpp>
#include <fewstep/testing/check_generator.hpp>

#include <array>
#include <cmath>
#include <cstdio>
#include <random>
#include <span>
#include <vector>

// A network as you may already have one, with arrays of its own, a hand-written backward and no fewstep inside:
// y = V tanh(W x) for one row x = [two values, ln t, 1].
struct perceptron {
  static constexpr std::size_t inputs = 4, width = 64, outputs = 2;
  struct row {  // what backward needs of a row
    std::array<float, inputs> x;
    std::array<float, width> hidden;
  };
  std::vector<float> weights, gradients;  // W[inputs, width], then V[outputs, width]

  perceptron() : weights((inputs + outputs) * width), gradients(weights.size()) {
    std::mt19937 random(1);
    for (float& w : weights) w = static_cast<float>(random()) / 4294967296.0f - 0.5f;
  }

  // Not inlined: copies of one expression may be rounded differently (where a compiler fuses a product and a sum), and
  // a row is to get the same bits wherever it is evaluated.
  [[gnu::noinline]] void forward(row& r, float* y) const {
    for (std::size_t j = 0; j < width; ++j) {
      float sum = 0;
      for (std::size_t i = 0; i < inputs; ++i) sum += weights[i * width + j] * r.x[i];
      r.hidden[j] = std::tanh(sum);
    }
    for (std::size_t k = 0; k < outputs; ++k) {
      y[k] = 0;
      for (std::size_t j = 0; j < width; ++j) y[k] += weights[(inputs + k) * width + j] * r.hidden[j];
    }
  }

  // Adds the gradients of one row.
  void backward(const row& r, const float* gy) {
    for (std::size_t j = 0; j < width; ++j) {
      float g = 0;
      for (std::size_t k = 0; k < outputs; ++k) {
        gradients[(inputs + k) * width + j] += gy[k] * r.hidden[j];
        g += gy[k] * weights[(inputs + k) * width + j];
      }
      g *= 1 - r.hidden[j] * r.hidden[j];
      for (std::size_t i = 0; i < inputs; ++i) gradients[i * width + j] += g * r.x[i];
    }
  }
};

using namespace fewstep;

// The network as fewstep sees it. Rows are evaluated one by one, so none can change the bits of another and threads may
// share them out. Gradients are summed up row after row: wherever the trainer cuts a batch, the sum has the same order,
// so row_block is 1. (Partial sums of 32 rows each could be left to several threads; cuts are then multiples of 32.)
struct own_generator {
  using context_type = int;                             // there is no condition
  using workspace_type = std::vector<perceptron::row>;  // all that lives between forward and backward
  perceptron network;

  index_t sample_size() const { return perceptron::outputs; }
  index_t row_block() const { return 1; }
  edm_consistency preconditioner() const { return {.sigma_data = 0.7f, .sigma_min = 0.01f, .sigma_max = 5}; }
  vec<float> parameters() { return as_vec(std::span(network.weights)); }
  vec<float> gradients() { return as_vec(std::span(network.gradients)); }
  workspace_type make_workspace(cpu_backend&, index_t n) const { return workspace_type(std::size_t(n)); }
  std::size_t workspace_bytes(const cpu_backend&, index_t n) const { return sizeof(perceptron::row) * std::size_t(n); }

  void predict(cpu_backend& backend, batch<int> rows, matrix<float> o, workspace_type&) const {
    backend.parallel_for(rows.rows(), [&](auto&, int, index_t r) {
      perceptron::row forgotten;
      evaluate(rows, r, forgotten, o);
    });
  }
  void forward(cpu_backend& backend, batch<int> rows, matrix<float> o, workspace_type& workspace) const {
    backend.parallel_for(rows.rows(), [&](auto&, int, index_t r) { evaluate(rows, r, workspace.data()[r], o); });
  }
  void backward(cpu_backend&, batch<int> rows, matrix<const float> o_gradient, workspace_type& workspace) {
    for (index_t r = 0; r < rows.rows(); ++r) network.backward(workspace.data()[r], o_gradient.row(r));
  }

  void evaluate(const batch<int>& rows, index_t r, perceptron::row& kept, matrix<float> o) const {
    const float t = rows.times[r], in = preconditioner()(t).in;
    kept.x = {in * rows.x(r, 0), in * rows.x(r, 1), std::log(t), 1};
    network.forward(kept, o.row(r));
  }
};

int main() {
  //! [check]
  cpu_backend backend({.threads = 1});
  own_generator generator;
  const std::vector<int> contexts{0};
  check_generator(backend, generator, contexts);  // throws a sentence if a promise is broken
  //! [check]

  // A consistency model of the unit circle.
  auto circle = [](std::int64_t step, matrix<float> x, std::span<int>) {
    for (index_t i = 0; i < x.rows(); ++i) {
      const float angle = 6.2831853f * random_stream{7, stream::data}.uniform(std::uint64_t(step * x.rows() + i));
      x(i, 0) = std::cos(angle), x(i, 1) = std::sin(angle);
    }
  };
  consistency_training training(backend, generator, adam{.learning_rate = 3e-3f}, {.steps = 2000});
  while (!training.finished()) training.step(circle);

  // RLCM moves all of it to the right.
  auto nearness = per_sample([](vec<const float> x, int) { return -std::hypot(x[0] - 1, x[1]); });
  auto trainer =
      rlcm(backend, generator, nearness, adam{.learning_rate = 1e-3f}, {.batch = {.samples_per_prompt = 15}});
  for (const auto& update : trainer.run(contexts, 101))
    if (update.index % 50 == 0)
      std::printf("reward %.2f, importance ratio %.9f\n", update.reward_mean, update.ratio_mean);
}
