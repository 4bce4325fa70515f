// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/backend.hpp>
#include <fewstep/backend/cpu/executor.hpp>
#include <fewstep/core/arena.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/nn/network_parameters.hpp>
#include <fewstep/nn/network_workspace.hpp>
#include <fewstep/nn/pass.hpp>
#include <fewstep/nn/row_groups.hpp>

#include <algorithm>
#include <cstddef>
#include <type_traits>
#include <utility>

namespace fewstep {

/// Runs a network, a struct of modules (see pass), on batches. A few rows are evaluated together by one thread; the
/// bits of a row depend on nothing else in the batch, and parameter gradients add up in blocks of row_block() rows,
/// block after block, whatever the number of threads.
///
/// Network has
///   rows_type                  rows of a batch, with rows() and subview(first, count)
///   dry_rows(n)                n of them without memory
///   tape                       what forward keeps for backward
///   forward(pass, rows, tape)  the outputs [n, outputs()]
///   backward(pass, gy, tape)   adds parameter gradients; returns the gradient of the input (or anything, without
///                              pass.arrays.input_gradient)
///   outputs()
/// and may have
///   adapt(layout, lora)        low-rank adapters
///   frequencies()              numbers that operations read where they run (pass::frequencies)
///   groups(on_host)            its row_groups
///   name                       for messages
/// It copies, as a description of modules without their numbers.
template <class Backend, class Network>
class network_runner : public network_parameters<Backend, Network> {
  static_assert(detail::require_backend<Backend>());
  using parameters_type = network_parameters<Backend, Network>;

 public:
  using rows_type = typename Network::rows_type;
  using tape = typename Network::tape;
  using workspace_type = network_workspace<Backend, tape>;

  template <class Make>
  network_runner(Backend& backend, const Make& make, const network_options& o)
      : parameters_type(backend, make, o), groups_(groups_of(o.rows_per_task)) {}

  /// As network_parameters::base.
  [[nodiscard]] network_runner base() const { return {parameters_type::base(), groups_}; }

  /// Rows that go through the network together; 0 where that is the network's own number.
  [[nodiscard]] index_t rows_per_task() const { return groups_.rows == groups_of(0).rows ? 0 : groups_.rows; }
  [[nodiscard]] index_t row_block() const { return groups_.rows * groups_.in_block; }

  /// Memory for forward and backward of so many rows; 0 is enough for predictions. `with_gradient` where predictions
  /// are differentiated too.
  [[nodiscard]] workspace_type make_workspace(Backend& backend, index_t rows, bool with_gradient = false) const {
    tape ready;
    const auto plan = this->plan(rows, ready, with_gradient);
    return workspace_type(backend, plan, ready);
  }
  [[nodiscard]] std::size_t workspace_bytes(const Backend& backend, index_t rows, bool with_gradient = false) const {
    tape ready;
    return workspace_type::bytes(plan(rows, ready, with_gradient), backend.threads());
  }

  /// Outputs y[N, outputs()] of any number of rows.
  void predict(Backend& backend, const rows_type& rows, matrix<float> y, workspace_type& w) const {
    const network_arrays<float> arrays = this->arrays(backend, false);
    const index_t n = rows.rows(), size = share(backend, n);
    backend.parallel_for(n <= size ? std::min<index_t>(n, 1) : parts_of(n, size),
                         [&](auto& executor, int thread, index_t group) {
                           arena memory = w.temporaries(thread);
                           evaluate(pass_of(executor, arrays, memory, nullptr, false), part(rows, group, size),
                                    part(y, group, size), w.thread_tape(thread));
                         });
  }

  /// predict, and the gradient by the input of whatever `upstream(y, gy)` says: a kernel of rows that writes the
  /// gradient gy by the outputs y. sink(executor, part, gradient) takes it, where part(array) is the group's rows of an
  /// array. The workspace is one made `with_gradient`.
  template <class Upstream, class Sink>
  void predict_with_gradient(Backend& backend, const rows_type& rows, matrix<float> y, workspace_type& w,
                             const Upstream& upstream, const Sink& sink) const {
    const network_arrays<float> there = this->arrays(backend, false), back = this->arrays(backend, true);
    const index_t size = share(backend, rows.rows());
    backend.parallel_for(parts_of(rows.rows(), size), [&](auto& executor, int thread, index_t group) {
      arena memory = w.temporaries(thread);
      tape& kept = w.thread_tape(thread);
      const matrix<float> out = part(y, group, size);
      evaluate(pass_of(executor, there, memory, nullptr, true), part(rows, group, size), out, kept);
      const matrix<float> gy = memory.template allocate<float, 2>(out.extents);
      executor.for_each(out.rows(), upstream(matrix<const float>(out), gy));
      give_back(
          executor, back, gy, memory, kept, [&](auto all) { return part(all, group, size); }, sink);
    });
  }

  /// Outputs, keeping what backward needs.
  void forward(Backend& backend, const rows_type& rows, matrix<float> y, workspace_type& w) const {
    w.expect_room(this->name(), "forward", rows.rows());
    const network_arrays<float> arrays = this->arrays(backend, false);
    backend.parallel_for(parts_of(rows.rows(), groups_.rows), [&](auto& executor, int thread, index_t group) {
      arena memory = w.activations(group), passing = w.temporaries(thread);
      evaluate(pass_of(executor, arrays, memory, &passing, true), part(rows, group, groups_.rows),
               part(y, group, groups_.rows), w.tape(group));
    });
  }

