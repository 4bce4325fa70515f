// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/config.hpp>
#include <fewstep/core/settings.hpp>

#include <cstdint>
#include <string_view>

/// Optimizers as a user writes them.
namespace fewstep::test {

/// Lion: Chen et al. 2023 (arXiv:2302.06675).
struct lion {
  static constexpr int moments = 1;
  float learning_rate = 1e-3f, beta1 = 0.9f, beta2 = 0.99f;
  FEWSTEP_HD void operator()(float& p, float g, float (&m)[1], float rate) const {
    const float c = m[0] + (1 - beta1) * (g - m[0]);
    p -= rate * static_cast<float>((c > 0) - (c < 0));
    m[0] += (1 - beta2) * (g - m[0]);
  }
};

/// The same with a rate that falls with the steps, settings and names.
struct falling_lion {
  static constexpr int moments = 1;
  static constexpr std::string_view moment_names[] = {"momentum"};
  float learning_rate = 1e-2f;
  FEWSTEP_HD void operator()(float& p, float g, float (&m)[1], float rate, std::int64_t step) const {
    lion{}(p, g, m, rate / static_cast<float>(step));
  }

  static constexpr std::string_view name = "falling_lion";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("learning_rate", learning_rate, at_least(0));
  }
};

struct descent {
  static constexpr int moments = 0;
  float learning_rate = 0.1f;
  FEWSTEP_HD void operator()(float& p, float g, float rate) const { p -= rate * g; }
};

struct falling_descent {
  static constexpr int moments = 0;
  float learning_rate = 0.1f;
  FEWSTEP_HD void operator()(float& p, float g, float rate, std::int64_t step) const {
    p -= rate / static_cast<float>(step) * g;
  }
};

struct descent_element {
  float rate;
  FEWSTEP_HD void operator()(float& p, float g) const { p -= rate * g; }
};
/// The same, with the division made once for a step.
struct prepared_descent {
  static constexpr int moments = 0;
  float learning_rate = 0.1f;
  [[nodiscard]] descent_element at(double rate, std::int64_t step) const {
    return {static_cast<float>(rate / static_cast<double>(step))};
  }
};

}  // namespace fewstep::test
