// SPDX-License-Identifier: Apache-2.0
#include <fewstep/fewstep.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <span>
#include <vector>

// The smallest model of each concept. Together they make the smallest policy there is: one step from noise to a sample
// of N(o, sigma^2 I), whose mean o is all there is to learn.
using namespace fewstep;

//! [preconditioning]
struct plain {
  coefficients operator()(float) const { return {.in = 1, .skip = 0, .out = 1}; }
  noise_level level(float t) const { return {.signal = 1, .noise = t}; }
  float noise_floor() const { return 0; }
  float min_time() const { return 0; }
  float max_time() const { return 1; }
};
static_assert(preconditioning<plain>);
//! [preconditioning]

//! [generator]
struct constant {
  using context_type = std::int32_t;
  std::vector<float> values = std::vector<float>(2), slopes = std::vector<float>(2);

  index_t sample_size() const { return 2; }
  plain preconditioner() const { return {}; }

  void predict(cpu_backend&, batch<context_type> rows, matrix<float> o) {
    for (index_t r = 0; r < rows.rows(); ++r) std::copy(values.begin(), values.end(), o.row(r));
  }
  void backward(cpu_backend&, batch<context_type>, matrix<const float> o_gradient) {
    for (index_t r = 0; r < o_gradient.rows(); ++r)
      for (std::size_t d = 0; d < slopes.size(); ++d) slopes[d] += o_gradient.row(r)[d];
  }
  vec<float> parameters() { return {values.data(), {2}}; }
  vec<float> gradients() { return {slopes.data(), {2}}; }
};
static_assert(generator<constant, cpu_backend>);
//! [generator]

//! [sampler]
struct one_step {
  float sigma = 0.5f;

  template <preconditioning P>
  step_table table(const P& p, int) const {
    const float t = p.max_time();
    const auto [in, skip, out] = p(t);
    return {.rows = {{t, p.min_time(), skip, out, sigma, in, skip, out}},
            .trained = 1,
            .result = emitted::state,
            .initial_sigma = initial_sigma(p, t)};
  }
};
static_assert(sampler<one_step, plain>);
//! [sampler]

//! [decoder]
struct doubled {
  index_t decoded_size(index_t sample_size) const { return sample_size; }
  void operator()(cpu_backend&, matrix<const float> samples, matrix<float> decoded) const {
    std::transform(samples.begin(), samples.end(), decoded.begin(), [](float value) { return 2 * value; });
  }
};
static_assert(decoder<doubled, cpu_backend, std::int32_t>);
//! [decoder]

//! [decoder_of_contexts]
struct pose {
  float x, y;
};
struct from_start {
  index_t decoded_size(index_t sample_size) const { return sample_size; }
  index_t rows_at_once() const { return 64; }
  void operator()(cpu_backend&, matrix<const float> moves, context_rows<pose> starts, matrix<float> places) const {
    for (index_t r = 0; r < moves.rows(); ++r) {
      places(r, 0) = starts[r].x + moves(r, 0);
      places(r, 1) = starts[r].y + moves(r, 1);
    }
  }
};
static_assert(decoder<from_start, cpu_backend, pose>);
//! [decoder_of_contexts]

//! [reward]
struct nearness {
  float x, y;

  void operator()(matrix<const float> samples, std::span<const std::int32_t>, std::span<float> out) const {
    for (index_t i = 0; i < samples.rows(); ++i) {
      const float dx = samples(i, 0) - x, dy = samples(i, 1) - y;
      out[static_cast<std::size_t>(i)] = -dx * dx - dy * dy;
    }
  }
};
static_assert(reward<nearness, std::int32_t>);
//! [reward]

//! [device_reward]
struct nearness_of_row {
  matrix<const float> samples;
  vec<float> out;
  float x, y;

  FEWSTEP_HD void operator()(index_t i) const {
    const float dx = samples(i, 0) - x, dy = samples(i, 1) - y;
    out[i] = -dx * dx - dy * dy;
  }
};
struct nearness_where_samples_are {
  float x, y;

  template <class Backend>
  void operator()(Backend& backend, matrix<const float> samples, context_rows<std::int32_t>, vec<float> out) const {
    backend.for_each(out.size(), nearness_of_row{samples, out, x, y});
  }
};
static_assert(device_reward<nearness_where_samples_are, cpu_backend, std::int32_t>);
//! [device_reward]

//! [async_reward]
struct prompt_nearness : nearness {
  struct ticket {};

  ticket submit(matrix<const float> samples, std::span<const std::int32_t> contexts, std::span<float> out) {
    (*this)(samples, contexts, out);
    return {};
  }
  void wait(ticket) {}
  void wait() {}
};
static_assert(async_reward<prompt_nearness, std::int32_t>);
//! [async_reward]

//! [advantage]
struct raw_reward {
  void operator()(std::span<const float> rewards, std::span<const std::int32_t>, std::span<float> out) const {
    std::copy(rewards.begin(), rewards.end(), out.begin());
  }
};
static_assert(advantage<raw_reward>);
//! [advantage]

//! [objective]
struct plain_ascent {
  surrogate operator()(transition t) const { return {.value = t.log_ratio * t.advantage, .slope = t.advantage}; }
};
static_assert(objective<plain_ascent>);
//! [objective]

//! [regularizer]
struct pull_to_zero {
  static constexpr bool has_reference = true;

  float coefficient() const { return 2; }
  std::size_t workspace_bytes(const cpu_backend&, index_t) const { return 0; }
  void prepare(cpu_backend&, index_t) {}
  void reference_output(cpu_backend&, batch<std::int32_t>, matrix<float> o) { std::fill(o.begin(), o.end(), 0.0f); }
};
static_assert(regularizer<pull_to_zero, cpu_backend, std::int32_t>);
//! [regularizer]

//! [kl_estimate]
struct kl_beyond {
  double free = 0.1;

  kl_term operator()(gaussian_pair g) const { return g.kl > free ? kl_term{g.kl - free, 1} : kl_term{0, 0}; }
};
static_assert(estimates_kl_from<kl_beyond, gaussian_pair>);
//! [kl_estimate]

//! [optimizer]
struct plain_descent {
  static constexpr int moments = 0;
  float learning_rate = 0.05f;

  void operator()(float& parameter, float gradient, float rate) const { parameter -= rate * gradient; }
};
static_assert(optimizer<plain_descent, cpu_backend>);
//! [optimizer]

//! [schedule]
struct inverse_root {
  float operator()(std::int64_t index) const { return 1 / std::sqrt(1 + static_cast<float>(index)); }
};
static_assert(schedule<inverse_root>);
//! [schedule]

int main() {
  cpu_backend backend({.threads = 1});
  constant generator;
  policy_gradient trainer(
      backend, generator,
      policy_gradient_parts{.reward = prompt_nearness{{.x = 2, .y = -2}},
                            .optimizer = plain_descent{},
                            .objective = plain_ascent{},
                            .advantage = raw_reward{},
                            .sampler = one_step{.sigma = 0.5f},
                            .decoder = doubled{},
                            .regularizer = pull_to_zero{}},
      {.horizon = 1, .batch = {.prompts = 1, .samples_per_prompt = 1024}, .training = {.max_gradient_norm = 0}});
  for (int i = 0; i < 200; ++i) trainer.update(std::vector<std::int32_t>{0});

  // The reward -|2 o - m|^2 pulls with 8 (m / 2 - o), the regularizer with coefficient / sigma^2 = 8 times o towards 0.
  std::printf("the mean is %.1f %.1f; m / 4 by hand\n", generator.values[0], generator.values[1]);
}
