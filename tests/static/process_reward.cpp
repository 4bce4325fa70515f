// SPDX-License-Identifier: Apache-2.0
#include <fewstep/io/child_process.hpp>
#include <fewstep/reward/async.hpp>
#include <fewstep/reward/process_reward.hpp>

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

using fewstep::process_reward;

static_assert(fewstep::reward<process_reward<>, std::int32_t>);
static_assert(fewstep::reward<process_reward<>, float>);
static_assert(fewstep::reward<process_reward<prompt_line>, prompt>);
static_assert(fewstep::reward<std::reference_wrapper<process_reward<>>, std::int32_t>);
static_assert(fewstep::async_reward<fewstep::async<process_reward<>>, std::int32_t>);

static_assert(std::is_nothrow_move_constructible_v<fewstep::child_process>);
static_assert(std::is_nothrow_move_assignable_v<fewstep::child_process>);
static_assert(!std::is_copy_constructible_v<fewstep::child_process>);
static_assert(std::is_move_constructible_v<process_reward<>> && !std::is_copy_constructible_v<process_reward<>>);

using deduced = decltype(process_reward({.command = {"judge"}}));
static_assert(std::is_same_v<deduced, process_reward<>>);
static_assert(
    std::is_same_v<decltype(process_reward({.command = {"judge"}}, prompt_line{})), process_reward<prompt_line>>);

}  // namespace
