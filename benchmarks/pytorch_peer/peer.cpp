// SPDX-License-Identifier: Apache-2.0
// fewstep_peer FOLDER THREADS: fewstep's half of the measurements beside PyTorch (peer.py).
//
// It first writes to FOLDER what both halves compute with (weights, tokens, noise, step tables) and what came out here.
// Then it serves requests from standard input, one a line, each with one line of numbers:
//   run NAME COUNT   seconds of each of COUNT runs of a workload
//   copy NAME        seconds of a copy that touches as many bytes; 0 where that is no measure
#include <fewstep/advantage/batch.hpp>
#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/benchmark/run.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/generator/text_unet.hpp>
#include <fewstep/io/text_unet_file.hpp>
#include <fewstep/mdp/rollout.hpp>
#include <fewstep/mdp/score.hpp>
#include <fewstep/objective/clipped_surrogate.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/reward/per_sample.hpp>
#include <fewstep/sampler/consistency.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#ifndef FEWSTEP_PEER_FLAGS
#define FEWSTEP_PEER_FLAGS "flags unknown"
#endif

#ifdef __clang__
#define FEWSTEP_PEER_COMPILER __VERSION__
#else
#define FEWSTEP_PEER_COMPILER "g++ " __VERSION__
#endif

namespace {

using namespace fewstep;
namespace fs = std::filesystem;
using model_type = text_unet<cpu_backend>;

constexpr index_t batch_size = 64;
constexpr int update_horizon = 4;
constexpr std::uint64_t seed = 7;

/// Random numbers of these inputs; `which` tells one array from another.
void fill_input(std::uint32_t which, matrix<float> values) {
  for (index_t r = 0; r < values.rows(); ++r)
    fill_normal({seed, stream::evaluation}, static_cast<std::uint64_t>(r), which, values.row(r), values.cols());
}

/// The arrays that the other half reads.
struct exchange {
  fs::path folder;
  safetensors_writer arrays{};

  void add_rows(const std::string& name, matrix<const float> values) {
    arrays.add(name, {values.rows(), values.cols()}, std::span(values.data, static_cast<std::size_t>(values.size())));
  }
  void add(const std::string& name, std::span<const float> values) {
    arrays.add(name, {static_cast<index_t>(values.size())}, values);
  }
  void add(const std::string& name, double value) { add(name, std::vector{static_cast<float>(value)}); }
  void add(const std::string& name, const std::vector<float>& values) { add(name, std::span(values)); }
  void add(const std::string& name, const std::vector<token_list>& texts) {
    arrays.add_raw(name, {static_cast<index_t>(texts.size()), token_list::length}, element_type::i32,
                   std::as_bytes(std::span(texts)));
  }
  /// Numbers of one array for each parameter of a network, under the parameters' names.
  void add_model(const std::string& name, model_type& model, vec<const float> values) {
    save_consistency_model(folder / (name + ".safetensors"), model, values);
  }
};

/// The default U-Net. Weights that begin at zero would hide half of it, so all are moved.
model_type make_model(cpu_backend& backend) {
  std::vector<std::string> words;
  for (int i = 0; i < 494; ++i) words.push_back(message("word", i));
  model_type model(backend, vocabulary(std::move(words)), {.network = {}, .preconditioner = {}, .lora = {}, .seed = 1});
  const vec<float> p = model.parameters();
  std::vector<float> z(static_cast<std::size_t>(p.size()));
  fill_normal({seed, stream::initialization}, 0, 0, z.data(), p.size());
  for (index_t i = 0; i < p.size(); ++i) p[i] += 0.02f * z[static_cast<std::size_t>(i)];
  return model;
}

/// Prompts of one to ten words.
std::vector<token_list> make_texts() {
  const random_stream source{seed, stream::prompts};
  std::vector<token_list> texts(static_cast<std::size_t>(batch_size));
  for (std::size_t r = 0; r < texts.size(); ++r)
    for (std::size_t i = 0; i <= r % 10; ++i)
      texts[r].ids[i] = static_cast<std::int32_t>(1 + source.below(494, r, 0, i));
  return texts;
}

/// One batch through the U-Net, and back to all parameters.
class network_passes {
 public:
  network_passes(cpu_backend& backend, model_type& model, const std::vector<token_list>& texts, const step_table& table)
      : backend_(backend),
        model_(model),
        workspace_(model.make_workspace(backend, batch_size)),
        x_(backend, {batch_size, model.sample_size()}),
        o_(backend, {batch_size, model.sample_size()}),
        probe_(backend, {batch_size, model.sample_size()}),
        texts_(texts) {
    fill_input(0, x_.view());
    fill_input(1, probe_.view());
    for (index_t r = 0; r < batch_size; ++r) {
      const step_row& row = table.rows[static_cast<std::size_t>(r % table.horizon())];
      times_.push_back(row.time);
      for (index_t d = 0; d < model.sample_size(); ++d) x_.view()(r, d) /= row.in;
    }
  }

