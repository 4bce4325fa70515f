// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/fewstep.hpp>

#include <torch/torch.h>

#include <malloc.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

/// A torch::nn::Module as a generator. `Module` is a module holder (TORCH_MODULE) or a std::shared_ptr. Its
/// forward(x, t, label) takes states x[N,D], scaled by in(t) already, noise levels t[N] and labels[N] (int64), and
/// returns the raw output o[N,D]. Rows must not know each other: no batch norm, no dropout.
template <class Module, fewstep::preconditioning Preconditioning = fewstep::edm_consistency>
class torch_generator {
  using index_t = fewstep::index_t;
  using rows_type = fewstep::batch<std::int32_t>;

 public:
  using context_type = std::int32_t;

  struct options {
    index_t sample_size = 2;  ///< D
    index_t row_block = 64;   ///< rows of every call of the module; a multiple of 32, so that no vector is cut. Halved
                              ///< until equal rows have equal outputs: products of OpenBLAS 0.3.21 on Haswell and Zen
                              ///< round a row by its place where there are more than 8
    Preconditioning preconditioner{};
  };

  /// What lives between forward and backward: of every block of rows the output, which owns its autograd graph.
  struct workspace_type {
    std::vector<torch::Tensor> outputs;
    torch::Tensor gradients;  // [threads, parameters], of the blocks that threads are at
    index_t partials() const { return gradients.size(0); }
    fewstep::vec<float> partial(index_t slot) { return {gradients[slot].data_ptr<float>(), {gradients.size(1)}}; }
  };

  torch_generator(Module module, options o) : module_(std::move(module)), options_(o) {
    at::set_num_threads(1);  // the backend shares out blocks of rows; torch's threads would cut inside of them
    index_t size = 0;
    for (const torch::Tensor& p : module_->parameters())
      if (p.requires_grad()) size += trained_.emplace_back(p).numel();
    parameters_ = torch::empty({size});
    gradients_ = torch::zeros({size});
    index_t offset = 0;
    for (torch::Tensor& p : trained_) {  // the module's parameters become views into one flat array
      const torch::Tensor slice = parameters_.narrow(0, offset, p.numel()).view(p.sizes());
      slice.copy_(p.detach());
      p.set_data(slice);
      offset += p.numel();
    }
    while (options_.row_block > 1 && !rows_are_alike()) options_.row_block /= 2;
    measure();
  }

  index_t sample_size() const { return options_.sample_size; }
  index_t row_block() const { return options_.row_block; }
  Preconditioning preconditioner() const { return options_.preconditioner; }
  fewstep::vec<float> parameters() { return {parameters_.template data_ptr<float>(), {parameters_.numel()}}; }
  fewstep::vec<float> gradients() { return {gradients_.template data_ptr<float>(), {gradients_.numel()}}; }

  workspace_type make_workspace(fewstep::cpu_backend& backend, index_t rows) const {
    return {std::vector<torch::Tensor>(static_cast<std::size_t>(blocks(rows))),
            torch::empty({backend.threads(), parameters_.numel()})};
  }
  /// A thread's backward pass needs about as much again as a block's graph, and its gradients twice.
  std::size_t workspace_bytes(const fewstep::cpu_backend& backend, index_t rows) const {
    const auto threads = static_cast<std::size_t>(backend.threads());
    return (static_cast<std::size_t>(blocks(rows)) + threads) * block_bytes_ + 2 * threads * parameters_.nbytes();
  }

  void predict(fewstep::cpu_backend& backend, rows_type rows, fewstep::matrix<float> o, workspace_type&) {
    backend.parallel_for(blocks(rows.rows()), [&](auto&, int, index_t block) {
      const torch::NoGradGuard no_graph;
      evaluate(part(rows, block), part(o, block));
    });
  }

  void forward(fewstep::cpu_backend& backend, rows_type rows, fewstep::matrix<float> o, workspace_type& workspace) {
    backend.parallel_for(blocks(rows.rows()), [&](auto&, int, index_t block) {
      workspace.outputs.at(static_cast<std::size_t>(block)) = evaluate(part(rows, block), part(o, block));
    });
  }

