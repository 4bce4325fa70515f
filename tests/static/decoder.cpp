// SPDX-License-Identifier: Apache-2.0
#include "archetype/decoder.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/decoder/decoder.hpp>

#include <cstdint>

namespace {

using namespace decoder_archetype;

static_assert(fewstep::decoder<archetype<>, cpu_backend, std::int32_t>);
static_assert(!fewstep::decoder<archetype<drop::size>, cpu_backend, std::int32_t>);
static_assert(!fewstep::decoder<archetype<drop::const_size>, cpu_backend, std::int32_t>);
static_assert(!fewstep::decoder<archetype<drop::call>, cpu_backend, std::int32_t>);
static_assert(!fewstep::decoder<archetype<drop::result>, cpu_backend, std::int32_t>);
static_assert(!fewstep::decoder<archetype<drop::mutable_samples>, cpu_backend, std::int32_t>);

static_assert(!fewstep::decoder<archetype<drop::contexts>, cpu_backend, std::int32_t>);
static_assert(!fewstep::decoder<archetype<>, cpu_backend, float>, "a decoder of contexts is one for their type");
static_assert(fewstep::differentiable_decoder<of_any_context, cpu_backend, float>);

static_assert(fewstep::differentiable_decoder<archetype<>, cpu_backend, std::int32_t>);
static_assert(!fewstep::differentiable_decoder<archetype<drop::call>, cpu_backend, std::int32_t>);
static_assert(!fewstep::differentiable_decoder<archetype<drop::backward>, cpu_backend, std::int32_t>);
static_assert(!fewstep::differentiable_decoder<archetype<drop::backward_result>, cpu_backend, std::int32_t>);
static_assert(fewstep::decoder<archetype<drop::backward>, cpu_backend, std::int32_t>,
              "a decoder need not have a gradient");

static_assert(fewstep::differentiable_decoder<fewstep::identity_decoder, cpu_backend, std::int32_t>);
static_assert(fewstep::decoder<fewstep::identity_decoder, cpu_backend, std::int32_t>);
static_assert(!fewstep::decoder<int, cpu_backend, std::int32_t>);

}  // namespace