  void forward() { model_.predict(backend_, rows(), o_.view(), workspace_); }
  void forward_backward() {
    const vec<float> g = model_.gradients();
    backend_.for_each(g.size(), detail::fill<float>{g.data, 0.0f});
    model_.forward(backend_, rows(), o_.view(), workspace_);
    model_.backward(backend_, rows(), probe_.view(), workspace_);
  }

  void write(exchange& to) {
    forward();
    to.add_rows("forward.x", x_.view());
    to.add("forward.times", times_);
    to.add("forward.tokens", texts_);
    to.add_rows("forward.o", o_.view());
    forward_backward();
    to.add_rows("forward.probe", probe_.view());
    to.add_model("gradient", model_, model_.gradients());
  }

 private:
  [[nodiscard]] batch<token_list> rows() const {
    return {x_.view(), as_vec(std::span<const float>(times_)), as_vec(std::span<const token_list>(texts_))};
  }

  cpu_backend& backend_;
  model_type& model_;
  model_type::workspace_type workspace_;
  cpu_tensor<float, 2> x_, o_, probe_;
  std::vector<float> times_;
  const std::vector<token_list>& texts_;
};

std::vector<float> numbers_of(const step_table& table) {
  std::vector<float> numbers;
  for (const step_row& row : table.rows)
    numbers.insert(numbers.end(), {row.time, row.a, row.b, row.sigma, row.skip, row.out});
  return numbers;
}

/// A batch of trajectories with their log-probabilities.
class batch_rollout {
 public:
  batch_rollout(cpu_backend& backend, model_type& model, const std::vector<token_list>& texts, int horizon)
      : backend_(backend),
        model_(model),
        workspace_(model.make_workspace(backend, 1)),  // predictions keep nothing
        path_(backend, consistency_sampler{}.table(model.preconditioner(), horizon), batch_size, model.sample_size()),
        o_(backend, {batch_size, model.sample_size()}) {
    for (index_t r = 0; r < batch_size; ++r) path_.set_context(r, texts[static_cast<std::size_t>(r)]);
  }

  void run() { rollout(backend_, model_, workspace_, path_, o_.view(), {seed, 0}, reduction::mean, 0, batch_size); }

  void write(exchange& to, const std::string& name) {
    run();
    const std::vector<float> table = numbers_of(path_.table());
    to.arrays.add(name + ".table", {path_.table().horizon(), 6}, table);
    to.add(name + ".initial_sigma", static_cast<double>(path_.table().initial_sigma));
    to.add_rows(name + ".states", path_.states());
    to.add_rows(name + ".result", path_.result());
    std::vector<float> log_probabilities;
    for (index_t row = 0; row < path_.trained_rows(); ++row)
      log_probabilities.push_back(static_cast<float>(path_.log_probability(row)));
    to.add(name + ".log_probabilities", log_probabilities);
  }

  [[nodiscard]] const step_table& table() const { return path_.table(); }

 private:
  cpu_backend& backend_;
  model_type& model_;
  model_type::workspace_type workspace_;
  trajectory<cpu_backend, token_list> path_;
  cpu_tensor<float, 2> o_;
};

/// The noise of the rollouts, and of the first update: rollout_noise{seed, 0}.
void write_noise(exchange& to, cpu_backend& backend, index_t dimension, int steps) {
  cpu_tensor<float, 2> z(backend, {batch_size, dimension});
  for (int k = -1; k < steps; ++k) {
    const random_stream source{seed, k < 0 ? stream::initial_noise : stream::noise};
    for (index_t r = 0; r < batch_size; ++r)
      fill_normal(source, static_cast<std::uint64_t>(r), static_cast<std::uint32_t>(std::max(k, 0)), z.view().row(r),
                  dimension);
    to.add_rows(k < 0 ? "noise.start" : message("noise.", k), z.view());
  }
}

/// Log-probability, ratio, clipped surrogate, and the gradient of the loss with respect to the network's output.
/// Rows beyond the first batch repeat it.
class score_kernel {
 public:
  score_kernel(cpu_backend& backend, index_t rows, index_t dimension, const step_table& table)
      : backend_(backend),
        table_(table),
        x_(backend, {rows, dimension}),
        next_(backend, {rows, dimension}),
        o_(backend, {rows, dimension}),
        gradient_(backend, {rows, dimension}),
        scores_(static_cast<std::size_t>(rows)),
        objective_(clipped_surrogate{}.resolved(dimension, reduction::mean)) {
    fill_input(2, x_.view().subview(0, batch_size));
    fill_input(3, next_.view().subview(0, batch_size));
    fill_input(4, o_.view().subview(0, batch_size));
    for (index_t r = 0; r < rows; ++r) {
      if (r < batch_size)
        make_row(r);
      else
        repeat_row(r);
    }
  }

