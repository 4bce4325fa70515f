// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/backend.hpp>
#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/generator/generator.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace fewstep::detail {

/// A generator and the rows that it is tried on; what it gives comes back as arrays of the host.
template <class Backend, class Generator>
struct generator_trial {
  using context_type = typename Generator::context_type;
  using workspace_type = workspace_of<Generator>;
  using floats = std::vector<float>;

  generator_trial(Backend& on, Generator& tried, std::span<const context_type> given, std::uint64_t seed_of_rows)
      : backend(on), model(tried), seed(seed_of_rows), size(model.sample_size()), block(row_block_of(model)) {
    expects(!given.empty(), "check_generator: there are no contexts; give at least one");
    const index_t n = model.parameters().size();
    expects(size >= 1 && block >= 1 && n >= 1 && n == model.gradients().size(), [&] {
      return message("check_generator: sample_size() is ", size, ", row_block() ", block, ", parameters() has ", n,
                     " values and gradients() ", model.gradients().size(),
                     "; all must be at least 1, and the last two equal");
    });
    as_found = read(model.parameters());
    rows = std::max<index_t>(2 * block + block / 2 + 1, 21);
    x = {backend, rows * size};
    times = {backend, rows};
    contexts = {backend, rows, given[0]};
    o = {backend, {rows, size}};
    const auto p = model.preconditioner();
    for (index_t r = 0; r < rows; ++r) {
      const auto row = static_cast<std::uint64_t>(r);
      const float place = (static_cast<float>(r) + 0.5f) / static_cast<float>(rows);
      const auto i = static_cast<std::size_t>(r);
      times.host()[i] = p.min_time() + (p.max_time() - p.min_time()) * place * place;
      contexts.host()[i] = given[i % given.size()];
      const noise_level level = p.level(times.host()[i]);
      for (std::uint64_t d = 0; d < static_cast<std::uint64_t>(size); ++d) {
        x.host()[i * static_cast<std::size_t>(size) + d] =
            level.signal * random().normal(row, 0, d) + level.noise * random().normal(row, 1, d);
        probe.push_back(random().normal(row, 2, d));
      }
    }
    x.upload(backend);
    times.upload(backend);
    contexts.upload(backend);
  }

  random_stream random() const { return {seed, stream::evaluation}; }
  double sign(index_t i) const { return random().below(2, static_cast<std::uint64_t>(i), 3) == 0 ? -1 : 1; }
  batch<context_type> all() const { return {{x.device(), {rows, size}}, times.view(), contexts.view()}; }

  floats read(vec<const float> values) {
    floats host(static_cast<std::size_t>(values.size()));
    backend.copy_to_host(values.data, host.data(), values.size());
    return host;
  }
  void write(const float* host, float* array, index_t n) {
    backend.copy_to_device(host, array, n);
    backend.synchronize();
  }
  void fill(vec<float> values, float value) {
    backend.for_each(values.size(), detail::fill<float>{values.data, value});
  }

  floats predict(batch<context_type> part, workspace_type& workspace) {
    const matrix<float> out = unset(part.rows());
    detail::predict(backend, model, part, out, workspace);
    const floats values = read({out.data, {out.size()}});
    for (std::size_t i = 0; i < values.size(); ++i)
      expects(std::isfinite(values[i]), [&] {
        return message("check_generator: predict left value ", i, " of o[", part.rows(), ", ", size,
                       "] unset, or it is not finite");
      });
    return values;
  }
  floats forward(batch<context_type> part, workspace_type& workspace) {
    const matrix<float> out = unset(part.rows());
    detail::forward(backend, model, part, out, workspace);
    return read({out.data, {out.size()}});
  }
  /// Outputs that are not yet numbers.
  matrix<float> unset(index_t count) {
    fill({o.data(), {rows * size}}, std::numeric_limits<float>::quiet_NaN());
    return o.view().subview(0, count);
  }

  Backend& backend;
  Generator& model;
  std::uint64_t seed;
  index_t size, block, rows = 0;
  floats probe;     ///< the gradient by o, [rows, size]
  floats as_found;  ///< parameters before the trial
  floats output;    ///< o of all rows, from check_evaluations on
  floats gradient;  ///< of sum(probe * o) by the parameters, from check_gradient_sums on
  mirrored<float, Backend> x, times;
  mirrored<context_type, Backend> contexts;
  tensor<float, 2, Backend> o;
};

}  // namespace fewstep::detail
