// SPDX-License-Identifier: Apache-2.0
// The same update as one plain function that calls the same kernels: no algorithm, no trajectory, no report; see
// count.sh.
#include "problem.hpp"

#include <fewstep/advantage/prompt_buffer.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/mdp/score.hpp>
#include <fewstep/objective/clipped_surrogate.hpp>
#include <fewstep/optimizer/gradient_norm.hpp>
#include <fewstep/optimizer/optimizer.hpp>
#include <fewstep/sampler/consistency.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace {

using namespace fewstep;

void make_updates(cpu_backend& backend, problem::model_type& model, int updates) {
  constexpr index_t samples = problem::samples, horizon = problem::horizon, trained = (horizon - 1) * samples;
  const index_t d = model.sample_size();
  const step_table table = consistency_sampler{}.table(model.preconditioner(), horizon);
  const clipped_surrogate objective = clipped_surrogate{automatic}.resolved(d, reduction::mean);
  prompt_buffer_advantage advantage;
  auto moments = make_optimizer_state(problem::optimizer, backend, model.parameters().size());
  auto workspace = model.make_workspace(backend, trained);
  std::vector<float> states(static_cast<std::size_t>((horizon + 1) * samples * d)),
      outputs(static_cast<std::size_t>(trained * d)), rewards(samples), advantages(samples), times(horizon * samples);
  std::vector<double> log_probabilities(static_cast<std::size_t>(trained));
  std::vector<std::int32_t> contexts(horizon * samples), prompts(samples);
  for (index_t r = 0; r < horizon * samples; ++r)
    times[static_cast<std::size_t>(r)] = table.rows[static_cast<std::size_t>(r / samples)].time;
  const auto rows = [&](index_t first, index_t count) {
    return batch<std::int32_t>{matrix<const float>{states.data() + first * d, {count, d}},
                               vec<const float>{times.data() + first, {count}},
                               vec<const std::int32_t>{contexts.data() + first, {count}}};
  };
  const matrix<float> o{outputs.data(), {trained, d}};

  for (int update = 0; update < updates; ++update) {
    const auto first_sample = static_cast<std::uint64_t>(update) * samples;
    for (index_t r = 0; r < samples; ++r) {
      const auto number = first_sample + static_cast<std::uint64_t>(r);
      const auto prompt = random_stream{problem::seed, stream::prompts}.below(
          static_cast<std::uint32_t>(problem::classes.size()), number);
      prompts[static_cast<std::size_t>(r)] = static_cast<std::int32_t>(prompt);
      for (index_t k = 0; k < horizon; ++k)
        contexts[static_cast<std::size_t>(k * samples + r)] = problem::classes[prompt];
    }
    for (index_t r = 0; r < samples; ++r) {
      float* x = states.data() + r * d;
      fill_normal({problem::seed, stream::initial_noise}, first_sample + static_cast<std::uint64_t>(r), 0, x, d);
      for (index_t i = 0; i < d; ++i) x[i] *= table.initial_sigma;
    }
    for (index_t k = 0; k < horizon; ++k) {
      const step_row& row = table.rows[static_cast<std::size_t>(k)];
      model.predict(backend, rows(k * samples, samples), o.subview(0, samples), workspace);
      for (index_t r = 0; r < samples; ++r) {
        const float *x = states.data() + (k * samples + r) * d, *out = o.row(r);
        float* next = states.data() + ((k + 1) * samples + r) * d;
        if (k + 1 < horizon) {
          fill_normal({problem::seed, stream::noise}, first_sample + static_cast<std::uint64_t>(r),
                      static_cast<std::uint32_t>(k), next, d);
          for (index_t i = 0; i < d; ++i) next[i] = row.a * x[i] + row.b * out[i] + row.sigma * next[i];
          log_probabilities[static_cast<std::size_t>(k * samples + r)] =
              log_probability({x, next, &row}, out, d, reduction::mean);
        } else {
          for (index_t i = 0; i < d; ++i) next[i] = row.skip * x[i] + row.out * out[i];
          rewards[static_cast<std::size_t>(r)] = problem::reward_of(next);
        }
      }
    }
    advantage(rewards, prompts, std::span<float>(advantages));

    backend.for_each(model.gradients().size(), detail::fill<float>{model.gradients().data, 0.0f});
    model.forward(backend, rows(0, trained), o, workspace);
    for (index_t r = 0; r < trained; ++r) {
      const step_row& row = table.rows[static_cast<std::size_t>(r / samples)];
      score_transition({states.data() + r * d, states.data() + (r + samples) * d, &row}, o.row(r), d, reduction::mean,
                       objective, log_probabilities[static_cast<std::size_t>(r)],
                       advantages[static_cast<std::size_t>(r % samples)], static_cast<std::int32_t>(r / samples),
                       trained, {}, 0.0f);
    }
    model.backward(backend, rows(0, trained), o, workspace);
    const double norm = gradient_norm(backend, model.gradients());
    optimizer_step(problem::optimizer, backend, moments, {model.parameters(), model.gradients()},
                   {1.0f, clip_factor(norm, 5.0f)});
  }
}

}  // namespace

int main(int argc, char** argv) { return problem::run(argc, argv, make_updates); }