  /// The kernel writes the gradient over the output, so it works on a copy.
  void prepare() {
    backend_.parallel_for(
        rows(), [&](auto&, int, index_t r) { std::copy_n(o_.view().row(r), dimension(), gradient_.view().row(r)); });
  }
  void run() {
    backend_.parallel_for(rows(), [&](auto&, int, index_t r) {
      const auto at = static_cast<std::size_t>(r);
      scores_[at] = score_transition({x_.view().row(r), next_.view().row(r), &row_of(r)}, gradient_.view().row(r),
                                     dimension(), reduction::mean, objective_, old_[at], advantages_[at], 0,
                                     static_cast<double>(rows()), nullptr, 0.0f);
    });
  }

  /// What the kernel reads (x, x', o) and writes (the gradient).
  [[nodiscard]] double bytes() const { return 4.0 * static_cast<double>(x_.bytes()); }

  void write(exchange& to) {
    prepare();
    run();
    to.add_rows("score.x", x_.view());
    to.add_rows("score.next", next_.view());
    to.add_rows("score.o", o_.view());
    std::vector<float> old(old_.begin(), old_.end()), steps;
    for (index_t r = 0; r < rows(); ++r) steps.insert(steps.end(), {row_of(r).a, row_of(r).b, row_of(r).sigma});
    to.add("score.old", old);
    to.add("score.advantages", advantages_);
    to.arrays.add("score.steps", {rows(), 3}, steps);
    double loss = 0;
    for (const score& s : scores_) loss -= static_cast<double>(s.value) / static_cast<double>(rows());
    to.add("score.loss", loss);
    to.add_rows("score.gradient", gradient_.view());
    to.add("clip_range", static_cast<double>(objective_.clip_range));
  }

 private:
  [[nodiscard]] index_t rows() const { return x_.extent(0); }
  [[nodiscard]] index_t dimension() const { return x_.extent(1); }
  /// Every row is a transition of the next step, as in a batch that is replayed.
  [[nodiscard]] const step_row& row_of(index_t r) const {
    return table_.rows[static_cast<std::size_t>(r % batch_size % table_.trained)];
  }

  /// x' is drawn from the policy; one row in eight is a clip range and a half away from it, the others half of one.
  void make_row(index_t r) {
    const step_row& row = row_of(r);
    const float *x = x_.view().row(r), *o = o_.view().row(r);
    float* next = next_.view().row(r);
    for (index_t d = 0; d < dimension(); ++d) next[d] = row.a * x[d] + row.b * o[d] + row.sigma * next[d];
    const double off = (r % 8 == 0 ? 1.5 : 0.5) * (r % 2 == 0 ? 1 : -1) * static_cast<double>(objective_.clip_range);
    old_.push_back(log_probability({x, next, &row}, o, dimension(), reduction::mean) - off);
    advantages_.push_back(0.25f * static_cast<float>(1 + r % 5) * (r % 3 == 0 ? -1.0f : 1.0f));
  }
  void repeat_row(index_t r) {
    for (auto* array : {&x_, &next_, &o_})
      std::copy_n(array->view().row(r % batch_size), dimension(), array->view().row(r));
    old_.push_back(old_[static_cast<std::size_t>(r % batch_size)]);
    advantages_.push_back(advantages_[static_cast<std::size_t>(r % batch_size)]);
  }

