// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/backend.hpp>

#include <type_traits>

/// The smallest model of fewstep::backend, and models that lack one requirement each.
namespace backend_archetype {

using fewstep::index_t;

enum class drop {
  nothing,
  executor_type,
  threads,
  executor,
  allocate,
  buffer,
  parallel_for,
  for_each,
  sum,
  sum_type,
  copy_to_host,
  copy_to_device,
  copy,
  synchronize
};

struct runs_operations {};
template <drop D>
struct executor_of {
  using executor_type = runs_operations;
};
template <>
struct executor_of<drop::executor_type> {};

template <class T>
struct memory {
  memory(const memory&) = delete;
};

template <drop D = drop::nothing>
struct archetype : executor_of<D> {
  archetype() = delete;
  archetype(const archetype&) = delete;
  archetype& operator=(const archetype&) = delete;

  template <class T>
  using buffer = std::conditional_t<D == drop::buffer, T*, memory<T>>;

  int threads() const requires(D != drop::threads);
  runs_operations& executor(int) requires(D != drop::executor);
  template <class T>
  memory<T> allocate(index_t) requires(D != drop::allocate);
  template <class Task>
  void parallel_for(index_t, const Task&) requires(D != drop::parallel_for);
  template <class Kernel>
  void for_each(index_t, const Kernel&) requires(D != drop::for_each);
  template <class Term>
  std::conditional_t<D == drop::sum_type, float, double> sum(index_t, const Term&) requires(D != drop::sum);
  template <class T>
  void copy_to_host(const T*, T*, index_t) requires(D != drop::copy_to_host);
  template <class T>
  void copy_to_device(const T*, T*, index_t) requires(D != drop::copy_to_device);
  template <class T>
  void copy(const T*, T*, index_t) requires(D != drop::copy);
  void synchronize() requires(D != drop::synchronize);
};

}  // namespace backend_archetype
