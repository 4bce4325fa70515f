// SPDX-License-Identifier: Apache-2.0
#include <fewstep/reward/async.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <latch>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "test.hpp"

namespace {

using fewstep::index_t;
using fewstep::matrix;

/// Runs `action` with the first value of the batch, then writes twice that value plus the context.
template <class Action>
struct probe {
  Action action;
  void operator()(matrix<const float> samples, std::span<const int> contexts, std::span<float> out) {
    action(static_cast<int>(samples(0, 0)));
    for (std::size_t i = 0; i < out.size(); ++i)
      out[i] = 2.0f * samples(static_cast<index_t>(i), 0) + static_cast<float>(contexts[i]);
  }
};
template <class Action>
probe(Action) -> probe<Action>;

/// Memory of one submission: two samples n and n + 100, contexts 5 and 6.
struct part {
  explicit part(int n) : values{static_cast<float>(n), static_cast<float>(n + 100)} {}
  template <class Reward>
  auto submit(Reward& to) {
    return to.submit(matrix<const float>(values.data(), {2, 1}), std::span<const int>(contexts), std::span(out));
  }
  std::vector<float> expected() const { return {2 * values[0] + 5, 2 * values[1] + 6}; }

  std::vector<float> values;
  std::vector<int> contexts{5, 6};
  std::vector<float> out = std::vector<float>(2, -777.0f);
};

std::vector<part> parts(int count) {
  std::vector<part> made;
  for (int n = 0; n < count; ++n) made.emplace_back(n);
  return made;
}

const auto do_nothing = [](int) {};
const auto fail_odd = [](int n) {
  if (n % 2 == 1) throw std::domain_error("batch " + std::to_string(n));
};

}  // namespace

TEST_CASE("submissions are rated in order, each into its own place") {
  std::vector<int> order;
  fewstep::async judge(probe{[&order](int n) { order.push_back(n); }}, {.capacity = 3});
  auto batch = parts(50);
  for (auto& one : batch) one.submit(judge);
  judge.wait();
  for (const auto& one : batch) CHECK(one.out == one.expected());
  REQUIRE(order.size() == 50);
  for (int n = 0; n < 50; ++n) CHECK(order[static_cast<std::size_t>(n)] == n);
}

TEST_CASE("the caller goes on while the worker rates") {
  std::latch caller_went_on(1);
  fewstep::async judge(probe{[&](int) { caller_went_on.wait(); }});
  part one(1);
  const auto ticket = one.submit(judge);
  CHECK(one.out[0] == -777.0f);
  caller_went_on.count_down();  // a submit that judged in place would never get here
  judge.wait(ticket);
  CHECK(one.out == one.expected());
}

TEST_CASE("waiting for a ticket does not wait for later ones") {
  std::latch released(1);
  fewstep::async judge(probe{[&](int n) {
    if (n == 1) released.wait();
  }});
  auto batch = parts(2);
  const auto first = batch[0].submit(judge);
  const auto second = batch[1].submit(judge);
  judge.wait(first);
  CHECK(batch[0].out == batch[0].expected());
  released.count_down();
  judge.wait(second);
  judge.wait(first);
  CHECK(batch[1].out == batch[1].expected());
}

TEST_CASE("a full queue makes submit wait") {
  std::atomic<int> judged{0};
  std::latch released(1);
  fewstep::async judge(probe{[&](int) {
                         released.wait();
                         ++judged;
                       }},
                       {.capacity = 2});
  auto batch = parts(3);
  batch[0].submit(judge);
  batch[1].submit(judge);
  CHECK(judged == 0);
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    released.count_down();
  });
  batch[2].submit(judge);
  CHECK(judged >= 1);
  judge.wait();
  CHECK(judged == 3);
  later.join();
}

TEST_CASE("what the reward throws comes out of wait, once, in order, and later submissions are rated") {
  fewstep::async judge(probe{fail_odd}, {.capacity = 8});
  auto batch = parts(5);
  std::vector<decltype(batch[0].submit(judge))> tickets;
  for (auto& one : batch) tickets.push_back(one.submit(judge));
  CHECK_NOTHROW(judge.wait(tickets[0]));
  CHECK_THROWS_WITH(judge.wait(tickets[4]), "batch 1");
  CHECK_THROWS_AS(judge.wait(), std::domain_error);
  CHECK_NOTHROW(judge.wait());
  for (const std::size_t n : {0u, 2u, 4u}) CHECK(batch[n].out == batch[n].expected());
}

TEST_CASE("a failure nobody waited for is thrown by the submit that needs its place") {
  fewstep::async judge(probe{fail_odd}, {.capacity = 2});
  auto batch = parts(5);
  batch[0].submit(judge);
  batch[1].submit(judge);
  batch[2].submit(judge);
  CHECK_THROWS_WITH(batch[4].submit(judge), "batch 1");
  CHECK_NOTHROW(batch[4].submit(judge));
  judge.wait();
  CHECK(batch[4].out == batch[4].expected());
}

TEST_CASE("an asynchronous reward is a reward") {
  fewstep::async judge(probe{fail_odd});
  auto batch = parts(2);
  const auto call = [&](part& with) {
    judge(matrix<const float>(with.values.data(), {2, 1}), std::span<const int>(with.contexts), std::span(with.out));
  };
  call(batch[0]);
  CHECK(batch[0].out == batch[0].expected());
  CHECK_THROWS_AS(call(batch[1]), std::domain_error);
  call(batch[0]);
}

