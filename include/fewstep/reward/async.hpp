// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/reward/async_reward.hpp>
#include <fewstep/reward/reward.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <memory>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace fewstep {

struct async_settings {
  int capacity = 4;  ///< submissions that may be pending; a further submit waits for the oldest
  /// Seconds that one submission may be rated for; infinity: as long as it takes. With a limit every batch is copied,
  /// since a reward that does not return may look at it for ever; contexts are then trivially copyable.
  double timeout = std::numeric_limits<double>::infinity();

  static constexpr std::string_view name = "async";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit.not_compared("capacity", capacity, at_least(1));
    visit.not_compared("timeout", timeout, above(0).or_infinite());
  }
};

/// Runs a reward on one worker thread of its own, in order of submission:
///
///   async reward(jpeg_compressibility{});
///   for (each part of the rollout) { sample the part; reward.submit(part, contexts, rewards); }
///   reward.wait();
///
/// The views handed to submit must stay alive until they have been waited for. Called as a plain reward it submits and
/// waits. Once each place of the queue has been used, submissions allocate nothing. Errors: see wait. Destruction lets
/// the running submission end and drops those not begun. Moving it is allowed at any time; submit and wait may be
/// called from several threads.
///
/// A reward that is slower than the timeout is given up: whoever waits gets a std::runtime_error that names the
/// submission, and so does every later call. Its thread, with the reward, is left to itself and ends if the reward
/// returns after all.
template <class Reward>
class async {
 public:
  /// Numbers the submissions, from 1.
  struct ticket {
    std::uint64_t number = 0;
  };

  explicit async(Reward wrapped, async_settings settings = {}) : state_(new state(std::move(wrapped), settings)) {}
  async(const async&) = delete;  // it is one thread: std::move it, or share it with std::ref
  async(async&&) noexcept = default;
  async& operator=(async&&) noexcept = default;

  /// Whose settings a trainer checks and compares: where it rates changes no bit.
  [[nodiscard]] const Reward& wrapped_part() const { return state_->wrapped; }

