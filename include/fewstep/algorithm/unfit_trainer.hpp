// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/memory_plan.hpp>
#include <fewstep/algorithm/update_report.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/sampler/step_table.hpp>

#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

namespace fewstep::detail {

/// Stands in for a trainer whose parts do not fit: what is missing has been said, and the compiler need not go on about
/// every consequence.
template <class Backend, class Generator, class Parts, class Options>
class unfit_trainer {
 public:
  unfit_trainer(Backend&, Generator&, Parts, Options = {}) {}
  std::int64_t index() const { return {}; }
  bool is_whole() const { return {}; }
  memory_plan memory() const { return {}; }
  step_table table() const { return {}; }
  Parts& parts();
  Options options() const { return {}; }
  vec<const float> ema() const { return {}; }
  std::span<const float> rewards() const { return {}; }
  std::span<const std::int32_t> prompts() const { return {}; }
  matrix<const float> samples() const { return {}; }
  template <class Contexts>
  update_report update(const Contexts&) {
    return {};
  }
  template <class Context>
  update_report update(std::initializer_list<Context>) {
    return {};
  }
  template <class Contexts>
  std::vector<update_report> run(const Contexts&, std::int64_t) {
    return {};
  }
  template <class Context>
  std::vector<update_report> run(std::initializer_list<Context>, std::int64_t) {
    return {};
  }
  template <class Contexts>
  void sample(const Contexts&) {}
  update_report train() { return {}; }
  template <class Archive>
  void serialize(Archive&) {}
};

}  // namespace fewstep::detail
