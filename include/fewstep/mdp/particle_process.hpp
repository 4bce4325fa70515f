// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/backend.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>

#include <concepts>
#include <cstdint>
#include <span>

namespace fewstep {

namespace detail {

template <class P>
concept has_particle_sizes = requires(const P& p) {
  { p.steps() } -> std::same_as<int>;
  { p.particles() } -> std::same_as<index_t>;
};
template <class P>
concept has_particle_samples = requires(const P& p) {
  typename P::value_type;
  { p.sample_size() } -> std::same_as<index_t>;
};
template <class P, class Backend>
concept has_particle_start = requires(P& p, Backend& backend, std::uint64_t seed) {
  { p.start(backend, seed) } -> std::same_as<void>;
};
template <class P, class Backend>
concept has_particle_step = requires(P& p, Backend& backend, int k) {
  { p.step(backend, k) } -> std::same_as<void>;
};
template <class P, class Backend>
concept has_particle_clean = requires(P& p, Backend& backend, int k, matrix<typename P::value_type> out) {
  { p.clean(backend, k, out) } -> std::same_as<void>;
};
template <class P, class Backend>
concept has_particle_gather = requires(P& p, Backend& backend, std::span<const index_t> ancestors) {
  { p.gather(backend, ancestors) } -> std::same_as<void>;
};

}  // namespace detail

/// N particles that move from noise to samples in K random steps, and can be resampled between them: what steering
/// needs of a sampler. Nothing is said of states or networks, so a process may be continuous (generator_particles) or
/// discrete (tokens that are unmasked).
///
///   value_type, sample_size()  a sample is sample_size() values of value_type
///   steps(), particles()       K and N
///   start(backend, seed)       the states before step 0
///   step(backend, k)           all particles take step k; k = 0 .. K - 1 in order
///   clean(backend, k, out)     before step k: what each particle would end as, as far as its state tells, out[N,
///                              sample_size()] where the backend's operations write; for k = K the samples themselves
///   gather(backend, ancestors) particle i becomes what particle ancestors[i] is, ancestors[N] on the host
///
/// What the compiler cannot check:
///  - random numbers are a function of (seed, place of the particle, step): two copies of one particle separate at the
///    next step, and no result depends on the number of threads or on the calls of clean;
///  - gather moves all that a particle's future depends on but for its place;
///  - a clean prediction that is itself a draw (the tokens of a masked text) has random numbers of its own.
///
/// Smallest model: N walkers on the line,
///   struct walk {
///     using value_type = float;
///     int steps() const { return 3; }
///     index_t particles() const { return static_cast<index_t>(at.size()); }
///     index_t sample_size() const { return 1; }
///     void start(cpu_backend&, std::uint64_t s) { seed = s; std::fill(at.begin(), at.end(), 0.0f); }
///     void step(cpu_backend&, int k) { for (...) at[i] += random_stream{seed}.normal(i, k); }
///     void clean(cpu_backend&, int, matrix<float> out) { std::copy(at.begin(), at.end(), out.begin()); }
///     void gather(cpu_backend&, std::span<const index_t> from) { ... }
///     ...
///   };
/// Source of the idea: Feynman-Kac models, Del Moral 2004; steering of diffusion
/// models by them, Singhal et al. 2025 (arXiv:2501.06848).
template <class P, class Backend>
concept particle_process = detail::has_particle_sizes<P> && detail::has_particle_samples<P> &&
    detail::has_particle_start<P, Backend> && detail::has_particle_step<P, Backend> &&
    detail::has_particle_clean<P, Backend> && detail::has_particle_gather<P, Backend>;

namespace detail {

/// Whether P models particle_process; where it does not, the compiler says what is missing.
template <class P, class Backend>
consteval bool require_particle_process() {
  if constexpr (!backend<Backend>) return false;
  static_assert(has_particle_sizes<P>,
                "fewstep::particle_process: int steps() const or index_t particles() const is missing");
  static_assert(has_particle_samples<P>,
                "fewstep::particle_process: value_type (a number) or index_t sample_size() const is missing");
  static_assert(has_particle_start<P, Backend>,
                "fewstep::particle_process: void start(Backend&, std::uint64_t seed) is missing");
  static_assert(has_particle_step<P, Backend>, "fewstep::particle_process: void step(Backend&, int k) is missing");
  if constexpr (has_particle_samples<P>)
    static_assert(has_particle_clean<P, Backend>,
                  "fewstep::particle_process: void clean(Backend&, int k, matrix<value_type> out) is missing");
  static_assert(has_particle_gather<P, Backend>,
                "fewstep::particle_process: void gather(Backend&, std::span<const index_t> ancestors) is missing");
  return particle_process<P, Backend>;
}

/// Refuses ancestors that are none.
inline void check_ancestors(std::span<const index_t> ancestors, index_t particles) {
  expects(static_cast<index_t>(ancestors.size()) == particles, [&] {
    return message("gather: there are ", ancestors.size(), " ancestors but ", particles,
                   " particles; give one for each");
  });
  for (const index_t ancestor : ancestors)
    expects(ancestor >= 0 && ancestor < particles,
            [&] { return message("gather: ancestor ", ancestor, " is not in [0, ", particles, ")"); });
}

}  // namespace detail

}  // namespace fewstep
