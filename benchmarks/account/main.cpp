// SPDX-License-Identifier: Apache-2.0
// Where the time of one RLCM update of the default U-Net goes: operation by operation, beside what the machine can do.
#include "../default_unet.hpp"
#include "../units.hpp"
#include "accounting_backend.hpp"

#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/image/jpeg_reward.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/testing/benchmark_run.hpp>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace {

using namespace fewstep;
using namespace accounting;

struct settings {
  int updates = 5, prompts = 64, horizon = 4;
  std::vector<int> threads = {1, 2};
};

/// The reward of the text-to-emoji example; on the accounting backend it enters itself.
template <class Backend>
struct demo_reward {
  Backend* backend;

  void operator()(matrix<const float> samples, std::span<const token_list> contexts, std::span<float> out) const {
    const auto f = [&] { jpeg_compressibility{.threads = backend->threads()}(samples, contexts, out); };
    if constexpr (requires { backend->record(part::reward, workload{}, f); })
      backend->record(part::reward, {}, f);
    else
      f();
  }
};

/// The same training run on one of the two backends.
template <class Backend>
struct training {
  training(const settings& s, int threads)
      : backend({.threads = threads}),
        model(default_unet(backend)),
        trainer(rlcm(backend, model, demo_reward<Backend>{&backend}, adamw{.learning_rate = 1e-4f},
                     {.horizon = s.horizon,
                      .batch = {.prompts = s.prompts, .samples_per_prompt = 1},
                      .training = {.seed = 1}})) {
    for (std::int32_t word = 1; word <= 32; ++word) contexts.push_back({{word, word + 32, word + 64}});
  }

  void update() {
    const stopwatch watch;
    report = trainer.update(contexts);
    seconds.push_back(watch.seconds());
  }

  static auto trainer_of(Backend& b, text_unet<Backend>& m) { return rlcm(b, m, demo_reward<Backend>{&b}, adamw{}); }

  Backend backend;
  text_unet<Backend> model;
  decltype(trainer_of(std::declval<Backend&>(), std::declval<text_unet<Backend>&>())) trainer;
  std::vector<token_list> contexts;
  std::vector<double> seconds;
  update_report report;
};

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](float x, float y) {
    return std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y);
  });
}

