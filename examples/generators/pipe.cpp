// SPDX-License-Identifier: Apache-2.0
#include <fewstep/fewstep.hpp>
#include <fewstep/process/child_process.hpp>

#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <span>
#include <string>
#include <vector>

// A generator whose network lives in another process, a model server. Parameters and gradients travel with every call:
// the server keeps nothing, so there is no state to lose with it or to mix up between two evaluations in flight. The
// price is a copy of them a call, and that backward evaluates again what it needs (this network needs nothing). Where
// they are many megabytes, let both processes map one file instead and send the rows only.
using fewstep::cpu_backend, fewstep::index_t, fewstep::matrix, fewstep::time_limit, fewstep::vec;
using rows_of_call = fewstep::batch<std::int32_t>;
using parameter_array = std::array<float, 10>;

//! [server]
struct request {
  std::int32_t differentiates, rows;
};

template <class T>
std::istream& take(T* values, std::size_t count) {
  return std::cin.read(reinterpret_cast<char*>(values), static_cast<std::streamsize>(count * sizeof(T)));
}
template <class T>
void give(const T* values, std::size_t count) {
  std::cout.write(reinterpret_cast<const char*>(values), static_cast<std::streamsize>(count * sizeof(T))).flush();
}

/// What the network, which is linear, sees of a row.
std::array<float, 5> features(const float* x, float time, std::int32_t place) {
  const float scale = 1 / std::sqrt(time * time + 0.25f);
  return {scale * x[0], scale * x[1], 0.25f * std::log(time), static_cast<float>(place), 1};
}

/// Reads a request, parameters[10], x[rows,2], times[rows], places[rows] and answers o[rows,2]. Where it has to
/// differentiate it also reads the gradient by o and gradients[10], and answers the latter with the rows' share added.
int serve() {
  for (request call{}; take(&call, 1);) {
    const auto rows = static_cast<std::size_t>(call.rows);
    parameter_array parameters, gradients;
    std::vector<float> x(2 * rows), times(rows), o(2 * rows);
    std::vector<std::int32_t> places(rows);
    take(parameters.data(), 10), take(x.data(), 2 * rows), take(times.data(), rows), take(places.data(), rows);
    if (call.differentiates) take(o.data(), 2 * rows), take(gradients.data(), 10);  // o is then the gradient by o
    for (std::size_t r = 0; r < rows; ++r) {
      const auto in = features(&x[2 * r], times[r], places[r]);
      for (std::size_t i = 0; i < 10; ++i)
        if (call.differentiates)  // onto the sum so far, so that its bits do not depend on how rows are cut into calls
          gradients[i] += o[2 * r + i / 5] * in[i % 5];
        else
          o[2 * r + i / 5] += parameters[i] * in[i % 5];
    }
    call.differentiates ? give(gradients.data(), 10) : give(o.data(), 2 * rows);
  }
  return 0;
}
//! [server]

//! [generator]
class served_generator {
 public:
  using context_type = std::int32_t;

  explicit served_generator(const std::vector<std::string>& command) : server_(command) {}

  index_t sample_size() const { return 2; }
  fewstep::edm_consistency preconditioner() const { return {.sigma_max = 5.0f}; }
  vec<float> parameters() { return fewstep::as_vec(std::span<float>(parameters_)); }
  vec<float> gradients() { return fewstep::as_vec(std::span<float>(gradients_)); }

  void predict(cpu_backend&, rows_of_call rows, matrix<float> o) {
    send_call(false, rows);
    receive(o);
  }
  void backward(cpu_backend&, rows_of_call rows, matrix<const float> o_gradient) {
    send_call(true, rows);
    send(o_gradient), send(gradients());
    receive(gradients());
  }

 private:
  // A server that dies or does not answer in time is an error that names its command.
  void send(auto view) { server_.write(std::as_bytes(std::span(view.begin(), view.end())), time_limit(30)); }
  void receive(auto view) { server_.read(std::as_writable_bytes(std::span(view.begin(), view.end())), time_limit(30)); }
  void send_call(bool differentiates, rows_of_call rows) {
    request call{differentiates, static_cast<std::int32_t>(rows.rows())};
    send(vec<request>(&call, {1})), send(parameters()), send(rows.x), send(rows.times);
    for (index_t r = 0; r < rows.rows(); ++r) send(vec<const context_type>(&rows.contexts[r], {1}));
  }

  fewstep::child_process server_;
  parameter_array parameters_{}, gradients_{};
};
//! [generator]

int main(int argument_count, char**) {
  if (argument_count > 1) return serve();  // this program is its own server
  cpu_backend backend({.threads = 1});
  served_generator generator({"/proc/self/exe", "serve"});
  auto nearness = fewstep::per_sample(
      [](vec<const float> x, std::int32_t place) { return -std::hypot(x[0] - static_cast<float>(place), x[1]); });
  auto trainer = fewstep::rlcm(backend, generator, nearness, fewstep::adam{.learning_rate = 1e-2f},
                               {.horizon = 4, .batch = {.prompts = 4, .samples_per_prompt = 32}});
  for (const auto& update : trainer.run(std::vector<std::int32_t>{-1, 1}, 201))
    if (update.index % 100 == 0)
      std::printf("update %3d: reward %.1f, importance ratio %.9f\n", static_cast<int>(update.index),
                  update.reward_mean, update.ratio_mean);
}
