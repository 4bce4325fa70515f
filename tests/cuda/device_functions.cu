// SPDX-License-Identifier: Apache-2.0
// Every function object of the library that a device is to run, launched as a kernel. This program is compiled and
// linked, not run.
#include <fewstep/core/elementary.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/cuda.cuh>
#include <fewstep/generator/guided.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/generator/preconditioning.hpp>
#include <fewstep/generator/rescaled.hpp>
#include <fewstep/generator/scale_rows.hpp>
#include <fewstep/generator/vocabulary.hpp>
#include <fewstep/loss/reward_loss.hpp>
#include <fewstep/nn/activation.hpp>
#include <fewstep/nn/embedding.hpp>
#include <fewstep/nn/guidance_embedding.hpp>
#include <fewstep/nn/resample.hpp>
#include <fewstep/objective/clipped_surrogate.hpp>
#include <fewstep/objective/reinforce.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/optimizer/sgd.hpp>

#include <cstdint>

using fewstep::index_t;
using fewstep::matrix;
using fewstep::vec;
using pass_type = fewstep::pass<float, fewstep::cuda_executor>;

namespace {

struct observation {
  float values[6];
};

struct scalar_functions {
  fewstep::random_stream source;
  fewstep::edm_consistency preconditioner;
  float* out;
  FEWSTEP_HD void operator()(index_t i) const {
    const auto sample = static_cast<std::uint64_t>(i);
    const float x = source.normal(sample, 1, 2) + source.uniform(sample) + static_cast<float>(source.below(7, sample));
    const auto fourier = fewstep::sincos_2pi(x);
    const auto [in, skip, o] = preconditioner(x);
    const fewstep::step_row row{1, 0.5f, 1, 1, 0.5f, 1, 0, 1};
    const fewstep::transition t{x, 1.0f, row, 0};
    out[i] = fewstep::exp_float(x) + fewstep::log_float(x) + fewstep::sqrt_float(x) + fewstep::sigmoid(x) +
             fourier.sin + fourier.cos + in + skip + o + fewstep::clipped_surrogate{}(t).slope +
             fewstep::reinforce{}(t).value;
  }
};

/// All that a preconditioning is asked.
template <class P>
struct preconditioning_functions {
  P p;
  float* out;
  FEWSTEP_HD void operator()(index_t i) const {
    const float t = out[i];
    const auto [in, skip, o] = p(t);
    const auto [signal, noise] = p.level(t);
    const auto exact = fewstep::exact_level(p, t);
    float sum = in + skip + o + signal + noise + static_cast<float>(exact.signal + exact.noise);
    sum += p.noise_floor() + p.min_time() + p.max_time() + fewstep::initial_sigma(p, t);
    if constexpr (fewstep::timestep_preconditioning<P>) sum += fewstep::time_of_timestep(p, p.training_steps() - 1);
    if constexpr (requires { p.time_of_noise(0.5); }) sum += p.time_of_noise(0.5);
    out[i] = sum;
  }
};

template <class P>
void scale_states(fewstep::cuda_backend& backend) {
  backend.for_each(1, preconditioning_functions<P>{});
  backend.for_each(1, fewstep::detail::scale_rows<P>{});
}

template <class Optimizer>
void step(fewstep::cuda_backend& backend, const Optimizer& optimizer) {
  auto state = make_optimizer_state(optimizer, backend, 0);
  optimizer_step(optimizer, backend, state, {}, {});
}

template <class... Links>
void score_by(fewstep::cuda_backend& backend) {
  (score_preferences(backend, fewstep::scored_preferences<Links>{}), ...);
}

template <class Module>
void activate(pass_type& p) {
  typename Module::tape kept;
  const Module module;
  (void)module.forward(p, matrix<const float>{}, kept);
  (void)module.backward(p, matrix<const float>{}, kept);
}

}  // namespace

int main() {
  fewstep::cuda_backend backend;
  backend.for_each(1, scalar_functions{});
  step(backend, fewstep::sgd{});
  step(backend, fewstep::adam{});
  step(backend, fewstep::adamw{});
  score_by<fewstep::logistic_link, fewstep::hinge_link, fewstep::squared_link, fewstep::identity_link,
           fewstep::utility_link, fewstep::odds_ratio_link, fewstep::clipped_link<fewstep::logistic_link>>(backend);
  corrupt_examples(backend, fewstep::corrupted_examples<fewstep::epsilon_prediction>{});
  backend.for_each(1, fewstep::detail::take_inversion_step{});
  backend.for_each(1, fewstep::detail::inversion_targets{});
  (void)fewstep::gradient_norm(backend, vec<const float>{});

  fewstep::arena memory;
  pass_type p{backend.executor(0), {}, memory};
  activate<fewstep::elementwise<float, fewstep::silu>>(p);
  activate<fewstep::elementwise<float, fewstep::gelu>>(p);
  (void)fewstep::fourier_features<float>(p, vec<const float>{}, vec<const float>{});
  (void)fewstep::guidance_embedding<float>(p, vec<const float>{}, 256);
  fewstep::parameter_layout layout;
  const fewstep::bag_of_words<float> words(layout, "words", 3, 4);
  fewstep::bag_of_words<float>::tape kept;
  (void)words.forward(p, matrix<const std::int32_t>{}, kept);
  words.backward(p, matrix<const float>{}, kept);
  backend.for_each(1, fewstep::detail::pixel_rearrange<float>{});
  backend.for_each(1, fewstep::detail::repeat_pixels<float>{});
  backend.for_each(1, fewstep::detail::sum_pixels<float>{});
  backend.for_each(1, fewstep::detail::copy_channels<float>{});
  backend.for_each(1, fewstep::detail::fill<float>{});
  backend.for_each(1, fewstep::detail::copy<float>{});
  backend.for_each(1, fewstep::detail::scale<float>{});
  backend.for_each(1, fewstep::detail::scale_by<float>{});
  backend.for_each(1, fewstep::detail::add_into<float>{});
  backend.for_each(1, fewstep::detail::scale_and_add<float>{});
  backend.for_each(1, fewstep::detail::join_columns<float>{});
  backend.for_each(1, fewstep::detail::join_columns<float, fewstep::observation_conditioning<observation>>{});
  backend.for_each(1, fewstep::detail::pair_rows<fewstep::token_list>{});
  backend.for_each(1, fewstep::detail::pair_rows<observation>{});
  backend.for_each(1, fewstep::detail::guide_rows{});
  backend.for_each(1, fewstep::detail::guide_gradient_rows{});
  backend.for_each(1, fewstep::detail::add_pairs{});
  scale_states<fewstep::edm_consistency>(backend);
  scale_states<fewstep::edm_denoiser>(backend);
  scale_states<fewstep::lcm>(backend);
  scale_states<fewstep::epsilon_prediction>(backend);
  scale_states<fewstep::velocity_prediction>(backend);
  scale_states<fewstep::flow_matching>(backend);
  scale_states<fewstep::variance_preserving<fewstep::edm_denoiser>>(backend);
  scale_states<fewstep::rectified_flow<fewstep::edm_consistency>>(backend);
}
