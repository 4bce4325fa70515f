// SPDX-License-Identifier: Apache-2.0
#include <fewstep/process/child_process.hpp>
#include <fewstep/process/external_reward.hpp>
#include <fewstep/reward/async.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <type_traits>

namespace {

struct prompt {
  int id;
};
struct prompt_line {
  std::string operator()(const prompt& p) const;
};

using fewstep::external_reward;

static_assert(fewstep::reward<external_reward<>, std::int32_t>);
static_assert(fewstep::reward<external_reward<>, float>);
static_assert(fewstep::reward<external_reward<prompt_line>, prompt>);
static_assert(fewstep::reward<std::reference_wrapper<external_reward<>>, std::int32_t>);
static_assert(fewstep::async_reward<fewstep::async<external_reward<>>, std::int32_t>);

static_assert(std::is_nothrow_move_constructible_v<fewstep::child_process>);
static_assert(std::is_nothrow_move_assignable_v<fewstep::child_process>);
static_assert(!std::is_copy_constructible_v<fewstep::child_process>);
static_assert(std::is_move_constructible_v<external_reward<>> && !std::is_copy_constructible_v<external_reward<>>);

using deduced = decltype(external_reward({.command = {"scorer"}}));
static_assert(std::is_same_v<deduced, external_reward<>>);
static_assert(
    std::is_same_v<decltype(external_reward({.command = {"scorer"}}, prompt_line{})), external_reward<prompt_line>>);

}  // namespace