TEST_CASE("destruction ends what runs and drops what waits") {
  for (int repetition = 0; repetition < 50; ++repetition) {
    std::atomic<int> judged{0};
    auto batch = parts(4);
    {
      std::latch begun(1);
      std::latch released(1);
      fewstep::async judge(probe{[&](int) {
        begun.count_down();
        released.wait();
        ++judged;
      }});
      batch[0].submit(judge);
      begun.wait();
      released.count_down();
      if (repetition % 2 == 0) judge.wait();
    }
    CHECK(judged == 1);
    { fewstep::async unused(probe{do_nothing}); }
    {
      fewstep::async hasty(probe{do_nothing});
      for (auto& one : batch) one.submit(hasty);
    }
    fewstep::async failed(probe{fail_odd});
    batch[1].submit(failed);
  }
}

TEST_CASE("an asynchronous reward can be moved while it works, and its reward may be one that only moves") {
  int seen = 0;
  auto own = [&seen, token = std::make_unique<int>(3)](int) { seen = *token; };
  fewstep::async judge(probe<decltype(own)>{std::move(own)});
  part one(4);
  const auto ticket = one.submit(judge);
  auto moved = std::move(judge);
  moved.wait(ticket);
  CHECK(one.out == one.expected());
  CHECK(seen == 3);
  seen = 0;
  moved.inner().action(0);
  CHECK(seen == 3);
}

TEST_CASE("several threads may submit and wait") {
  int judged = 0;
  fewstep::async judge(probe{[&judged](int) { ++judged; }}, {.capacity = 2});
  std::atomic<int> right{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller)
    callers.emplace_back([&] {
      for (int n = 0; n < 50; ++n) {
        part one(n);
        judge.wait(one.submit(judge));
        if (one.out == one.expected()) ++right;
      }
    });
  for (auto& caller : callers) caller.join();
  CHECK(right == 200);
  CHECK(judged == 200);
}

TEST_CASE("a reward that does not return is given up after its time, by a sentence with seconds and batch") {
  // What is given up may go on for ever, so nothing of this case may be needed by it.
  const auto released = std::make_shared<std::latch>(1), ended = std::make_shared<std::latch>(1);
  const auto begin = std::chrono::steady_clock::now();
  {
    fewstep::async judge(probe{[released, ended](int n) {
                           if (n < 1) return;
                           released->wait();
                           ended->count_down();
                         }},
                         {.capacity = 2, .timeout = 1.5});
    auto batch = parts(3);
    batch[0].submit(judge);
    judge.wait();
    CHECK(batch[0].out == batch[0].expected());
    const auto late = batch[1].submit(judge);
    const auto* sentence = "async: submission 2 (2 samples of 1 values) has been rated for more than 1.5 s";
    CHECK_THROWS_WITH(judge.wait(late), contains(sentence));
    CHECK_THROWS_WITH(batch[2].submit(judge), contains(sentence));
    CHECK_THROWS_WITH(judge.wait(), contains(sentence));
    CHECK(batch[1].out == std::vector<float>(2, -777.0f));
  }
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(20));
  released->count_down();
  ended->wait();  // with memory of its own
}

TEST_CASE("a full queue whose oldest submission does not return is given up too") {
  const auto released = std::make_shared<std::latch>(1);
  fewstep::async judge(probe{[released](int) { released->wait(); }}, {.capacity = 1, .timeout = 0.2});
  auto batch = parts(2);
  batch[0].submit(judge);
  CHECK_THROWS_WITH(batch[1].submit(judge), contains("submission 1 (2 samples of 1 values)"));
  released->count_down();
}

TEST_CASE("a reward within its time is the same, and may take the time anew for every submission") {
  fewstep::async judge(probe{[](int) { std::this_thread::sleep_for(std::chrono::milliseconds(30)); }},
                       {.capacity = 3, .timeout = 10});
  auto batch = parts(8);
  for (auto& one : batch) one.submit(judge);
  judge.wait();
  for (const auto& one : batch) CHECK(one.out == one.expected());
  CHECK_THROWS_WITH(
      [] {
        fewstep::async failing(probe{fail_odd}, {.timeout = 10});
        part one(1);
        one.submit(failing);
        failing.wait();
      }(),
      "batch 1");
}

TEST_CASE("with a timeout contexts are copied as bytes") {
  struct by_name {
    void operator()(matrix<const float>, std::span<const std::string>, std::span<float> out) const { out[0] = 1; }
  };
  const std::vector<float> sample{1};
  const std::vector<std::string> names{"cat"};
  std::vector<float> out(1);
  fewstep::async timed(by_name{}, {.timeout = 10}), untimed(by_name{});
  const matrix<const float> samples(sample.data(), {1, 1});
  CHECK_THROWS_WITH(timed.submit(samples, std::span(names), std::span(out)), contains("not trivially copyable"));
  untimed.submit(samples, std::span(names), std::span(out));
  untimed.wait();
  CHECK(out[0] == 1);
  for (const double bad : {0.0, -1.0, std::numeric_limits<double>::quiet_NaN()})
    CHECK_THROWS_WITH(fewstep::async(by_name{}, {.timeout = bad}), contains("async: timeout is "));
}

TEST_CASE("wrong uses are refused with a sentence") {
  CHECK_THROWS_WITH(fewstep::async(probe{do_nothing}, {.capacity = 0}), contains("capacity is 0"));
  fewstep::async judge(probe{do_nothing});
  part one(1);
  auto ticket = one.submit(judge);
  ++ticket.number;
  CHECK_THROWS_WITH(judge.wait(ticket), contains("submission 2") && contains("only 1"));
  judge.wait();
}