  /// Adds to gradients() those of the loss whose gradient by the outputs of the last forward is gy[N, outputs()].
  void backward(Backend& backend, matrix<const float> gy, workspace_type& w) {
    backward(
        backend, gy, w, [](auto&&...) {}, false);
  }
  /// As above, and gives the gradient of the input to `sink`, as predict_with_gradient does.
  template <class Sink>
  void backward(Backend& backend, matrix<const float> gy, workspace_type& w, const Sink& sink,
                bool input_gradient = true) {
    w.expect_room(this->name(), "backward", gy.rows());
    network_arrays<float> frozen = this->arrays(backend, true);
    frozen.input_gradient = input_gradient;
    const index_t n = parts_of(gy.rows(), groups_.rows), in_block = groups_.in_block;
    accumulate_in_order(backend, w, parts_of(n, in_block), this->gradients(),
                        [&](auto& executor, int thread, index_t block, vec<float> partial) {
                          network_arrays<float> arrays = frozen;
                          (this->lora() ? arrays.adapter_gradients : arrays.parameter_gradients) = partial.data;
                          for (index_t g = block * in_block; g < std::min(n, (block + 1) * in_block); ++g) {
                            arena memory = w.temporaries(thread);
                            const auto of_group = [&](auto all) { return part(all, g, groups_.rows); };
                            give_back(executor, arrays, of_group(gy), memory, w.tape(g), of_group, sink);
                          }
                        });
  }

 private:
  network_runner(parameters_type parameters, row_groups groups)
      : parameters_type(std::move(parameters)), groups_(groups) {}

  static row_groups groups_of(index_t rows_per_task) {
    row_groups groups = row_groups::of<Network>(on_host<Backend>);
    if (rows_per_task > 0) groups.rows = rows_per_task;
    groups.least = std::min(groups.least, groups.rows);
    return groups;
  }
  template <class Rows>
  static Rows part(const Rows& rows, index_t group, index_t size) {
    return rows.subview(group * size, std::min(size, rows.rows() - group * size));
  }
  /// Rows that predictions take at a time: few enough to occupy all threads.
  [[nodiscard]] index_t share(const Backend& backend, index_t rows) const {
    if (rows <= groups_.least) return groups_.least;  // a control loop has one, and no time for divisions
    return std::clamp<index_t>(parts_of(rows, backend.threads()), groups_.least, groups_.rows);
  }

  template <class Executor>
  pass<float, Executor> pass_of(Executor& executor, const network_arrays<float>& arrays, arena& memory, arena* passing,
                                bool keeps) const {
    return {executor, arrays, memory, passing, keeps, this->lora().has_value()};
  }
  template <class Pass>
  void evaluate(Pass p, const rows_type& rows, matrix<float> y, tape& kept) const {
    p.executor.for_each(y.size(), detail::copy<float>{this->network().forward(p, rows, kept).data, y.data});
  }
  template <class Executor, class Part, class Sink>
  void give_back(Executor& executor, const network_arrays<float>& arrays, matrix<const float> gy, arena& memory,
                 const tape& kept, const Part& part, const Sink& sink) const {
    pass<float, Executor> p = pass_of(executor, arrays, memory, nullptr, false);
    sink(executor, part, this->network().backward(p, gy, kept));
  }

  struct needed {
    std::size_t predict, all, kept, passing, backward;
  };
  /// Dry run: the bytes that so many rows take in a prediction; on their way through the network if all is kept, and
  /// where that is only what the way back reads, besides what is passing; and back with their gradients.
  [[nodiscard]] needed measure(index_t count, tape& ready) const {
    dry_executor executor;
    const auto forward = [&](arena& memory, arena* passing, bool keeps) {
      auto p = pass_of(executor, {}, memory, passing, keeps);
      this->network().forward(p, this->network().dry_rows(count), ready);
    };
    arena predicted, all, kept, passing, returned;
    forward(predicted, nullptr, false);
    forward(all, nullptr, true);
    forward(kept, &passing, true);
    // Somewhere to write parameter gradients to, which a dry run does not do: paths without them take no more memory.
    float trains = 0;
    auto p = pass_of(executor, {.parameter_gradients = &trains}, returned, nullptr, false);
    const matrix<float> gy = returned.template allocate<float, 2>({count, this->network().outputs()});
    this->network().backward(p, gy, ready);
    return {predicted.peak(), all.peak(), kept.peak(), passing.peak(), returned.peak()};
  }
  /// Any number of rows may be predicted, whatever `rows` is.
  [[nodiscard]] typename workspace_type::plan plan(index_t rows, tape& ready, bool with_gradient) const {
    const needed given = measure(std::clamp<index_t>(rows, 1, groups_.rows), ready),
                 most = measure(groups_.rows, ready);
    return {.rows = rows,
            .units = parts_of(rows, groups_.rows),
            .activation_bytes = given.kept,
            .temporary_bytes = with_gradient ? (saturated_size(most.all) + most.backward).value()
                                             : std::max({most.predict, given.passing, given.backward}),
            .gradients = rows > 0 ? this->layout().size() : 0};
  }

  row_groups groups_;
};

}  // namespace fewstep
