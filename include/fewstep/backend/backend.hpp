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

template <class B>
concept has_executors = requires(B& b, const B& cb, int thread) {
  { cb.threads() } -> std::same_as<int>;
  { b.executor(thread) } -> std::same_as<typename B::executor_type&>;
};
template <class B>
concept has_allocate = requires(B& b, index_t n) {
  { b.template allocate<float>(n) } -> std::same_as<typename B::template buffer<float>>;
  { b.template allocate<std::int32_t>(n) } -> std::same_as<typename B::template buffer<std::int32_t>>;
};
template <class B>
concept has_parallel_for = requires(B& b, index_t n) {
  { b.parallel_for(n, task_archetype{}) } -> std::same_as<void>;
};
template <class B>
concept has_for_each = requires(B& b, index_t n) {
  { b.for_each(n, element_archetype{}) } -> std::same_as<void>;
};
template <class B>
concept has_sum = requires(B& b, index_t n) {
  { b.sum(n, term_archetype{}) } -> std::same_as<double>;
};
template <class B>
concept has_copies = requires(B& b, const float* from, float* to, index_t n) {
  { b.copy_to_host(from, to, n) } -> std::same_as<void>;
  { b.copy_to_device(from, to, n) } -> std::same_as<void>;
};
template <class B>
concept has_copy = requires(B& b, const float* from, float* to, index_t n) {
  { b.copy(from, to, n) } -> std::same_as<void>;
};
template <class B>
concept has_synchronize = requires(B& b) {
  { b.synchronize() } -> std::same_as<void>;
};

template <class B>
consteval bool arrays_on_host() {
  if constexpr (requires { B::arrays_on_host; })
    return B::arrays_on_host;
  else
    return true;
}

}  // namespace detail

/// Whether the host may touch a backend's arrays; true unless B::arrays_on_host is false. Operations on such arrays
/// are loops over rows; a device brings its own (fewstep/cuda).
template <class B>
concept on_host = detail::arrays_on_host<B>();

/// Where arrays live and where work on them runs.
///
///   allocate<T>(n)            zero-initialised memory, a buffer<T> with data()
///   parallel_for(tasks, f)    f(executor, thread, i) for independent tasks, each on one executor at a time
///   for_each(n, f)            f(i) for a trivially copyable element kernel (FEWSTEP_HD where the backend has a device)
///   sum(n, term)              sum of term(i) in double, the same bits for any number of threads
///   copy_to_host, copy_to_device, copy(from, to, n)
///                             n elements from array to array: to the host's memory, from it, and within the backend;
///                             arrays may not overlap
///   synchronize()             waits for what was enqueued
///   executor_type             runs network operations (fewstep/nn) one after the other; the operations are free
///                             functions found by argument-dependent lookup: product, conv2d_forward, ...
///
/// The compiler cannot check: no result depends on threads(); nothing but the first use of a size allocates.
template <class B>
concept backend =
    detail::has_executors<B> && detail::has_allocate<B> && detail::has_parallel_for<B> && detail::has_for_each<B> &&
    detail::has_sum<B> && detail::has_copies<B> && detail::has_copy<B> && detail::has_synchronize<B>;

namespace detail {

/// Whether B models backend; where it does not, the compiler says what is missing.
template <class B>
consteval bool require_backend() {
  static_assert(
      has_executors<B>,
      "fewstep::backend: executor_type, int threads() const or executor_type& executor(int thread) is missing");
  static_assert(has_allocate<B>, "fewstep::backend: buffer<T> allocate<T>(index_t n) is missing");
  static_assert(has_parallel_for<B>, "fewstep::backend: void parallel_for(index_t tasks, const Task&) is missing");
  static_assert(has_for_each<B>, "fewstep::backend: void for_each(index_t n, const Kernel&) is missing");
  static_assert(has_sum<B>, "fewstep::backend: double sum(index_t n, const Term&) is missing");
  static_assert(has_copies<B>,
                "fewstep::backend: void copy_to_host or copy_to_device(const T* from, T* to, index_t n) is missing");
  static_assert(has_copy<B>,
                "fewstep::backend: void copy(const T* from, T* to, index_t n), within the backend, is missing");
  static_assert(has_synchronize<B>, "fewstep::backend: void synchronize() is missing");
  return backend<B>;
}

}  // namespace detail

}  // namespace fewstep
