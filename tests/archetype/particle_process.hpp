// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/mdp/particle_process.hpp>

#include <cstdint>
#include <span>

/// The smallest model of fewstep::particle_process, and models that lack one requirement each.
namespace particle_process_archetype {

using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::matrix;

enum class drop { nothing, steps, particles, sample_size, start, step, clean, clean_of_values, gather };

/// Of tokens: nothing in the concept asks for real numbers.
template <drop D = drop::nothing>
struct archetype {
  using value_type = std::int32_t;

  archetype() = delete;
  archetype(const archetype&) = delete;
  archetype& operator=(const archetype&) = delete;

  int steps() const requires(D != drop::steps);
  index_t particles() const requires(D != drop::particles);
  index_t sample_size() const requires(D != drop::sample_size);
  void start(cpu_backend&, std::uint64_t) requires(D != drop::start);
  void step(cpu_backend&, int) requires(D != drop::step);
  void clean(cpu_backend&, int, matrix<std::int32_t>) requires(D != drop::clean && D != drop::clean_of_values);
  void clean(cpu_backend&, int, matrix<float>) requires(D == drop::clean_of_values);
  void gather(cpu_backend&, std::span<const index_t>) requires(D != drop::gather);
};

/// As archetype<>, without a type of its values.
struct without_value_type {
  int steps() const;
  index_t particles() const;
  index_t sample_size() const;
  void start(cpu_backend&, std::uint64_t);
  void step(cpu_backend&, int);
  void clean(cpu_backend&, int, matrix<float>);
  void gather(cpu_backend&, std::span<const index_t>);
};

}  // namespace particle_process_archetype