  template <class Context>
  requires reward<Reward, Context> ticket submit(matrix<const float> samples, std::span<const Context> contexts,
                                                 std::span<float> out) {
    if constexpr (!std::is_trivially_copyable_v<Context> || alignof(Context) > __STDCPP_DEFAULT_NEW_ALIGNMENT__)
      expects(!state_->has_limit(),
              "async: a batch is copied where there is a timeout, but these contexts are not trivially copyable; leave "
              "timeout at infinity, or give numbers or structs of a fixed size");
    return state_->push({samples, contexts.data(), contexts.size(), sizeof(Context), out, &rate<Context>});
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
  using clock = std::chrono::steady_clock;

  /// What is to be rated.
  struct batch_of {
    matrix<const float> samples;
    const void* contexts = nullptr;
    std::size_t context_count = 0, context_size = 0;
    std::span<float> out;
    void (*run)(Reward&, const batch_of&) = nullptr;
  };

  template <class Context>
  static void rate(Reward& wrapped, const batch_of& work) {
    wrapped(work.samples, std::span(static_cast<const Context*>(work.contexts), work.context_count), work.out);
  }

  struct submission {
    batch_of work;
    std::span<float> out;  ///< the caller's, where work has copies
    std::exception_ptr error;
    std::vector<float> samples, rewards;
    std::vector<std::byte> contexts;

    void set(const batch_of& given) {
      work = given;
      error = nullptr;
      out = {};
    }
    /// The batch in memory of the submission's own.
    void keep() {
      const auto* bytes = static_cast<const std::byte*>(work.contexts);
      samples.assign(work.samples.begin(), work.samples.end());
      contexts.assign(bytes, bytes + work.context_count * work.context_size);
      rewards.assign(work.out.begin(), work.out.end());
      out = work.out;
      work.samples.data = samples.data();
      work.contexts = contexts.data();
      work.out = rewards;
    }
    void hand_over() { std::copy_n(rewards.begin(), out.size(), out.begin()); }
  };

  /// The queue is a ring: submission n lies in ring[n % capacity]. It is finished iff n <= finished, and its error has
  /// been looked at iff n <= reported.
  struct state {
    state(Reward from, const async_settings& s) : settings(checked(s)), wrapped(std::move(from)) {
      ring.resize(static_cast<std::size_t>(settings.capacity));
      worker = std::thread([this] { work(); });
    }

    [[nodiscard]] bool has_limit() const { return std::isfinite(settings.timeout); }

    ticket push(const batch_of& given) {
      std::unique_lock lock(mutex);
      const auto places = static_cast<std::uint64_t>(ring.size());
      wait_until(lock, [&] { return submitted - finished < places; });
      if (submitted >= places) report(submitted + 1 - places);
      submission& added = ring[place(submitted + 1)];
      added.set(given);
      if (has_limit()) added.keep();
      const ticket mine{++submitted};
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
      wait_until(lock, [&] { return finished >= last; });
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
      while (reported < last) {
        submission& of = ring[place(++reported)];
        if (auto error = std::exchange(of.error, nullptr)) std::rethrow_exception(error);
        of.hand_over();
      }
    }

    /// Waits until something is so, or throws if the reward does not return.
    template <class Condition>
    void wait_until(std::unique_lock<std::mutex>& lock, const Condition& is_so) {
      if (!has_limit()) return changed.wait(lock, is_so);
      while (!lost && !is_so()) {
        const auto now = clock::now();
        lost = busy && now >= deadline;
        if (!lost) changed.wait_until(lock, busy ? deadline : now + limit());
      }
      if (!lost) return;
      const batch_of& late = ring[place(finished + 1)].work;
      throw std::runtime_error(message(
          "async: submission ", finished + 1, " (", late.samples.rows(), " samples of ", late.samples.cols(),
          " values) has been rated for more than ", settings.timeout,
          " s, and the reward is given up; see why it does not return, or raise timeout, and begin with a new one"));
    }

    [[nodiscard]] clock::duration limit() const {
      constexpr double most = 1e9;  // half a lifetime; more seconds may not be countable
      return std::chrono::duration_cast<clock::duration>(
          std::chrono::duration<double>(std::min(settings.timeout, most)));
    }

    void work() {
      std::unique_lock lock(mutex);
      for (;;) {
        changed.wait(lock, [&] { return stopping || finished < submitted; });
        if (stopping || lost) break;
        submission& current = ring[place(finished + 1)];
        busy = true;
        if (has_limit()) deadline = clock::now() + limit();
        lock.unlock();
        std::exception_ptr error;
        try {
          current.work.run(wrapped, current.work);
        } catch (...) {
          error = std::current_exception();
        }
        lock.lock();
        busy = false;
        if (lost) break;
        current.error = std::move(error);
        ++finished;
        changed.notify_all();
      }
      const bool is_mine = abandoned;
      busy = false;
      changed.notify_all();
      lock.unlock();
      if (is_mine) delete this;
    }

    /// Ends the worker and deletes the state; a worker that does not return keeps it.
    void end() {
      std::unique_lock lock(mutex);
      stopping = true;
      changed.notify_all();
      while (has_limit() && busy && !abandoned) {
        abandoned = lost || clock::now() >= deadline;
        if (!abandoned) changed.wait_until(lock, deadline);
      }
      if (abandoned) return worker.detach();
      lock.unlock();
      worker.join();
      delete this;
    }

    [[nodiscard]] std::size_t place(std::uint64_t number) const { return number % ring.size(); }

    async_settings settings;
    Reward wrapped;
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<submission> ring;
    std::uint64_t submitted = 0;
    std::uint64_t finished = 0;
    std::uint64_t reported = 0;
    bool busy = false;  ///< submission finished + 1, until the deadline
    clock::time_point deadline;
    bool stopping = false, lost = false, abandoned = false;
    std::thread worker;  ///< not std::jthread, which libc++ does not have before 20
  };
  struct ending {
    void operator()(state* ended) const { ended->end(); }
  };

  std::unique_ptr<state, ending> state_;
};

}  // namespace fewstep
