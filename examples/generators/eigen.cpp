// SPDX-License-Identifier: Apache-2.0
#define EIGEN_DONT_PARALLELIZE  // threads share out blocks of rows; inside a block Eigen is to start none of its own
#include <fewstep/eigen.hpp>
#include <fewstep/fewstep.hpp>
#include <fewstep/testing/check_generator.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

using namespace fewstep;

struct goal {  // what a sample is conditioned on
  float x, y;
};

// o = V tanh(W in) with Eigen's products, in = [in(t) x, ln t, 1, goal].
//
// Eigen chooses the kernel of a product by its shape, so the bits of a row depend on how many rows there are. Here they
// are always 32: a batch is cut into blocks of 32 rows, and the last is filled up with zeros. Blocks are row-major, as
// Eigen then takes their rows four at a time, all alike; of 32 rows in column-major order it takes, with AVX2, the last
// 8 by another kernel than the first 24, and with 64 inputs and outputs these get other bits. And 32 is a multiple of
// the 4 to 16 values that tanh is computed for at once.
// Where Eigen allocates: in make_workspace and nowhere else. With Eigen::Dynamic for block_rows it would for each local
// matrix, and it does in products whose packed operands take more than 128 KiB.
class eigen_generator {
  static constexpr int block_rows = 32, inputs = 6, width = 64, outputs = 2;
  template <int Rows, int Columns>
  using array = Eigen::Matrix<float, Rows, Columns, Eigen::RowMajor>;
  struct block {
    array<block_rows, inputs> in;
    array<block_rows, width> hidden;
  };

 public:
  using context_type = goal;
  using workspace_type = std::vector<block>;

  eigen_generator() {
    for (index_t i = 0; i < parameters_.size(); ++i)
      parameters_.data()[i] = 0.3f * random_stream{1, stream::initialization}.normal(std::uint64_t(i));
  }
  index_t sample_size() const { return outputs; }
  index_t row_block() const { return block_rows; }
  edm_consistency preconditioner() const { return {.sigma_data = 0.7f, .sigma_min = 0.01f, .sigma_max = 5}; }
  vec<float> parameters() { return {parameters_.data(), {parameters_.size()}}; }
  vec<float> gradients() { return {gradients_.data(), {gradients_.size()}}; }
  workspace_type make_workspace(cpu_backend&, index_t n) const { return workspace_type(std::size_t(blocks(n))); }
  std::size_t workspace_bytes(const cpu_backend&, index_t n) const { return sizeof(block) * std::size_t(blocks(n)); }

  void predict(cpu_backend& backend, batch<goal> rows, matrix<float> o, workspace_type&) const {
    backend.parallel_for(blocks(rows.rows()), [&](auto&, int, index_t b) {
      block forgotten;
      evaluate(rows, o, b, forgotten);
    });
  }
  void forward(cpu_backend& backend, batch<goal> rows, matrix<float> o, workspace_type& kept) const {
    backend.parallel_for(blocks(rows.rows()), [&](auto&, int, index_t b) { evaluate(rows, o, b, kept.data()[b]); });
  }
  void backward(cpu_backend&, batch<goal> rows, matrix<const float> o_gradient, workspace_type& kept) {
    for (index_t b = 0; b < blocks(rows.rows()); ++b) {  // in order, so that cuts between blocks change no sum
      const auto& [in, hidden] = kept.data()[b];
      auto g = array<block_rows, outputs>::Zero().eval();
      g.topRows(part(rows, b).rows()) = as_eigen(part(o_gradient, b));
      array<block_rows, width> hidden_g;
      hidden_g.noalias() = g * parameters_.bottomRows<outputs>();
      hidden_g.array() *= 1 - hidden.array().square();
      gradients_.bottomRows<outputs>().noalias() += g.transpose() * hidden;
      gradients_.topRows<inputs>().noalias() += in.transpose() * hidden_g;
    }
  }

 private:
  static index_t blocks(index_t rows) { return (rows + block_rows - 1) / block_rows; }
  template <class Rows>
  static Rows part(const Rows& rows, index_t b) {
    return rows.subview(b * block_rows, std::min<index_t>(block_rows, rows.rows() - b * block_rows));
  }

  // Not inlined: a second copy may be rounded differently, where the compiler fuses a product and a sum.
  [[gnu::noinline]] void evaluate(batch<goal> rows, matrix<float> o, index_t b, block& kept) const {
    rows = part(rows, b);
    kept.in.setZero();
    for (index_t r = 0; r < rows.rows(); ++r) {
      const float t = rows.times[r], in = preconditioner()(t).in;
      kept.in.row(r) << in * rows.x(r, 0), in * rows.x(r, 1), std::log(t), 1, rows.contexts[r].x, rows.contexts[r].y;
    }
    kept.hidden.noalias() = kept.in * parameters_.topRows<inputs>();
    kept.hidden = kept.hidden.array().tanh();
    array<block_rows, outputs> y;
    y.noalias() = kept.hidden * parameters_.bottomRows<outputs>().transpose();
    as_eigen(part(o, b)) = y.topRows(rows.rows());
  }

  array<inputs + outputs, width> parameters_, gradients_ = parameters_.Zero();  // W above, V below
};

// RLCM of a network that knows nothing, with 105 samples an update: it learns to go where it is told.
void learn(const char* name, auto optimizer, std::size_t memory_budget) {
  cpu_backend backend({.threads = 1});
  eigen_generator generator;
  const std::vector<goal> goals{{1, 0}, {0, 1}, {-1, 0}, {0, -1}};
  check_generator(backend, generator, goals);  // throws a sentence if a promise is broken

  auto nearness = per_sample([](vec<const float> x, goal to) { return -std::hypot(x[0] - to.x, x[1] - to.y); });
  auto trainer =
      rlcm(backend, generator, nearness, optimizer,
           {.batch = {.prompts = 7, .samples_per_prompt = 15}, .training = {.memory_budget = memory_budget}});
  double reward = 0, off = 0;
  for (const auto& update : trainer.run(goals, 200))
    reward = update.reward_mean, off = std::max(off, update.ratio_deviation);
  std::printf("%s: reward %.1f, importance ratio 1 +- %.9f\n", name, reward, off);
}

int main() {
  learn("adam", adam{.learning_rate = 4e-3f}, 1 << 20);
  learn("adam in 96 KiB", adam{.learning_rate = 4e-3f}, 96 << 10);
  learn("sgd", sgd{.learning_rate = 0.02f}, 1 << 20);
}
