// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/fewstep.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

/// The base model of the guide's experiments: two numbers that lie on the circle of radius 1, under one of `classes`
/// classes (0: none) that the base model does not heed.
using ring_generator = fewstep::mlp_generator<fewstep::cpu_backend>;

[[nodiscard]] inline ring_generator ring_base(fewstep::cpu_backend& backend, fewstep::index_t classes = 0) {
  ring_generator generator(backend, {.network = {.classes = classes},
                                     .preconditioner = {.sigma_data = 0.7f, .sigma_min = 0.01f, .sigma_max = 5.0f}});
  auto circle = [&](std::int64_t step, fewstep::matrix<float> x, std::span<std::int32_t> labels) {
    const fewstep::random_stream random{7, fewstep::stream::data};
    for (fewstep::index_t i = 0; i < x.rows(); ++i) {
      const auto sample = static_cast<std::uint64_t>(step * x.rows() + i);
      const float angle = 6.2831853f * random.uniform(sample);
      x(i, 0) = std::cos(angle);
      x(i, 1) = std::sin(angle);
      labels[static_cast<std::size_t>(i)] =
          classes > 0 ? static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(classes), sample, 1)) : 0;
    }
  };
  fewstep::consistency_training training(backend, generator, fewstep::adam{.learning_rate = 2e-3f},
                                         {.steps = 2000, .batch = 128, .log_time_mean = -0.5f, .ema_decay = 0.99f});
  while (!training.finished()) training.step(circle);
  std::ranges::copy(training.ema(), generator.parameters().begin());
  return generator;
}

/// Share of the samples [B, 2] within 0.3 of the circle.
[[nodiscard]] inline double near_circle(fewstep::matrix<const float> samples) {
  double near = 0;
  for (fewstep::index_t i = 0; i < samples.rows(); ++i)
    near += std::abs(std::hypot(samples(i, 0), samples(i, 1)) - 1) < 0.3f ? 1 : 0;
  return near / static_cast<double>(samples.rows());
}