  void backward(fewstep::cpu_backend& backend, rows_type rows, fewstep::matrix<const float> o_gradient,
                workspace_type& workspace) {
    const auto add_block = [&](auto&, int, index_t block, fewstep::vec<float> partial) {
      const auto given = part(o_gradient, block);
      const torch::Tensor upstream = torch::zeros({row_block(), sample_size()});
      std::copy_n(given.data, given.size(), upstream.data_ptr<float>());
      const torch::Tensor o = std::exchange(workspace.outputs.at(static_cast<std::size_t>(block)), {});
      const auto found = torch::autograd::grad({o}, trained_, {upstream}, {}, false, /*allow_unused=*/true);
      float* at = partial.data;
      for (std::size_t i = 0; i < trained_.size(); at += trained_[i++].numel())
        if (found[i].defined()) std::copy_n(found[i].contiguous().template data_ptr<float>(), found[i].numel(), at);
    };
    fewstep::accumulate_in_order(backend, workspace, blocks(rows.rows()), gradients(), add_block);
  }

 private:
  index_t blocks(index_t rows) const { return (rows + row_block() - 1) / row_block(); }
  template <class Rows>
  Rows part(Rows rows, index_t block) const {
    return rows.subview(block * row_block(), std::min(row_block(), rows.rows() - block * row_block()));
  }

  /// The module on one block, which its last row fills up: products of another row count may round differently.
  /// Returns the output of all rows with its graph; `o` gets those that were asked for.
  torch::Tensor evaluate(rows_type rows, fewstep::matrix<float> o) {
    const torch::Tensor x = torch::empty({row_block(), sample_size()}), t = torch::empty({row_block()}),
                        label = torch::empty({row_block()}, torch::kInt64);
    auto x_at = x.accessor<float, 2>();
    auto t_at = t.accessor<float, 1>();
    auto label_at = label.accessor<std::int64_t, 1>();
    for (index_t r = 0; r < row_block(); ++r) {
      const index_t row = std::min(r, rows.rows() - 1);
      t_at[r] = rows.times[row];
      label_at[r] = rows.contexts[row];
      for (index_t d = 0; d < sample_size(); ++d) x_at[r][d] = options_.preconditioner(t_at[r]).in * rows.x(row, d);
    }
    const torch::Tensor y = module_->forward(x, t, label).contiguous();
    fewstep::expects(y.sizes() == x.sizes(), "torch_generator: forward must return as many rows and columns as x has");
    std::copy_n(y.data_ptr<float>(), o.size(), o.data);
    return y;
  }

  /// Whether the module gives every row of a block the same bits for the same input, wherever it stands.
  bool rows_are_alike() {
    const torch::NoGradGuard no_graph;
    const fewstep::random_stream random{0, fewstep::stream::data};
    const float t = options_.preconditioner.max_time();
    const std::int32_t label = 0;
    std::vector<float> x(static_cast<std::size_t>(sample_size())), o(x.size());
    for (std::uint64_t trial = 0; trial < 4; ++trial) {
      for (std::size_t d = 0; d < x.size(); ++d) x[d] = t * random.normal(trial, 0, static_cast<std::uint32_t>(d));
      const torch::Tensor y =
          evaluate({{x.data(), {1, sample_size()}}, {&t, {1}}, {&label, {1}}}, {o.data(), {1, sample_size()}});
      if (!y.equal(y.slice(0, 0, 1).expand_as(y))) return false;
    }
    return true;
  }

  /// What the graph of one block takes, by glibc's account of the heap. The first call fills torch's own caches.
  void measure() {
    const std::vector<float> x(static_cast<std::size_t>(sample_size()));
    const float t = options_.preconditioner.max_time();
    const std::int32_t label = 0;
    std::vector<float> o(x.size());
    for (int call = 0; call < 2; ++call) {
      const auto in_use = [] { return mallinfo2().uordblks + mallinfo2().hblkhd; };
      const std::size_t before = in_use();
      const torch::Tensor y =
          evaluate({{x.data(), {1, sample_size()}}, {&t, {1}}, {&label, {1}}}, {o.data(), {1, sample_size()}});
      block_bytes_ = std::max(in_use(), before) - before;
    }
  }

  Module module_;
  options options_;
  std::vector<torch::Tensor> trained_;
  torch::Tensor parameters_, gradients_;
  std::size_t block_bytes_ = 0;
};
