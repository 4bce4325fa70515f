// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/cuda/backend.cuh>
#include <fewstep/cuda/in_flight.cuh>

#include <benchmark/benchmark.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <map>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

/// How the benchmarks of a GPU are timed, and the ceilings that they are given as a share of.
///
/// A call is what is benchmarked, a kernel or a whole update. Calls are timed by the events of CUDA around a batch of
/// many of them, either launched one by one by the host or recorded once as a CUDA graph and replayed. They go round
/// `sets` of arrays: with one set, what fits is found in the L2 cache ("resident"); with so many that together they are
/// several times its size, all comes from memory ("streamed"). A ceiling is measured in the same process, launched in
/// the same way and with as many sets.
///
/// The same bodies run once, with small arguments, on the emulation of a device (FEWSTEP_BENCHMARK_EMULATED); its times
/// mean nothing.

namespace gpu {

using namespace fewstep;

#if defined(FEWSTEP_BENCHMARK_EMULATED)
using backend_type = emulated_backend;
#else
using backend_type = cuda_backend;
#endif
inline constexpr bool emulated = std::is_same_v<backend_type, emulated_backend>;

/// How calls reach the device.
enum class launched { singly, as_graph };

[[nodiscard]] inline const char* name_of(launched how) { return how == launched::singly ? "single" : "graph"; }

/// Seconds between two moments of a device's stream. A device without a stream has the host's clock.
template <class Device>
class stopwatch {
 public:
  explicit stopwatch(Device& device) : device_(device) {}
  void start() {
    device_.synchronize();
    begin_ = clock::now();
  }
  /// Since start(), when all that was enqueued is done.
  [[nodiscard]] double seconds() {
    device_.synchronize();
    return std::chrono::duration<double>(clock::now() - begin_).count();
  }

 private:
  using clock = std::chrono::steady_clock;
  Device& device_;
  clock::time_point begin_{};
};

template <>
class stopwatch<cuda_device> {
 public:
  explicit stopwatch(cuda_device& device) : device_(device) {
    detail::check_cuda(cudaEventCreate(&begin_), "cudaEventCreate");
    detail::check_cuda(cudaEventCreate(&end_), "cudaEventCreate");
  }
  stopwatch(const stopwatch&) = delete;
  stopwatch& operator=(const stopwatch&) = delete;
  ~stopwatch() {
    if (begin_ != nullptr) (void)cudaEventDestroy(begin_);
    if (end_ != nullptr) (void)cudaEventDestroy(end_);
  }

  void start() {
    device_.synchronize();
    detail::check_cuda(cudaEventRecord(begin_, device_.stream()), "cudaEventRecord");
  }
  [[nodiscard]] double seconds() {
    detail::check_cuda(cudaEventRecord(end_, device_.stream()), "cudaEventRecord");
    detail::check_cuda(cudaEventSynchronize(end_), "cudaEventSynchronize");
    float milliseconds = 0;
    detail::check_cuda(cudaEventElapsedTime(&milliseconds, begin_, end_), "cudaEventElapsedTime");
    return 1e-3 * static_cast<double>(milliseconds);
  }

 private:
  cuda_device& device_;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

/// Calls f(0), f(1), ... that are timed together, as many as take a few milliseconds: a multiple of `sets`, of which
/// call i uses set i % sets. The first calls take what memory f needs and are not timed.
template <class Backend, class F>
class timed_calls {
 public:
  timed_calls(Backend& backend, launched how, index_t sets, const F& f)
      : device_(backend.device()), watch_(device_), f_(f), calls_(sets) {
    enqueue();
    watch_.start();
    enqueue();
    const double once = watch_.seconds();
    constexpr double wanted = emulated ? 0.0 : 5e-3;
    constexpr index_t most = 4096;  // nodes of a graph
    const double rounds = std::ceil(wanted / std::max(once, 1e-7));
    calls_ = sets * std::clamp<index_t>(static_cast<index_t>(rounds), 1, std::max<index_t>(1, most / sets));
    if (how == launched::as_graph) graph_ = device_.record([this] { enqueue(); });
    (void)seconds();
  }
  timed_calls(const timed_calls&) = delete;
  timed_calls& operator=(const timed_calls&) = delete;

  /// How many are timed together.
  [[nodiscard]] index_t calls() const { return calls_; }
  /// Seconds of all of them.
  [[nodiscard]] double seconds() {
    watch_.start();
    if (graph_)
      device_.start(graph_);
    else
      enqueue();
    return watch_.seconds();
  }

 private:
  using device_type = std::remove_reference_t<decltype(std::declval<Backend&>().device())>;

  void enqueue() {
    for (index_t i = 0; i < calls_; ++i) f_(i);
  }

