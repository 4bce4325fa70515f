// SPDX-License-Identifier: Apache-2.0
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/decoder/decoder.hpp>

namespace {

using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::matrix;

enum class drop { nothing, size, const_size, call, result, mutable_samples };

template <drop D = drop::nothing>
struct archetype {
  archetype() = delete;
  archetype(const archetype&) = delete;
  archetype& operator=(const archetype&) = delete;

  index_t decoded_size(index_t) const requires(D != drop::size && D != drop::const_size);
  index_t decoded_size(index_t) requires(D == drop::const_size);
  void operator()(cpu_backend&, matrix<const float>,
                  matrix<float>) requires(D == drop::nothing || D == drop::size || D == drop::const_size);
  int operator()(cpu_backend&, matrix<const float>, matrix<float>) requires(D == drop::result);
  void operator()(cpu_backend&, matrix<float>, matrix<float>) requires(D == drop::mutable_samples);
};

static_assert(fewstep::decoder<archetype<>, cpu_backend>);
static_assert(!fewstep::decoder<archetype<drop::size>, cpu_backend>);
static_assert(!fewstep::decoder<archetype<drop::const_size>, cpu_backend>);
static_assert(!fewstep::decoder<archetype<drop::call>, cpu_backend>);
static_assert(!fewstep::decoder<archetype<drop::result>, cpu_backend>);
static_assert(!fewstep::decoder<archetype<drop::mutable_samples>, cpu_backend>);

static_assert(fewstep::decoder<fewstep::identity_decoder, cpu_backend>);
static_assert(!fewstep::decoder<int, cpu_backend>);

}  // namespace
