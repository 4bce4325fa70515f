// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/backend.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/generator/preconditioning.hpp>
#include <fewstep/mdp/transition.hpp>

#include <cstdint>

namespace fewstep {

/// Whether the members of a pair are noised alike: by one noise (Diffusion-DPO), or by one each (DenseDPO, DSO).
enum class noise_sharing { shared, own };

/// The output o* that a network should have at x_t = signal x + noise z, by which its clean prediction
/// skip x_t + out o is x:  o* = on_clean x + on_noise z. It is z where the network predicts the noise, and z - x where
/// it is the velocity of a flow.
struct output_target {
  float on_clean, on_noise;

  template <preconditioning P>
  [[nodiscard]] FEWSTEP_HD static output_target at(const P& p, float t) {
    const exact_noise_level level = exact_level(p, t);
    const coefficients c = p(t);
    const double out = static_cast<double>(c.out), skip = static_cast<double>(c.skip);
    return {static_cast<float>((1 - skip * level.signal) / out), static_cast<float>(-skip * level.noise / out)};
  }
};

/// x_t = signal(t) x + noise(t) z and the target of the network there, for rows first, first + 1, ... of an update
/// whose examples clean[members C, D] stand by member: row r is member r % members of comparison r / members.
template <preconditioning P>
struct corrupted_examples {
  matrix<const float> clean;
  matrix<float> noised, target;  ///< [N, D]
  const float* times;            ///< [C], by comparison
  P preconditioner;
  const rollout_noise* noise;  ///< comparison c draws the numbers of `first` + c
  index_t first = 0;
  int members = 2;
  noise_sharing sharing = noise_sharing::shared;

  [[nodiscard]] FEWSTEP_HD index_t comparison(index_t i) const { return (first + i) / members; }
  [[nodiscard]] FEWSTEP_HD const float* clean_row(index_t i) const {
    return clean.row((first + i) % members * (clean.rows() / members) + comparison(i));
  }
  [[nodiscard]] FEWSTEP_HD std::uint64_t number(index_t i) const {
    return noise->first + static_cast<std::uint64_t>(comparison(i));
  }
  /// Which of the noises of that number.
  [[nodiscard]] FEWSTEP_HD std::uint32_t drawn_as(index_t i) const {
    return sharing == noise_sharing::own ? static_cast<std::uint32_t>((first + i) % members) : 0;
  }
};

template <class Backend, preconditioning P>
requires on_host<Backend>
void corrupt_examples(Backend& backend, const corrupted_examples<P>& a) {
  const random_stream source{a.noise->seed, stream::preference_noise};
  const index_t size = a.clean.cols();
  backend.parallel_for(a.noised.rows(), [&](auto&, int, index_t i) {
    const float t = a.times[a.comparison(i)];
    const noise_level level = a.preconditioner.level(t);
    const output_target to = output_target::at(a.preconditioner, t);
    const float* x = a.clean_row(i);
    float *noised = a.noised.row(i), *target = a.target.row(i);
    fill_normal(source, a.number(i), a.drawn_as(i), target, size);
    for (index_t d = 0; d < size; ++d) {
      const float z = target[d];
      noised[d] = level.signal * x[d] + level.noise * z;
      target[d] = to.on_clean * x[d] + to.on_noise * z;
    }
  });
}

}  // namespace fewstep
