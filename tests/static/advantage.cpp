// SPDX-License-Identifier: Apache-2.0
#include <fewstep/advantage/advantage.hpp>
#include <fewstep/advantage/batch.hpp>
#include <fewstep/advantage/group.hpp>
#include <fewstep/advantage/prompt_buffer.hpp>

namespace {

using rewards_type = std::span<const float>;
using prompts_type = std::span<const std::int32_t>;
using out_type = std::span<float>;

enum class drop { nothing, call, result, mutable_rewards, mutable_prompts, out };

template <drop D = drop::nothing>
struct archetype {
  archetype() = delete;
  archetype(const archetype&) = delete;
  archetype& operator=(const archetype&) = delete;

  void operator()(rewards_type, prompts_type, out_type) requires(D == drop::nothing);
  float operator()(rewards_type, prompts_type, out_type) requires(D == drop::result);
  void operator()(std::span<float>, prompts_type, out_type) requires(D == drop::mutable_rewards);
  void operator()(rewards_type, std::span<std::int32_t>, out_type) requires(D == drop::mutable_prompts);
  void operator()(rewards_type, prompts_type) requires(D == drop::out);
};

static_assert(fewstep::advantage<archetype<>>);
static_assert(!fewstep::advantage<archetype<drop::call>>);
static_assert(!fewstep::advantage<archetype<drop::result>>);
static_assert(!fewstep::advantage<archetype<drop::mutable_rewards>>);
static_assert(!fewstep::advantage<archetype<drop::mutable_prompts>>);
static_assert(!fewstep::advantage<archetype<drop::out>>);

static_assert(fewstep::advantage<fewstep::prompt_buffer_advantage>);
static_assert(fewstep::advantage<fewstep::group_advantage>);
static_assert(fewstep::advantage<fewstep::batch_advantage>);
static_assert(!fewstep::advantage<const fewstep::prompt_buffer_advantage>, "it has a memory");
static_assert(!fewstep::advantage<int>);

}  // namespace
