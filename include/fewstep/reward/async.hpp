// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/reward/reward.hpp>

#include <concepts>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <utility>
#include <vector>

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

/// A reward that can judge in the background while the caller prepares the next batch.
///
/// Semantics the compiler cannot check:
///  - submit returns without waiting for the verdict (it may wait for room in a bounded queue);
///  - the memory behind samples, contexts and out stays alive and untouched until wait;
///  - after wait(ticket) returns, `out` of that submission and of all earlier ones is complete;
///  - what the reward threw is thrown by wait, in order of submission.
///
/// Smallest model: a reward whose submit judges at once and whose wait does nothing.
/// Models here: async.
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

}  // namespace detail

struct async_settings {
  int capacity = 4;  ///< submissions that may be pending; a further submit waits for the oldest
};

/// Runs a reward on one worker thread of its own, in order of submission:
///
///   async judge(jpeg_compressibility{});
///   for (each part of the rollout) { sample the part; judge.submit(part, contexts, rewards); }
///   judge.wait();
///
/// The views handed to submit must stay alive until they have been waited for. Called as a plain reward it submits and
/// waits. Submissions after the first allocate nothing. Errors: see wait. Destruction lets the running submission end
/// and drops those not begun. Moving it is allowed at any time; submit and wait may be called from several threads.
template <class Reward>
class async {
 public:
  /// Numbers the submissions, from 1.
  struct ticket {
    std::uint64_t number = 0;
  };

  explicit async(Reward wrapped, async_settings settings = {})
      : state_(std::make_unique<state>(std::move(wrapped), settings.capacity)) {}
  async(const async&) = delete;  // it is one thread: std::move it, or share it with std::ref
  async(async&&) noexcept = default;
  async& operator=(async&&) noexcept = default;

  template <class Context>
  requires reward<Reward, Context> ticket submit(matrix<const float> samples, std::span<const Context> contexts,
                                                 std::span<float> out) {
    return state_->push({samples, contexts.data(), contexts.size(), out, &judge<Context>, {}});
  }

  /// Waits for a submission and all earlier ones. If some of them threw and that has not been reported yet, the
  /// earliest of these exceptions is thrown and taken as reported; `out` of a failed submission is unspecified.
  /// A failure that nobody waited for is thrown by the submit that needs its place in the queue.
  void wait(ticket last) { state_->wait(last.number); }

  /// Waits for everything submitted so far.
  void wait() { state_->wait_all(); }

  template <class Context>
  requires reward<Reward, Context>
  void operator()(matrix<const float> samples, std::span<const Context> contexts, std::span<float> out) {
    wait(submit(samples, contexts, out));
  }

  /// The reward inside. The worker uses it too: look at it only when nothing is pending.
  [[nodiscard]] Reward& inner() { return state_->wrapped; }

 private:
  struct submission {
    matrix<const float> samples;
    const void* contexts = nullptr;
    std::size_t context_count = 0;
    std::span<float> out;
    void (*run)(Reward&, const submission&) = nullptr;
    std::exception_ptr error;
  };

  template <class Context>
  static void judge(Reward& wrapped, const submission& work) {
    wrapped(work.samples, std::span(static_cast<const Context*>(work.contexts), work.context_count), work.out);
  }

  /// The queue is a ring: submission n lies in ring[n % capacity]. It is finished iff n <= finished, and its error has
  /// been looked at iff n <= reported.
  struct state {
    state(Reward from, int capacity) : wrapped(std::move(from)) {
      expects(capacity >= 1, [&] { return message("async: capacity is ", capacity, "; use at least 1"); });
      ring.resize(static_cast<std::size_t>(capacity));
      worker = std::thread([this] { work(); });
    }
    state(const state&) = delete;
    state& operator=(const state&) = delete;
    ~state() {
      {
        const std::lock_guard lock(mutex);
        stopping = true;
      }
      changed.notify_all();
      worker.join();
    }

    ticket push(submission work) {
      std::unique_lock lock(mutex);
      const auto places = static_cast<std::uint64_t>(ring.size());
      changed.wait(lock, [&] { return submitted - finished < places; });
      if (submitted >= places) report(submitted + 1 - places);
      ring[place(++submitted)] = std::move(work);
      const ticket mine{submitted};
      lock.unlock();
      changed.notify_all();
      return mine;
    }

    void wait(std::uint64_t last) {
      std::unique_lock lock(mutex);
      expects(last <= submitted, [&] {
        return message("async: waiting for submission ", last, " but only ", submitted, " were made; use a ticket of ",
                       "this reward");
      });
      changed.wait(lock, [&] { return finished >= last; });
      report(last);
    }

    void wait_all() {
      std::uint64_t last = 0;
      {
        const std::lock_guard lock(mutex);
        last = submitted;
      }
      wait(last);
    }

    /// Throws the first unreported error among the submissions up to `last`, all of which are finished. Needs the lock.
    void report(std::uint64_t last) {
      while (reported < last)
        if (auto error = std::exchange(ring[place(++reported)].error, nullptr)) std::rethrow_exception(error);
    }

    void work() {
      std::unique_lock lock(mutex);
      for (;;) {
        changed.wait(lock, [&] { return stopping || finished < submitted; });
        if (stopping) return;
        submission& current = ring[place(finished + 1)];
        lock.unlock();
        std::exception_ptr error;
        try {
          current.run(wrapped, current);
        } catch (...) {
          error = std::current_exception();
        }
        lock.lock();
        current.error = std::move(error);
        ++finished;
        changed.notify_all();
      }
    }

    [[nodiscard]] std::size_t place(std::uint64_t number) const { return number % ring.size(); }

    Reward wrapped;
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<submission> ring;
    std::uint64_t submitted = 0;
    std::uint64_t finished = 0;
    std::uint64_t reported = 0;
    bool stopping = false;
    std::thread worker;  ///< not std::jthread, which libc++ does not have before 20
  };

  std::unique_ptr<state> state_;
};

}  // namespace fewstep
