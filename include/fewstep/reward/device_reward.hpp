// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/generator/context_rows.hpp>
#include <fewstep/reward/async_reward.hpp>
#include <fewstep/reward/reward.hpp>

#include <algorithm>
#include <concepts>
#include <limits>
#include <span>

namespace fewstep {

/// A reward that rates where the samples are: samples[B, D], decoded, contexts[B] and out[B] are arrays of the
/// backend, and every element of `out` is written. A trainer copies the B rewards to the host, and no sample. On the
/// CPU, where the backend's arrays are the host's, it differs from fewstep::reward in its arguments only. What is also
/// a plain reward is asked in this way.
///
/// Semantics the compiler cannot check: what fewstep::reward promises; work is enqueued on the backend, in order.
///
/// Smallest model:
///   struct first_value {
///     template <class Backend, class Context>
///     void operator()(Backend& backend, matrix<const float> samples, context_rows<Context>, vec<float> out) const {
///       backend.for_each(out.size(), first_of_row{samples, out});  // out[i] = samples(i, 0)
///     }
///   };
template <class R, class Backend, class Context>
concept device_reward = requires(R& r, Backend& backend, matrix<const float> samples, context_rows<Context> contexts,
                                 vec<float> out) {
  { r(backend, samples, contexts, out) } -> std::same_as<void>;
};

namespace detail {

/// Whether a trainer asks R on the backend: not where it rates in the background.
template <class R, class Backend, class Context>
concept rates_on_backend = device_reward<R, Backend, Context> && !async_reward<R, Context>;

/// Rewards of all samples, made on the backend in the scratch `there` and brought to the host. One that was not written
/// is not a number.
template <class Backend, class Reward, class Context>
void rate_on_backend(Backend& backend, Reward& reward, matrix<const float> samples, context_rows<Context> contexts,
                     mirrored<float, Backend>& there, std::span<float> out) {
  std::fill(there.host().begin(), there.host().end(), std::numeric_limits<float>::quiet_NaN());
  there.upload(backend);
  reward(backend, samples, contexts, vec<float>{there.device(), {there.size()}});
  there.download(backend);
  std::copy(there.host().begin(), there.host().end(), out.begin());
}

/// Whether R models reward or device_reward; where it does not, the compiler says what is missing.
template <class R, class Backend, class Context>
consteval bool require_reward_on() {
  if constexpr (device_reward<R, Backend, Context>)
    return true;
  else
    return require_reward<R, Context>();
}

}  // namespace detail

}  // namespace fewstep
