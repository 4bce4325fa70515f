// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/support.cuh"

#include <fewstep/algorithm/update_report.hpp>

#include <cstdint>
#include <initializer_list>
#include <vector>

namespace fewstep::test {

/// Updates for the contexts 0, 1 and 2: these figures of their reports, and the parameters after them. Two runs are
/// compared by it.
template <class Backend, class Generator, class Trainer>
std::vector<float> history_of(Backend& backend, Generator& model, Trainer& trainer, int updates,
                              std::initializer_list<double update_report::*> figures) {
  std::vector<float> history;
  for (int k = 0; k < updates; ++k) {
    const update_report report = trainer.update(std::vector<std::int32_t>{0, 1, 2});
    CHECK(report.gradient_norm > 0);
    for (double update_report::*figure : figures) history.push_back(static_cast<float>(report.*figure));
  }
  const auto p = to_host(backend, model.parameters().data, model.parameters().size());
  history.insert(history.end(), p.begin(), p.end());
  return history;
}

/// What an update of which every ratio is of a first replay says of them.
inline void check_first_replay(const update_report& report) {
  CHECK(report.ratio_mean == 1);
  CHECK(report.ratio_deviation == 0);
  CHECK(report.approximate_kl == 0);
  CHECK(report.gradient_norm > 0);
}

}  // namespace fewstep::test