template <class A, class B>
bool same_results(training<A>& a, training<B>& b) {
  return same_bits(as_span(a.model.parameters()), as_span(b.model.parameters())) &&
         same_bits(a.trainer.rewards(), b.trainer.rewards()) && a.report.gradient_norm == b.report.gradient_norm &&
         a.report.loss == b.report.loss;
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

/// What an executor cannot see: the work of loops that are no operation. D is the size of a sample.
void add_known_work(ledger& spent, const step_table& table, double samples, double dimension) {
  const auto horizon = static_cast<double>(table.horizon()), trained = static_cast<double>(table.trained);
  spent[part::score].done.bytes = 16 * dimension * samples * trained;       // x, x', o, and the gradient over o
  spent[part::transition].done.bytes = 12 * dimension * samples * horizon;  // x and o to x'
}

/// The rollout draws its random numbers inside of its tasks, where nobody can look. They are drawn once more by
/// themselves, and their time is taken from that of the transitions.
void split_noise(ledger& spent, cpu_backend& backend, const step_table& table, index_t samples, index_t dimension) {
  std::vector<float> z(static_cast<std::size_t>(samples * dimension));
  double seconds = std::numeric_limits<double>::infinity();
  const auto draws = 1 + std::count_if(table.rows.begin(), table.rows.end(), [](const auto& r) { return r.sigma > 0; });
  for (int run = 0; run < 5; ++run) {
    const stopwatch watch;
    for (index_t k = 0; k < draws; ++k)
      backend.parallel_for(samples, [&](auto&, int, index_t i) {
        fill_normal({1, stream::evaluation}, static_cast<std::uint64_t>(i), static_cast<std::uint32_t>(k),
                    z.data() + i * dimension, dimension);
      });
    seconds = std::min(seconds, watch.seconds() * backend.threads());
  }
  entry& transition = spent[part::transition];
  seconds = std::min(seconds, transition.seconds);
  transition.seconds -= seconds;
  spent[part::noise].add(seconds, {0, static_cast<double>(4 * draws * samples * dimension)}, draws * samples);
}

/// All figures of one update; what is measured over several is divided by their number.
void print(const ledger& spent, cpu_backend& backend) {
  const entry all = spent.total();
  std::printf("%-21s %9s %7s %9s %9s %9s  %-14s %s\n", "part", "time", "share", "calls", "GFLOP", "GB", "rate",
              "of the machine's");
  const auto number = [](double value) { return value > 0 ? three_digits(value) : std::string("-"); };
  for (std::size_t i = 0; i < part_names.size(); ++i) {
    const entry& e = spent[static_cast<part>(i)];
    if (e.calls == 0 && e.seconds <= 0) continue;
    const double seconds = e.seconds / backend.threads();
    std::string rate, share;
    if (seconds > 0 && e.done.operations > 0) {
      rate = scaled_text(e.done.operations / seconds, "FLOP/s");
      share = three_digits(e.done.operations / seconds / multiply_add_rate(backend)) + " multiply-add rate";
    } else if (seconds > 0 && e.done.bytes > 0) {
      // A copy of as many bytes as one call touches, on every thread; not less than a block for each of them.
      const double in_one_call = e.done.bytes / static_cast<double>(e.calls);
      const double touched = std::clamp(in_one_call * backend.threads(), 131072.0 * backend.threads(), 268435456.0);
      rate = scaled_text(e.done.bytes / seconds, "B/s");
      share = three_digits(e.done.bytes / seconds / copy_bandwidth(backend, static_cast<std::size_t>(touched))) +
              " copy bandwidth";
    }
    std::printf("%-21s %9s %5.1f %% %9lld %9s %9s  %-14s %s\n", part_names[i], duration_text(seconds).c_str(),
                100 * e.seconds / all.seconds, static_cast<long long>(e.calls), number(e.done.operations / 1e9).c_str(),
                number(e.done.bytes / 1e9).c_str(), rate.c_str(), share.c_str());
  }
  const double seconds = all.seconds / backend.threads();
  std::printf(
      "%-21s %9s %5.1f %% %9lld %9s %9s  %-14s %s\n\n", "an update", duration_text(seconds).c_str(), 100.0,
      static_cast<long long>(all.calls), number(all.done.operations / 1e9).c_str(),
      number(all.done.bytes / 1e9).c_str(), scaled_text(all.done.operations / seconds, "FLOP/s").c_str(),
      (three_digits(all.done.operations / seconds / multiply_add_rate(backend)) + " multiply-add rate").c_str());
}

ledger divided(const ledger& sum, int n) {
  ledger one;
  for (std::size_t i = 0; i < part_names.size(); ++i) {
    const entry& e = sum[static_cast<part>(i)];
    one[static_cast<part>(i)].add(e.seconds / n, {e.done.operations / n, e.done.bytes / n}, e.calls / n);
  }
  return one;
}

bool account_for(const settings& s, int threads) {
  const auto plain_run = std::make_unique<training<cpu_backend>>(s, threads);
  const auto accounted = std::make_unique<training<accounting_backend>>(s, threads);
  plain_run->update();
  accounted->update();
  bool same = same_results(*plain_run, *accounted);
  plain_run->seconds.clear();
  accounted->seconds.clear();
  accounted->backend.reset();
  for (int i = 0; i < s.updates; ++i) {  // in turns: a slow minute of the machine meets both
    plain_run->update();
    accounted->update();
    same = same && same_results(*plain_run, *accounted);
  }

  ledger spent = divided(accounted->backend.spent(), s.updates);
  const step_table& table = accounted->trainer.table();
  add_known_work(spent, table, s.prompts, static_cast<double>(accounted->model.sample_size()));
  split_noise(spent, plain_run->backend, table, s.prompts, accounted->model.sample_size());
  spent[part::rest].seconds = threads * mean(accounted->seconds) - spent.total().seconds;

  std::printf("%d thread%s, batch %d, horizon %d, mean of %d update%s\n\n", threads, threads > 1 ? "s" : "", s.prompts,
              s.horizon, s.updates, s.updates > 1 ? "s" : "");
  print(spent, plain_run->backend);
  const double plain_seconds = mean(plain_run->seconds), seconds = mean(accounted->seconds);
  std::printf("without account %s, with account %s (%+.1f %%); parameters, rewards and gradient norms: %s\n\n",
              duration_text(plain_seconds).c_str(), duration_text(seconds).c_str(), 100 * (seconds / plain_seconds - 1),
              same ? "the same bits" : "DIFFERENT");
  std::fflush(stdout);
  return same;
}

}  // namespace

int main(int argc, char** argv) try {
  settings s;
  if (argc == 2 && std::string(argv[1]) == "--quick") {
    s.updates = 1;
    s.prompts = 8;
    s.horizon = 2;
  } else if (argc > 1) {
    std::fprintf(stderr, "usage: %s [--quick]\n", argv[0]);
    return 2;
  }
  std::printf(
      "Time is a thread's (that of all of them divided by their number), so shares add up to the update. FLOP are "
      "those\n"
      "of products, and of convolutions done directly; GB is what is read and written at least, operand by "
      "operand.\n\n");
  bool same = true;
  for (const int threads : s.threads) same = account_for(s, threads) && same;
  return same ? 0 : 1;
} catch (const std::exception& failure) {
  std::fprintf(stderr, "account: %s\n", failure.what());
  return 1;
}