  device_type& device_;
  stopwatch<device_type> watch_;
  const F& f_;
  index_t calls_;
  typename device_type::graph graph_;
};

/// Median seconds of one call.
template <class Backend, class F>
[[nodiscard]] double seconds_of(Backend& backend, launched how, index_t sets, const F& f) {
  timed_calls<Backend, F> calls(backend, how, sets, f);
  std::vector<double> seconds(emulated ? 1 : 7);
  for (double& s : seconds) s = calls.seconds() / static_cast<double>(calls.calls());
  std::nth_element(seconds.begin(), seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2), seconds.end());
  return seconds[seconds.size() / 2];
}

/// to[0 .. n) = from[0 .. n), n packets of 16 bytes, several of them under way in each thread.
struct copy_packets {
  static constexpr int threads = 256, per_thread = 4;
  static constexpr index_t per_block = threads * per_thread;

  const float4* from;
  float4* to;
  index_t n;

  [[nodiscard]] index_t blocks() const { return (n + per_block - 1) / per_block; }
  template <class Block>
  FEWSTEP_HD void operator()(Block& block) const {
    const index_t first = block.index() * per_block + block.thread();
    detail::with_loads_in_flight<per_thread>(
        [&](int k) { return first + k * threads < n ? from[first + k * threads] : float4{}; },
        [&](int k, const float4& packet) {
          if (first + k * threads < n) to[first + k * threads] = packet;
        });
  }
};

/// values[i] in [-1, 1), without a pattern.
struct fill_values {
  float* values;
  FEWSTEP_HD void operator()(index_t i) const {
    auto bits = static_cast<std::uint32_t>(i) * 2654435761u;
    bits = (bits ^ (bits >> 16)) * 0x85ebca6bu;
    bits ^= bits >> 13;
    values[i] = static_cast<float>(bits >> 8) * 0x1p-23f - 1.0f;
  }
};

/// n values that are not all alike.
template <class Backend>
[[nodiscard]] tensor<float, 1, Backend> filled(Backend& backend, index_t n) {
  tensor<float, 1, Backend> values(backend, {n});
  backend.for_each(n, fill_values{values.data()});
  return values;
}

/// Bytes of the L2 cache; of the emulation, which has none, next to nothing.
template <class Backend>
[[nodiscard]] index_t cache_bytes(Backend&) {
  if constexpr (emulated) {
    return 1;
  } else {
    int device = 0, bytes = 0;
    detail::check_cuda(cudaGetDevice(&device), "cudaGetDevice");
    detail::check_cuda(cudaDeviceGetAttribute(&bytes, cudaDevAttrL2CacheSize, device), "cudaDeviceGetAttribute");
    return bytes;
  }
}

/// How many sets of arrays of so many bytes are several times as large as the L2 cache together.
template <class Backend>
[[nodiscard]] index_t streamed_sets(Backend& backend, double bytes) {
  return std::max<index_t>(emulated ? 2 : 1,
                           static_cast<index_t>(std::ceil(4.0 * static_cast<double>(cache_bytes(backend)) / bytes)));
}

/// Arrays to copy, `sets` pairs of them.
template <class Backend>
class copies {
 public:
  /// Each copy reads and writes `bytes` in all.
  copies(Backend& backend, double bytes, index_t sets)
      : backend_(backend), packets_(std::max<index_t>(1, static_cast<index_t>(bytes / 32.0))) {
    for (index_t i = 0; i < 2 * sets; ++i) arrays_.push_back(filled(backend, 4 * packets_));
  }

  [[nodiscard]] double bytes() const { return 32.0 * static_cast<double>(packets_); }
  void by_kernel(index_t call) {
    const auto [from, to] = pair(call);
    const copy_packets kernel{reinterpret_cast<const float4*>(from), reinterpret_cast<float4*>(to), packets_};
    backend_.executor(0).launch(kernel.blocks(), kernel);
  }
  void by_driver(index_t call) {
    const auto [from, to] = pair(call);
    backend_.copy(from, to, 4 * packets_);
  }

 private:
  [[nodiscard]] std::pair<const float*, float*> pair(index_t call) {
    const auto first = 2 * static_cast<std::size_t>(call) % arrays_.size();
    return {arrays_[first].data(), arrays_[first + 1].data()};
  }

