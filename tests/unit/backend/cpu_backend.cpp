// SPDX-License-Identifier: Apache-2.0
#include "support/arrays.hpp"
#include "support/sanitized.hpp"
#include "test.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/reward/per_sample.hpp>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::test::normals;

TEST_CASE("cpu_backend has the threads it is given") {
  CHECK(cpu_backend().threads() >= 1);
  CHECK(cpu_backend({.threads = 3}).threads() == 3);
  CHECK_THROWS_WITH(cpu_backend({.threads = -1}), contains("threads is -1"));
}

#if FEWSTEP_HAS_OPENMP && !defined(FEWSTEP_TEST_SANITIZED)
TEST_CASE("more threads than the system gives are refused by a sentence") {
  const auto refused_under_a_gigabyte = [](const auto& asks_for_threads) {
    const ::pid_t child = ::fork();
    if (child == 0) {
      const ::rlimit memory{std::size_t{1} << 30, std::size_t{1} << 30};
      ::setrlimit(RLIMIT_AS, &memory);
      try {
        asks_for_threads();
      } catch (const std::runtime_error& error) {
        const std::string text = error.what();
        ::_exit(text.find("threads is 3000, but the system gives this process ") != text.npos ? 0 : 1);
      }
      ::_exit(2);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  };
  CHECK(refused_under_a_gigabyte([] { (void)cpu_backend({.threads = 3000}); }));
  CHECK(refused_under_a_gigabyte([] {
    fewstep::per_sample judge([](fewstep::vec<const float>, int) { return 0.0f; }, {.threads = 3000});
    const std::vector<float> values(3000);
    const std::vector<int> contexts(3000);
    std::vector<float> out(3000);
    judge(fewstep::matrix<const float>(values.data(), {3000, 1}), std::span(contexts), std::span(out));
  }));
}
#endif

TEST_CASE("cpu_backend runs every task once, on an executor of its own") {
  for (const int threads : {1, 2, 3})
    for (const index_t tasks : {0, 1, 2, 3, 64}) {
      cpu_backend backend({.threads = threads});
      std::vector<std::atomic<int>> runs(static_cast<std::size_t>(tasks));
      std::vector<std::atomic<int>> busy(static_cast<std::size_t>(threads));
      std::atomic<int> wrong = 0;
      backend.parallel_for(tasks, [&](fewstep::cpu_executor& executor, int thread, index_t i) {
        if (thread < 0 || thread >= threads || &executor != &backend.executor(thread)) ++wrong;
        if (busy[static_cast<std::size_t>(thread)]++ != 0) ++wrong;
        ++runs[static_cast<std::size_t>(i)];
        --busy[static_cast<std::size_t>(thread)];
      });
      CAPTURE(threads, tasks);
      CHECK(wrong == 0);
      CHECK(std::all_of(runs.begin(), runs.end(), [](const auto& count) { return count == 1; }));
    }
}

TEST_CASE("cpu_backend reports the exception of a task to the caller") {
  for (const int threads : {1, 2}) {
    cpu_backend backend({.threads = threads});
    const auto run = [&] {
      backend.parallel_for(8, [](auto&, int, index_t i) {
        if (i == 5) throw std::runtime_error("task 5 failed");
      });
    };
    CHECK_THROWS_WITH(run(), contains("task 5 failed"));
    index_t after = 0;
    backend.parallel_for(1, [&](auto&, int, index_t) { ++after; });
    CHECK(after == 1);
  }
}

TEST_CASE("cpu_backend::for_each visits every index once") {
  for (const int threads : {1, 2})
    for (const index_t n : {0, 1, 16383, 16384, 16385, 50000}) {
      cpu_backend backend({.threads = threads});
      std::vector<int> visits(static_cast<std::size_t>(n));
      backend.for_each(n, [&](index_t i) { ++visits[static_cast<std::size_t>(i)]; });
      CAPTURE(threads, n);
      CHECK(std::all_of(visits.begin(), visits.end(), [](int count) { return count == 1; }));
    }
}

TEST_CASE("cpu_backend::sum has the same bits for any number of threads") {
  for (const index_t n : {0, 1, 7, 8, 9, 16384, 16385, 100003}) {
    const auto values = normals<double>(n, 1, 1e3);
    const auto term = [&](index_t i) { return values[static_cast<std::size_t>(i)]; };
    long double exact = 0;
    double size = 0;
    for (const double value : values) {
      exact += value;
      size += std::abs(value);
    }
    cpu_backend one({.threads = 1});
    const double expected = one.sum(n, term);
    CAPTURE(n);
    CHECK(std::abs(expected - static_cast<double>(exact)) <= 1e-12 * size);
    for (const int threads : {2, 3, 5}) {
      cpu_backend backend({.threads = threads});
      CHECK(backend.sum(n, term) == expected);
      CHECK(backend.sum(n, term) == expected);
    }
  }
}

TEST_CASE("cpu_tensor is zero at the start, whatever the memory held before") {
  cpu_backend backend;
  for (int round = 0; round < 8; ++round) {
    fewstep::cpu_tensor<float, 2> t(backend, {7, 33});
    CHECK(t.size() == 231);
    CHECK(t.bytes() == 924);
    CHECK(reinterpret_cast<std::uintptr_t>(t.data()) % 64 == 0);
    CHECK(std::all_of(t.view().begin(), t.view().end(), [](float value) { return value == 0.0f; }));
    std::memset(t.data(), 0xff, t.bytes());
  }
}

TEST_CASE("cpu_tensor may be empty, and moves without copying") {
  cpu_backend backend;
  CHECK(fewstep::cpu_tensor<float, 1>(backend, {0}).size() == 0);
  fewstep::cpu_tensor<float, 1> a(backend, {5});
  const float* memory = a.data();
  const auto b = std::move(a);
  CHECK(b.data() == memory);
}

TEST_CASE("cpu_backend copies to and from host arrays, and from array to array") {
  cpu_backend backend;
  const auto values = normals<float>(77, 2);
  fewstep::cpu_tensor<float, 1> t(backend, {77});
  std::vector<float> back(77);
  backend.copy_to_device(values.data(), t.data(), 77);
  backend.copy_to_host(t.data(), back.data(), 77);
  fewstep::cpu_tensor<float, 1> other(backend, {77});
  backend.copy(t.data() + 1, other.data(), 76);
  CHECK(std::equal(values.begin() + 1, values.end(), other.data()));
  CHECK(other.data()[76] == 0);
  CHECK(back == values);
}

TEST_CASE("cpu_executor's scratch grows once and its zeros are zero") {
  fewstep::cpu_executor executor;
  using fewstep::cpu_executor;
  float* work = executor.scratch<float>(cpu_executor::work, 100);
  CHECK(executor.scratch<float>(cpu_executor::work, 100) == work);
  CHECK(executor.scratch<double>(cpu_executor::work, 50) == reinterpret_cast<double*>(work));
  CHECK(executor.scratch<float>(cpu_executor::columns, 100) != work);
  for (const index_t n : {10, 1000}) {
    const float* zeros = executor.scratch<float>(cpu_executor::zeros, n);
    CHECK(std::all_of(zeros, zeros + n, [](float value) { return value == 0.0f; }));
  }
}
