// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>

#include <concepts>
#include <cstdint>
#include <type_traits>

namespace fewstep {

namespace detail {

/// Stand-ins for what algorithms hand to a backend.
struct element_archetype {
  FEWSTEP_HD void operator()(index_t) const {}
};
struct term_archetype {
  FEWSTEP_HD double operator()(index_t) const { return 0; }
};
struct task_archetype {
  template <class Executor>
  void operator()(Executor&, int, index_t) const {}
};

}  // namespace detail

/// Where arrays live and where work on them runs.
///
///   allocate<T>(n)            zero-initialised memory, a buffer<T> with data()
///   parallel_for(tasks, f)    f(executor, thread, i) for independent tasks, each on one executor at a time
///   for_each(n, f)            f(i) for a trivially copyable element kernel (FEWSTEP_HD where the backend has a device)
///   sum(n, term)              sum of term(i) in double, the same bits for any number of threads
///   copy_to_host, copy_to_device, synchronize
///   executor_type             runs network operations (fewstep/nn) one after the other; the operations are free
///                             functions found by argument-dependent lookup: product, conv2d_forward, ...
///
/// The compiler cannot check: no result depends on threads(); nothing but the first use of a size allocates.
///
/// Models here: cpu_backend.
template <class B>
concept backend = requires(B& b, const B& cb, index_t n, const float* from, float* to, int thread) {
  typename B::executor_type;
  { cb.threads() } -> std::same_as<int>;
  { b.executor(thread) } -> std::same_as<typename B::executor_type&>;
  { b.template allocate<float>(n) } -> std::same_as<typename B::template buffer<float>>;
  { b.template allocate<std::int32_t>(n) } -> std::same_as<typename B::template buffer<std::int32_t>>;
  { b.parallel_for(n, detail::task_archetype{}) } -> std::same_as<void>;
  { b.for_each(n, detail::element_archetype{}) } -> std::same_as<void>;
  { b.sum(n, detail::term_archetype{}) } -> std::same_as<double>;
  { b.copy_to_host(from, to, n) } -> std::same_as<void>;
  { b.copy_to_device(from, to, n) } -> std::same_as<void>;
  { b.synchronize() } -> std::same_as<void>;
};

}  // namespace fewstep