  Backend& backend_;
  index_t packets_;
  std::vector<tensor<float, 1, Backend>> arrays_;
};

/// Bytes per second, read and written, of copies that touch `bytes` each: the faster of a kernel and cudaMemcpyAsync,
/// launched in the given way over `sets` pairs of arrays. Measured at the first call for these arguments.
template <class Backend>
[[nodiscard]] double copy_rate(Backend& backend, double bytes, launched how, index_t sets) {
  static std::map<std::tuple<double, launched, index_t>, double> known;
  const auto key = std::tuple(bytes, how, sets);
  if (const auto found = known.find(key); found != known.end()) return found->second;
  copies<Backend> arrays(backend, bytes, sets);
  const double by_kernel = seconds_of(backend, how, sets, [&](index_t i) { arrays.by_kernel(i); });
  const double by_driver = seconds_of(backend, how, sets, [&](index_t i) { arrays.by_driver(i); });
  return known[key] = arrays.bytes() / std::min(by_kernel, by_driver);
}

/// Floating-point operations per second of a large product by cuBLASLt; 0 for the emulation. Measured at the first call
/// for a compute type.
[[nodiscard]] double matrix_rate(compute_type compute);

/// What one call does. A figure that is 0 is not reported.
struct work {
  double items = 0;       ///< samples, rows, parameters: the counter items (a rate)
  double bytes = 0;       ///< read and written: bytes (a rate)
  double operations = 0;  ///< floating-point, 2 a multiply-add: FLOP (a rate)
  double set = 0;         ///< bytes of a set of arrays; all sets together are the counter working_set
  /// of_copy is the rate of bytes in units of the rate of a copy that touches so many bytes; 0: there is none
  double copied = 0;
  double peak = 0;  ///< of_peak is the rate of operations in units of this one; 0: there is none
};

/// Times f(i), one call an iteration.
template <class Backend, class F>
void run(benchmark::State& state, Backend& backend, const work& w, launched how, index_t sets, const F& f) {
  using benchmark::Counter;
  const double copy = w.copied > 0 ? copy_rate(backend, w.copied, how, sets) : 0;
  timed_calls<Backend, F> calls(backend, how, sets, f);
  double seconds = 0;
  while (state.KeepRunningBatch(calls.calls())) {
    const double batch = calls.seconds();
    state.SetIterationTime(batch);
    seconds += batch;
  }
  const double per_second = static_cast<double>(state.iterations()) / seconds;
  const auto report = [&](const char* name, double per_call, const char* share, double ceiling) {
    if (per_call <= 0) return;
    state.counters[name] = Counter(per_call * per_second, Counter::kDefaults, Counter::kIs1000);
    if (ceiling > 0) state.counters[share] = Counter(per_call * per_second / ceiling);
  };
  report("items", w.items, "", 0);
  report("bytes", w.bytes, "of_copy", copy);
  report("FLOP", w.operations, "of_peak", w.peak);
  if (w.set > 0) state.counters["working_set"] = Counter(w.set * static_cast<double>(sets));
  state.counters["calls_at_once"] = Counter(static_cast<double>(calls.calls()));
}

/// Kernels, copies and fills that one call of f, which waits for nothing, brings to the device. f has run before.
template <class Backend, class F>
[[nodiscard]] double launches_of(Backend& backend, const F& f) {
  if constexpr (emulated) {
    const auto before = backend.device().launches();
    f();
    return static_cast<double>(backend.device().launches() - before);
  } else {
    const cudaStream_t stream = backend.device().stream();
    detail::check_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
    f();
    cudaGraph_t recorded = nullptr;
    detail::check_cuda(cudaStreamEndCapture(stream, &recorded), "cudaStreamEndCapture");
    std::size_t nodes = 0;
    const cudaError_t counted = cudaGraphGetNodes(recorded, nullptr, &nodes);
    (void)cudaGraphDestroy(recorded);
    detail::check_cuda(counted, "cudaGraphGetNodes");
    return static_cast<double>(nodes);
  }
}

/// How products and convolutions are computed in a benchmark.
struct arithmetic {
  const char* name;
  compute_type compute;
  product_kernels products = product_kernels::library;
};
/// All, or what the emulation has.
[[nodiscard]] inline std::vector<arithmetic> arithmetics() {
  if (emulated) return {{"float32", compute_type::float32}};
  return {{"float32", compute_type::float32},
          {"tf32", compute_type::tf32},
          {"bf16", compute_type::bf16},
          {"own", compute_type::float32, product_kernels::own}};
}

[[nodiscard]] inline backend_type make_backend(const arithmetic& a, bool graphs = true) {
  return backend_type({.compute = a.compute, .products = a.products, .graphs = graphs});
}

using argument_lists = std::vector<std::vector<std::int64_t>>;

/// Registers body(state) under a name for each list of arguments, on the emulation for `small` alone. A benchmark that
/// throws is reported with what it throws.
template <class Body>
void add(const std::string& name, const std::vector<std::string>& argument_names, const argument_lists& all,
         const std::vector<std::int64_t>& small, const Body& body) {
  auto* added = benchmark::RegisterBenchmark(name.c_str(), [body](benchmark::State& state) {
    try {
      body(state);
    } catch (const std::exception& failure) {
      state.SkipWithError(failure.what());
    }
  });
  added->ArgNames(argument_names)->UseManualTime();
  if constexpr (emulated)
    added->Args(small)->Iterations(1);
  else
    for (const auto& arguments : all) added->Args(arguments);
}

}  // namespace gpu
