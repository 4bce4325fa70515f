// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ledger.hpp"
#include "work_of.hpp"

#include <fewstep/backend/cpu/attention.hpp>
#include <fewstep/backend/cpu/conv2d.hpp>
#include <fewstep/backend/cpu/executor.hpp>
#include <fewstep/backend/cpu/norm.hpp>
#include <fewstep/backend/cpu/product.hpp>

#include <source_location>
#include <string_view>
#include <utility>

namespace accounting {

/// A cpu_executor that keeps account. Networks call their operations as free functions found by argument-dependent
/// lookup on the executor's type: the overloads below are found first, and each takes the time and calls the one for
/// cpu_executor. An operation that has no overload here converts to cpu_executor and counts as `between`.
class accounting_executor : public fewstep::cpu_executor {
 public:
  /// f(), entered under p.
  template <class F>
  decltype(auto) record(part p, const workload& w, const F& f) {
    struct scope {
      accounting_executor& executor;
      part p;
      const workload& w;
      stopwatch watch{};
      ~scope() {
        const double seconds = watch.seconds();
        executor.spent_[p].add(seconds, w);
        executor.in_operations_ += seconds;
        ++executor.operations_;
      }
    } s{*this, p, w};
    return f();
  }

  /// f(), a task of a parallel region, whose time outside of operations is entered under p; under `alone` where it
  /// calls no operation.
  template <class F>
  void run_task(part p, part alone, const F& f) {
    const double operations_before = in_operations_;
    const auto calls_before = operations_;
    const stopwatch watch;
    f();
    const double seconds = watch.seconds();
    busy_ += seconds;
    spent_[calls_before == operations_ ? alone : p].add(seconds - (in_operations_ - operations_before), {});
  }

  template <class F>
  void for_each(fewstep::index_t n, const F& f, std::source_location where = std::source_location::current()) {
    const bool moves = std::string_view(where.file_name()).ends_with("nn/resample.hpp");
    record(moves ? part::copy : part::elementwise, kernel_work(n, f), [&] { cpu_executor::for_each(n, f); });
  }

  [[nodiscard]] const ledger& spent() const { return spent_; }
  /// Seconds in tasks.
  [[nodiscard]] double busy() const { return busy_; }
  void reset() {
    spent_ = {};
    busy_ = in_operations_ = 0;
  }

 private:
  ledger spent_;
  double busy_ = 0, in_operations_ = 0;
  std::int64_t operations_ = 0;
};

inline fewstep::cpu_executor& plain(accounting_executor& executor) { return executor; }

template <class... A>
decltype(auto) conv2d_forward(accounting_executor& e, A&&... a) {
  return e.record(part::convolution, convolution_work(a...),
                  [&]() -> decltype(auto) { return conv2d_forward(plain(e), std::forward<A>(a)...); });
}
template <class... A>
decltype(auto) conv2d_backward_input(accounting_executor& e, A&&... a) {
  return e.record(part::convolution_input, convolution_work(a...),
                  [&]() -> decltype(auto) { return conv2d_backward_input(plain(e), std::forward<A>(a)...); });
}
template <class... A>
decltype(auto) conv2d_backward_weight(accounting_executor& e, A&&... a) {
  return e.record(part::convolution_weight, convolution_work(a...),
                  [&]() -> decltype(auto) { return conv2d_backward_weight(plain(e), std::forward<A>(a)...); });
}

template <class... A>
decltype(auto) prepare_filter(accounting_executor& e, A&&... a) {
  return e.record(part::weights, preparation_work(a...),
                  [&]() -> decltype(auto) { return prepare_filter(plain(e), std::forward<A>(a)...); });
}

template <class... A>
decltype(auto) product(accounting_executor& e, A&&... a) {
  return e.record(part::product, product_work(a...),
                  [&]() -> decltype(auto) { return product(plain(e), std::forward<A>(a)...); });
}
template <class... A>
decltype(auto) product_nt(accounting_executor& e, A&&... a) {
  return e.record(part::product, product_work(a...),
                  [&]() -> decltype(auto) { return product_nt(plain(e), std::forward<A>(a)...); });
}
template <class... A>
decltype(auto) product_tn_add(accounting_executor& e, A&&... a) {
  return e.record(part::product, product_work(a...),
                  [&]() -> decltype(auto) { return product_tn_add(plain(e), std::forward<A>(a)...); });
}
template <class... A>
decltype(auto) add_column_sums(accounting_executor& e, A&&... a) {
  return e.record(part::product, {0, 4 * elements(a...)},
                  [&]() -> decltype(auto) { return add_column_sums(plain(e), std::forward<A>(a)...); });
}

template <class... A>
decltype(auto) group_norm_forward(accounting_executor& e, A&&... a) {
  return e.record(part::group_norm, group_norm_work(2, a...),
                  [&]() -> decltype(auto) { return group_norm_forward(plain(e), std::forward<A>(a)...); });
}
template <class... A>
decltype(auto) group_norm_backward(accounting_executor& e, A&&... a) {
  return e.record(part::group_norm_backward, group_norm_work(3, a...),
                  [&]() -> decltype(auto) { return group_norm_backward(plain(e), std::forward<A>(a)...); });
}

//! [overload]
template <class... A>
decltype(auto) attention_forward(accounting_executor& e, A&&... a) {
  return e.record(part::attention, attention_work(2, 4, a...),
                  [&]() -> decltype(auto) { return attention_forward(plain(e), std::forward<A>(a)...); });
}
//! [overload]
template <class... A>
decltype(auto) attention_backward(accounting_executor& e, A&&... a) {
  return e.record(part::attention, attention_work(4, 7, a...),
                  [&]() -> decltype(auto) { return attention_backward(plain(e), std::forward<A>(a)...); });
}

}  // namespace accounting
