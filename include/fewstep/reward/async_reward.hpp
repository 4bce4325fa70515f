// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>
#include <fewstep/reward/reward.hpp>

#include <concepts>
#include <span>

namespace fewstep {

namespace detail {

/// Means to be asynchronous.
template <class R, class Context>
concept has_submit = requires(R& r, matrix<const float> samples, std::span<const Context> contexts,
                              std::span<float> out) {
  r.submit(samples, contexts, out);
};
template <class R>
concept has_ticket = requires {
  typename R::ticket;
}
&&std::copyable<typename R::ticket>;
template <class R, class Context>
concept has_ticketed_submit = requires(R& r, matrix<const float> samples, std::span<const Context> contexts,
                                       std::span<float> out) {
  { r.submit(samples, contexts, out) } -> std::same_as<typename R::ticket>;
};
template <class R>
concept has_waits = requires(R& r, typename R::ticket ticket) {
  { r.wait(ticket) } -> std::same_as<void>;
  { r.wait() } -> std::same_as<void>;
};

}  // namespace detail

/// A reward that can rate in the background while the caller prepares the next batch.
///
/// Semantics the compiler cannot check:
///  - submit returns without waiting for the verdict (it may wait for room in a bounded queue);
///  - the memory behind samples, contexts and out stays alive and untouched until wait;
///  - after wait(ticket) returns, `out` of that submission and of all earlier ones is complete;
///  - what the reward threw is thrown by wait, in order of submission.
///
/// Smallest model: a reward whose submit rates at once and whose wait does nothing.
/// async makes one of any reward.
///
/// Source: rewards run on a thread pool beside sampling in the reference implementation of Black et al. 2023.
template <class R, class Context>
concept async_reward =
    reward<R, Context> && detail::has_ticket<R> && detail::has_ticketed_submit<R, Context> && detail::has_waits<R>;

namespace detail {

/// Whether a reward with submit models async_reward; where it does not, the compiler says what is missing.
template <class R, class Context>
consteval bool require_async_reward() {
  static_assert(has_ticket<R>, "fewstep::async_reward: ticket, a copyable type that submit returns, is missing");
  if constexpr (has_ticket<R>) {
    static_assert(
        has_ticketed_submit<R, Context>,
        "fewstep::async_reward: ticket submit(matrix<const float> samples, std::span<const Context> contexts, "
        "std::span<float> out) is missing");
    static_assert(has_waits<R>, "fewstep::async_reward: void wait(ticket) or void wait() is missing");
  }
  return async_reward<R, Context>;
}

/// Waits until a reward in the background has let go of the arrays of `submissions`, and drops what else it threw: an
/// update that failed leaves nothing for the next.
template <class R>
void settle(R& reward, index_t submissions) {
  for (index_t k = 0; k <= submissions; ++k) {
    try {
      reward.wait();
      return;
    } catch (...) {
    }
  }
}

}  // namespace detail

}  // namespace fewstep
