// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/generator/preconditioning.hpp>

#include <algorithm>
#include <cstddef>

/// o_d = w_d in(t) x_d + u_d: next to nothing, so that what is measured is what the library adds to a network.
class affine_generator {
 public:
  using context_type = int;
  struct workspace_type {};

  affine_generator(fewstep::cpu_backend& backend, fewstep::index_t dimension)
      : dimension_(dimension), parameters_(backend, {2 * dimension}), gradients_(backend, {2 * dimension}) {}

  [[nodiscard]] fewstep::index_t sample_size() const { return dimension_; }
  [[nodiscard]] fewstep::edm_consistency preconditioner() const { return {}; }
  [[nodiscard]] fewstep::vec<float> parameters() { return parameters_.view(); }
  [[nodiscard]] fewstep::vec<float> gradients() { return gradients_.view(); }
  [[nodiscard]] workspace_type make_workspace(fewstep::cpu_backend&, fewstep::index_t) const { return {}; }
  [[nodiscard]] std::size_t workspace_bytes(const fewstep::cpu_backend&, fewstep::index_t) const { return 0; }

  void predict(fewstep::cpu_backend& backend, fewstep::batch<int> rows, fewstep::matrix<float> o, workspace_type&) {
    backend.parallel_for(rows.rows(), [&](auto&, int, fewstep::index_t r) {
      const float factor = preconditioner()(rows.times[r]).in;
      const float *w = parameters_.data(), *u = w + dimension_, *x = rows.x.row(r);
      float* out = o.row(r);
      for (fewstep::index_t d = 0; d < dimension_; ++d) out[d] = w[d] * (factor * x[d]) + u[d];
    });
  }
  void forward(fewstep::cpu_backend& backend, fewstep::batch<int> rows, fewstep::matrix<float> o,
               workspace_type& workspace) {
    predict(backend, rows, o, workspace);
  }
  /// Threads share out columns; each adds up the rows in order.
  void backward(fewstep::cpu_backend& backend, fewstep::batch<int> rows, fewstep::matrix<const float> o_gradient,
                workspace_type&) {
    constexpr fewstep::index_t block = 1024;
    backend.parallel_for((dimension_ + block - 1) / block, [&](auto&, int, fewstep::index_t part) {
      const fewstep::index_t first = part * block, last = std::min(dimension_, first + block);
      float *gw = gradients_.data(), *gu = gw + dimension_;
      for (fewstep::index_t r = 0; r < rows.rows(); ++r) {
        const float factor = preconditioner()(rows.times[r]).in;
        const float *x = rows.x.row(r), *g = o_gradient.row(r);
        for (fewstep::index_t d = first; d < last; ++d) {
          gw[d] += g[d] * (factor * x[d]);
          gu[d] += g[d];
        }
      }
    });
  }

 private:
  fewstep::index_t dimension_;
  fewstep::cpu_tensor<float, 1> parameters_, gradients_;
};

static_assert(fewstep::generator<affine_generator, fewstep::cpu_backend>);
