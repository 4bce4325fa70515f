// SPDX-License-Identifier: Apache-2.0
/// One network twice, as mlp_generator and as a torch::nn::Module, with the same weights and noise: samples and
/// gradients of an RLCM update agree. With --time [WIDTH], the time of an update of both, in turns.
#include "../../examples/libtorch/torch_generator.hpp"

#include "support/arrays.hpp"

#include <fewstep/fewstep.hpp>
#include <fewstep/testing/check_generator.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

using fewstep::cpu_backend;
using fewstep::index_t;
using native_generator = fewstep::mlp_generator<cpu_backend>;

namespace {

struct network_impl : torch::nn::Module {
  std::vector<float> frequencies;
  index_t classes;
  torch::nn::Sequential mlp;

  explicit network_impl(const fewstep::mlp_network<float>::options_type& o)
      : frequencies(o.frequencies), classes(o.classes) {
    index_t width = o.dimension + 2 * static_cast<index_t>(o.frequencies.size()) + o.classes;
    for (const index_t next : o.hidden) {
      mlp->push_back(torch::nn::Linear(width, next));
      mlp->push_back(torch::nn::SiLU());
      width = next;
    }
    mlp->push_back(torch::nn::Linear(width, o.dimension));
    register_module("mlp", mlp);
  }
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& t, const torch::Tensor& labels) {
    const torch::Tensor phase = (t.log() / 4).unsqueeze(1) * torch::tensor(frequencies);
    return mlp->forward(
        torch::cat({x, phase.sin(), phase.cos(), torch::one_hot(labels, classes).to(torch::kFloat)}, 1));
  }
};
TORCH_MODULE_IMPL(network, network_impl);

const std::vector<std::int32_t> labels = {0, 1, 2};

native_generator make_native(cpu_backend& backend, std::vector<index_t> hidden) {
  return {backend,
          {.network = {.classes = 3, .hidden = std::move(hidden)},
           .preconditioner = {.sigma_data = 0.7f, .sigma_min = 0.01f, .sigma_max = 5.0f},
           .seed = 4}};
}

/// The same network in libtorch: layers, and so parameters, stand in the same order.
torch_generator<network> make_torch(native_generator& native, const std::vector<index_t>& hidden, index_t row_block) {
  const index_t size = native.sample_size();
  torch_generator<network> generator(
      network(fewstep::mlp_network<float>::options_type{.dimension = size, .classes = 3, .hidden = hidden}),
      {.sample_size = size, .row_block = row_block, .preconditioner = native.preconditioner()});
  for (const auto& slice : native.layout().slices())
    fewstep::convert_layout(slice, native.parameters().data + slice.offset, generator.parameters().data + slice.offset,
                            true);
  return generator;
}

template <class Generator>
auto make_trainer(cpu_backend& backend, Generator& generator, int samples_per_prompt, std::size_t memory_budget) {
  auto nearness =
      fewstep::per_sample([](fewstep::vec<const float> x, std::int32_t) { return -std::hypot(x[0] - 1.0f, x[1]); });
  return fewstep::rlcm(backend, generator, nearness, fewstep::adam{.learning_rate = 1e-4f},
                       {.horizon = 4,
                        .batch = {.prompts = 3, .samples_per_prompt = samples_per_prompt},
                        .training = {.memory_budget = memory_budget}});
}

std::span<const float> numbers(fewstep::matrix<const float> m) { return {m.begin(), m.end()}; }

/// Prints what was compared; returns whether it is below the bound.
bool below(const char* what, double value, double bound) {
  std::printf("%-45s %.1e (bound %.0e)\n", what, value, bound);
  return value <= bound;
}

bool compare(int threads) {
  cpu_backend backend({.threads = threads});
  const std::vector<index_t> hidden = {64, 48};
  native_generator native = make_native(backend, hidden);
  auto torch_one = make_torch(native, hidden, 64);
  fewstep::check_generator(backend, torch_one, labels);

  auto native_trainer = make_trainer(backend, native, 67, 600'000);
  auto torch_trainer = make_trainer(backend, torch_one, 67, 600'000);
  native_trainer.sample(labels);
  torch_trainer.sample(labels);
  const double samples =
      fewstep::test::relative_error(numbers(torch_trainer.samples()), numbers(native_trainer.samples()));
  const auto native_report = native_trainer.train(), torch_report = torch_trainer.train();

  std::vector<float> expected(static_cast<std::size_t>(native.gradients().size()));
  for (const auto& slice : native.layout().slices())
    fewstep::convert_layout(slice, native.gradients().data + slice.offset, expected.data() + slice.offset, true);
  const double gradients = fewstep::test::relative_error(fewstep::as_span(torch_one.gradients()), expected);
  std::printf("%d threads, %d rows to learn from, libtorch %d at a time\n", threads,
              torch_trainer.table().trained * 3 * 67, static_cast<int>(torch_trainer.memory().rows));
  bool good = below("samples, relative difference", samples, 1e-5);
  good &= below("gradient, relative difference", gradients, 1e-5);
  good &= below("importance ratio - 1, native", std::abs(native_report.ratio_mean - 1), 0);
  good &= below("importance ratio - 1, libtorch", std::abs(torch_report.ratio_mean - 1), 0);
  return good;
}

template <class Trainer>
double seconds_of(Trainer& trainer) {
  const auto begin = std::chrono::steady_clock::now();
  (void)trainer.update(labels);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

/// A line of the table: medians of the time of an update, and of the ratios of neighbouring updates.
void time_updates(int threads, const std::vector<index_t>& hidden) {
  cpu_backend backend({.threads = threads});
  native_generator native = make_native(backend, hidden);
  auto in_64 = make_torch(native, hidden, 64), in_384 = make_torch(native, hidden, 384);
  auto native_trainer = make_trainer(backend, native, 256, 1 << 30);
  auto trainer_64 = make_trainer(backend, in_64, 256, 1 << 30),
       trainer_384 = make_trainer(backend, in_384, 256, 1 << 30);
  std::vector<double> times[3], ratios[2];
  for (int turn = -2; turn < 21; ++turn) {
    const double t = seconds_of(native_trainer), t_64 = seconds_of(trainer_64), t_384 = seconds_of(trainer_384);
    if (turn < 0) continue;
    times[0].push_back(t);
    times[1].push_back(t_64);
    times[2].push_back(t_384);
    ratios[0].push_back(t_64 / t);
    ratios[1].push_back(t_384 / t);
  }
  std::printf("| %d x %d | %d | %.2f ms | %.2f ms (%.2f) | %.2f ms (%.2f) |\n", static_cast<int>(hidden.size()),
              static_cast<int>(hidden[0]), threads, 1e3 * median(times[0]), 1e3 * median(times[1]), median(ratios[0]),
              1e3 * median(times[2]), median(ratios[1]));
}

}  // namespace

int main(int arguments, char** argument) {
  torch::manual_seed(0);
  const std::vector<std::string> given(argument + 1, argument + arguments);
  if (!given.empty() && given[0] == "--time") {
    std::vector<index_t> widths = {64, 256, 512};
    if (given.size() > 1) widths = {std::stol(given[1])};
    std::printf("| hidden layers | threads | mlp_generator | libtorch, blocks of 64 | libtorch, blocks of 384 |\n");
    std::printf("|---|---|---|---|---|\n");
    for (const index_t width : widths)
      for (const int threads : {1, 2}) time_updates(threads, {width, width, width});
    return 0;
  }
  const bool good = compare(1) && compare(2);
  std::printf("%s\n", good ? "agreed" : "DIFFERENT");
  return good ? 0 : 1;
}