  cpu_backend& backend_;
  const step_table& table_;
  cpu_tensor<float, 2> x_, next_, o_, gradient_;
  std::vector<double> old_;
  std::vector<float> advantages_;
  std::vector<score> scores_;
  clipped_surrogate objective_;
};

/// Steps of a rule over a flat array.
template <class Rule>
class optimizer_steps {
 public:
  optimizer_steps(cpu_backend& backend, index_t n)
      : backend_(backend), parameters_(backend, {n}), gradients_(backend, {n}), state_(Rule{}.make_state(backend, n)) {
    fill_normal({seed, stream::evaluation}, 5, 0, parameters_.data(), n);
    fill_normal({seed, stream::evaluation}, 6, 0, gradients_.data(), n);
  }

  void run() { Rule{}.update(backend_, state_, {parameters_.view(), gradients_.view()}, {}); }
  /// Parameters and both moments are read and written, gradients read.
  [[nodiscard]] double bytes() const { return 7.0 * static_cast<double>(parameters_.bytes()); }

  /// Three steps from the model's parameters with the model's gradient.
  void write(exchange& to, const std::string& name, model_type& model) {
    backend_.copy_to_device(model.parameters().data, parameters_.data(), parameters_.size());
    backend_.copy_to_device(model.gradients().data, gradients_.data(), gradients_.size());
    for (int step = 0; step < 3; ++step) run();
    to.add_model(name, model, parameters_.view());
    float weight_decay = 0;
    if constexpr (requires { Rule{}.weight_decay; }) weight_decay = Rule{}.weight_decay;
    to.add(name + ".settings", {Rule{}.learning_rate, Rule{}.beta1, Rule{}.beta2, Rule{}.epsilon, weight_decay});
  }

 private:
  cpu_backend& backend_;
  cpu_tensor<float, 1> parameters_, gradients_;
  typename Rule::template state<cpu_backend> state_;
};

float mean_pixel(vec<const float> picture) {
  double sum = 0;
  for (const float value : picture) sum += static_cast<double>(value);
  return static_cast<float>(sum / static_cast<double>(picture.size()));
}

auto make_trainer(cpu_backend& backend, model_type& model) {
  return rlcm(backend, model,
              per_sample([](vec<const float> picture, const token_list&) { return mean_pixel(picture); }), adam{},
              {.horizon = update_horizon,
               .prompts_per_update = static_cast<int>(batch_size),
               .samples_per_prompt = 1,
               .seed = seed},
              batch_advantage{});
}

/// The first update of a trainer: what it drew, judged, and did.
template <class Trainer>
void write_update(exchange& to, Trainer& trainer, model_type& model, const std::vector<token_list>& texts) {
  const update_report report = trainer.update(texts);
  std::vector<token_list> drawn;
  for (const std::int32_t prompt : trainer.prompts()) drawn.push_back(texts[static_cast<std::size_t>(prompt)]);
  to.add("update.tokens", drawn);
  to.add_rows("update.samples", trainer.samples());
  to.add("update.rewards", trainer.rewards());
  to.add("update.loss", report.loss);
  to.add("update.gradient_norm", report.gradient_norm);
  to.add("update.learning_rate", static_cast<double>(adam{}.learning_rate));
  to.add("update.max_gradient_norm", static_cast<double>(trainer.options().max_gradient_norm));
  to.add_model("update_gradient", model, model.gradients());
  to.add_model("updated", model, model.parameters());
}

/// A small perceptron that predicts one sample, as in a control loop.
class single_prediction {
 public:
  explicit single_prediction(cpu_backend& backend)
      : backend_(backend),
        model_(backend, {.network = {}, .preconditioner = {}, .seed = 2}),
        workspace_(model_.make_workspace(backend, 1)),
        x_(backend, {1, model_.sample_size()}),
        o_(backend, {1, model_.sample_size()}) {
    fill_input(7, x_.view());
  }

  void run() {
    model_.predict(backend_, {x_.view(), vec<const float>{&time_, {1}}, vec<const std::int32_t>{&context_, {1}}},
                   o_.view(), workspace_);
  }

  void write(exchange& to) {
    run();
    std::vector<float> in_file;
    for (const auto& slice : model_.layout().slices()) {
      in_file.resize(static_cast<std::size_t>(slice.size()));
      convert_layout(slice, model_.parameters().data + slice.offset, in_file.data(), true);
      to.arrays.add(slice.name, file_extents(slice), in_file);
    }
    to.add("mlp.frequencies", mlp_network<float>::options{}.frequencies);
    to.add("mlp.in", static_cast<double>(model_.preconditioner()(time_).in));
    to.add("mlp.time", static_cast<double>(time_));
    to.add_rows("mlp.x", x_.view());
    to.add_rows("mlp.o", o_.view());
  }

