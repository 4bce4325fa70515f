// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "accounting_executor.hpp"

#include <fewstep/backend/backend.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/core/parallel_for.hpp>
#include <fewstep/mdp/score.hpp>
#include <fewstep/mdp/transition.hpp>
#include <fewstep/objective/objective.hpp>

#include <cstddef>
#include <source_location>
#include <string_view>
#include <vector>

namespace accounting {

using fewstep::index_t;

/// A cpu_backend that keeps account of where time goes, with the same bits. Operations enter themselves, those of a
/// network (accounting_executor) and those on rows below; what else a task does, and loops over whole arrays, are told
/// apart by the header they are written in, which a default argument tells.
///
/// Seconds are those of all threads, so that the entries of an update add up to its time times threads(), `rest`
/// included.
class accounting_backend : public fewstep::cpu_backend {
 public:
  using executor_type = accounting_executor;

  explicit accounting_backend(options o) : cpu_backend(o), executors_(static_cast<std::size_t>(threads())) {}

  [[nodiscard]] accounting_executor& executor(int thread) { return executors_[static_cast<std::size_t>(thread)]; }

  template <class Task>
  void parallel_for(index_t tasks, const Task& task, std::source_location where = std::source_location::current()) {
    const stopwatch watch;
    const double busy_before = busy();
    const part p = part_of_task(where), alone = p == part::between ? part::weights : p;
    fewstep::detail::parallel_for(tasks, threads(), [&](int thread, index_t i) {
      accounting_executor& e = executor(thread);
      e.run_task(p, alone, [&] { task(e, thread, i); });
    });
    // As cpu_backend does: no thread allocates when its turn comes late.
    for (const accounting_executor& other : executors_) executors_[0].grow_to(other);
    for (accounting_executor& e : executors_) e.grow_to(executors_[0]);
    serial_[part::waiting].add(threads() * watch.seconds() - (busy() - busy_before), {});
  }

  template <class Kernel>
  void for_each(index_t n, const Kernel& f, std::source_location where = std::source_location::current()) {
    record(part_of_loop(where), kernel_work(n, f), [&] { cpu_backend::for_each(n, f); });
  }

  template <class Term>
  [[nodiscard]] double sum(index_t n, const Term& term, std::source_location where = std::source_location::current()) {
    double result = 0;
    record(part_of_loop(where), kernel_work(n, term), [&] { result = cpu_backend::sum(n, term); });
    return result;
  }

  /// f(), which all threads are busy with, or wait for.
  template <class F>
  void record(part p, const workload& w, const F& f) {
    const stopwatch watch;
    f();
    serial_[p].add(threads() * watch.seconds(), w);
  }

  [[nodiscard]] ledger spent() const {
    ledger all = serial_;
    for (const accounting_executor& e : executors_) all += e.spent();
    return all;
  }
  void reset() {
    serial_ = {};
    for (accounting_executor& e : executors_) e.reset();
  }

 private:
  static part part_of_task(const std::source_location& where) {
    return std::string_view(where.file_name()).ends_with("nn/network_workspace.hpp") ? part::gradients : part::between;
  }
  static part part_of_loop(const std::source_location& where) {
    return std::string_view(where.file_name()).find("optimizer/") != std::string_view::npos ? part::optimizer
                                                                                            : part::gradients;
  }
  [[nodiscard]] double busy() const {
    double sum = 0;
    for (const accounting_executor& e : executors_) sum += e.busy();
    return sum;
  }

  std::vector<accounting_executor> executors_;
  ledger serial_;
};

static_assert(fewstep::backend<accounting_backend>);

inline void draw_initial_states(accounting_backend& b, const fewstep::initial_states& a) {
  b.record(part::transition, {}, [&] { draw_initial_states(static_cast<fewstep::cpu_backend&>(b), a); });
}
inline void take_step(accounting_backend& b, const fewstep::transition_step& a) {
  b.record(part::transition, {}, [&] { take_step(static_cast<fewstep::cpu_backend&>(b), a); });
}
inline void emit_result(accounting_backend& b, const fewstep::rollout_result& a) {
  b.record(part::transition, {}, [&] { emit_result(static_cast<fewstep::cpu_backend&>(b), a); });
}
template <fewstep::objective Objective, class Estimate>
void score_rows(accounting_backend& b, const fewstep::scored_rows<Objective, Estimate>& a) {
  b.record(part::score, {}, [&] { score_rows(static_cast<fewstep::cpu_backend&>(b), a); });
}

}  // namespace accounting