 private:
  cpu_backend& backend_;
  mlp_generator<cpu_backend> model_;
  mlp_generator<cpu_backend>::workspace_type workspace_;
  cpu_tensor<float, 2> x_, o_;
  float time_ = 1.5f;
  std::int32_t context_ = 0;
};

/// Something to time.
struct workload {
  std::function<void()> run;
  double bytes = 0;                       ///< read and written; 0: not compared with a copy
  std::function<void()> prepare = [] {};  ///< before each run, not timed
};
using workload_map = std::map<std::string, workload>;

double seconds_of(const workload& w) {
  w.prepare();
  const auto begin = std::chrono::steady_clock::now();
  w.run();
  benchmark::ClobberMemory();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void serve(cpu_backend& backend, const workload_map& workloads) {
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string command, name;
    long count = 0;
    words >> command >> name >> count;
    const auto found = workloads.find(name);
    expects(found != workloads.end(), [&] { return message("fewstep_peer: there is no workload '", name, "'"); });
    const workload& w = found->second;
    if (command == "copy") {
      std::printf("%.9g\n", w.bytes > 0 ? w.bytes / copy_bandwidth(backend, static_cast<std::size_t>(w.bytes)) : 0.0);
    } else {
      expects(command == "run" && count >= 1, [&] { return message("fewstep_peer: '", line, "' is no request"); });
      for (long i = 0; i < count; ++i) std::printf("%.9g ", seconds_of(w));
      std::printf("\n");
    }
    std::fflush(stdout);
  }
}

void run_peer(const fs::path& folder, int threads) {
  cpu_backend backend({.threads = threads});
  const std::vector<token_list> texts = make_texts();
  model_type model = make_model(backend), trained = make_model(backend);
  const index_t parameters = model.parameters().size(), dimension = model.sample_size();

  batch_rollout four(backend, model, texts, 4), eight(backend, model, texts, 8);
  network_passes passes(backend, model, texts, eight.table());
  score_kernel few_scores(backend, batch_size, dimension, four.table()),
      many_scores(backend, 64 * batch_size, dimension, four.table());
  optimizer_steps<adam> adam_small(backend, 1'000'000), adam_large(backend, 10'000'000),
      adam_network(backend, parameters);
  optimizer_steps<adamw> adamw_small(backend, 1'000'000), adamw_large(backend, 10'000'000),
      adamw_network(backend, parameters);
  auto trainer = make_trainer(backend, trained);
  single_prediction prediction(backend);

  exchange to{.folder = folder};
  to.add_model("model", model, model.parameters());
  passes.write(to);
  write_noise(to, backend, dimension, 7);
  four.write(to, "rollout_4");
  eight.write(to, "rollout_8");
  few_scores.write(to);
  adam_network.write(to, "adam", model);
  adamw_network.write(to, "adamw", model);
  write_update(to, trainer, trained, texts);
  prediction.write(to);
  to.arrays.metadata("compiler", FEWSTEP_PEER_COMPILER);
  to.arrays.metadata("flags", FEWSTEP_PEER_FLAGS);
  to.arrays.write(folder / "arrays.safetensors");
  std::puts("ready");
  std::fflush(stdout);

  const auto scored = [](score_kernel& kernel) {
    return workload{[&] { kernel.run(); }, kernel.bytes(), [&] { kernel.prepare(); }};
  };
  const auto stepped = [](auto& steps) { return workload{[&] { steps.run(); }, steps.bytes()}; };
  serve(backend, {{"forward", {[&] { passes.forward(); }}},
                  {"forward_backward", {[&] { passes.forward_backward(); }}},
                  {"rollout_4", {[&] { four.run(); }}},
                  {"rollout_8", {[&] { eight.run(); }}},
                  {"score_64", scored(few_scores)},
                  {"score_4096", scored(many_scores)},
                  {"adam_1M", stepped(adam_small)},
                  {"adam_10M", stepped(adam_large)},
                  {"adam_network", stepped(adam_network)},
                  {"adamw_1M", stepped(adamw_small)},
                  {"adamw_10M", stepped(adamw_large)},
                  {"adamw_network", stepped(adamw_network)},
                  {"update", {[&] { trainer.update(texts); }}},
                  {"mlp", {[&] { prediction.run(); }}}});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: fewstep_peer FOLDER THREADS\n");
    return 2;
  }
  try {
    run_peer(argv[1], std::stoi(argv[2]));
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "%s\n", failure.what());
    return 1;
  }
}
