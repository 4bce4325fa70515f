// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/advantage/batch.hpp>
#include <fewstep/algorithm/rlcm.hpp>
#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/generator/text_unet.hpp>
#include <fewstep/mdp/rollout.hpp>
#include <fewstep/mdp/score.hpp>
#include <fewstep/model_file/text_unet_file.hpp>
#include <fewstep/objective/clipped_surrogate.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/optimizer/optimizer.hpp>
#include <fewstep/reward/per_sample.hpp>
#include <fewstep/sampler/consistency.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

/// What is measured beside PyTorch, on any backend: peer.cpp measures it on the CPU, gpu/peer.cu on a GPU. Every
/// workload writes what it computes with and what came out, for the other half to compare.

namespace peer {

using namespace fewstep;
namespace fs = std::filesystem;

inline constexpr index_t batch_size = 64;
inline constexpr int update_horizon = 4;
inline constexpr std::uint64_t seed = 7;

/// Random rows; `which` tells one array from another.
inline std::vector<float> normal_rows(random_stream source, std::uint32_t which, index_t rows, index_t dimension) {
  std::vector<float> values(static_cast<std::size_t>(rows * dimension));
  for (index_t r = 0; r < rows; ++r)
    fill_normal(source, static_cast<std::uint64_t>(r), which, values.data() + r * dimension, dimension);
  return values;
}
inline std::vector<float> inputs(std::uint32_t which, index_t rows, index_t dimension) {
  return normal_rows({seed, stream::evaluation}, which, rows, dimension);
}

template <class Backend, class T>
tensor<T, 1, Backend> to_device(Backend& backend, const std::vector<T>& values) {
  tensor<T, 1, Backend> array(backend, {static_cast<index_t>(values.size())});
  backend.copy_to_device(values.data(), array.data(), array.size());
  return array;
}
template <class Backend, class T>
std::vector<T> to_host(Backend& backend, const T* array, index_t n) {
  std::vector<T> values(static_cast<std::size_t>(n));
  backend.copy_to_host(array, values.data(), n);
  return values;
}

/// The arrays that the other half reads.
template <class Backend>
struct exchange {
  Backend& backend;
  fs::path folder;
  safetensors_writer arrays{};

  void add(const std::string& name, const std::vector<float>& values) {
    arrays.add(name, {static_cast<index_t>(values.size())}, values);
  }
  void add(const std::string& name, double value) { add(name, std::vector{static_cast<float>(value)}); }
  void add_rows(const std::string& name, const std::vector<float>& values, index_t columns) {
    arrays.add(name, {static_cast<index_t>(values.size()) / columns, columns}, values);
  }
  /// Rows of an array of the backend.
  void add_rows(const std::string& name, matrix<const float> values) {
    add_rows(name, to_host(backend, values.data, values.size()), values.cols());
  }
  void add(const std::string& name, const std::vector<token_list>& texts) {
    arrays.add_raw(name, {static_cast<index_t>(texts.size()), token_list::length}, element_type::i32,
                   std::as_bytes(std::span(texts)));
  }
  /// Numbers of one array for each parameter of a network, under the parameters' names.
  void add_model(const std::string& name, text_unet<Backend>& model, vec<const float> values) {
    save_consistency_model(backend, folder / (name + ".safetensors"), model, values);
  }
};

/// The default U-Net. Weights that begin at zero would hide half of it, so all are moved.
template <class Backend>
text_unet<Backend> make_model(Backend& backend) {
  std::vector<std::string> words;
  for (int i = 0; i < 494; ++i) words.push_back(message("word", i));
  text_unet<Backend> model(backend, vocabulary(std::move(words)),
                           {.network = {}, .preconditioner = {}, .lora = {}, .seed = 1});
  const vec<float> p = model.parameters();
  auto values = to_host(backend, p.data, p.size());
  const auto z = normal_rows({seed, stream::initialization}, 0, 1, p.size());
  for (std::size_t i = 0; i < z.size(); ++i) values[i] += 0.02f * z[i];
  backend.copy_to_device(values.data(), p.data, p.size());
  return model;
}

/// Prompts of one to ten words.
inline std::vector<token_list> make_texts() {
  const random_stream source{seed, stream::prompts};
  std::vector<token_list> texts(static_cast<std::size_t>(batch_size));
  for (std::size_t r = 0; r < texts.size(); ++r)
    for (std::size_t i = 0; i <= r % 10; ++i)
      texts[r].ids[i] = static_cast<std::int32_t>(1 + source.below(494, r, 0, i));
  return texts;
}

/// One batch through the U-Net, and back to all parameters.
template <class Backend>
class network_passes {
 public:
  network_passes(Backend& backend, text_unet<Backend>& model, const std::vector<token_list>& texts,
                 const step_table& table)
      : backend_(backend),
        model_(model),
        workspace_(model.make_workspace(backend, batch_size)),
        o_(backend, {batch_size, model.sample_size()}),
        contexts_(to_device(backend, texts)),
        probe_(to_device(backend, inputs(1, batch_size, model.sample_size()))) {
    auto x = inputs(0, batch_size, model.sample_size());
    for (index_t r = 0; r < batch_size; ++r) {
      const step_row& row = table.rows[static_cast<std::size_t>(r % table.horizon())];
      host_times_.push_back(row.time);
      for (index_t d = 0; d < model.sample_size(); ++d)
        x[static_cast<std::size_t>(r * model.sample_size() + d)] /= row.in;
    }
    x_ = to_device(backend, x);
    times_ = to_device(backend, host_times_);
  }

  void forward() {
    predicted_.run(backend_, [this] { model_.predict(backend_, rows(), o_.view(), workspace_); });
  }
  void forward_backward() {
    trained_.run(backend_, [this] {
      const vec<float> g = model_.gradients();
      backend_.for_each(g.size(), detail::fill<float>{g.data, 0.0f});
      model_.forward(backend_, rows(), o_.view(), workspace_);
      model_.backward(backend_, rows(), matrix<const float>{probe_.data(), o_.view().extents}, workspace_);
    });
  }

  void write(exchange<Backend>& to, const std::vector<token_list>& texts) {
    forward();
    to.add_rows("forward.x", {x_.data(), o_.view().extents});
    to.add("forward.times", host_times_);
    to.add("forward.tokens", texts);
    to.add_rows("forward.o", o_.view());
    forward_backward();
    to.add_rows("forward.probe", {probe_.data(), o_.view().extents});
    to.add_model("gradient", model_, model_.gradients());
  }

 private:
  [[nodiscard]] batch<token_list> rows() const {
    return {{x_.data(), o_.view().extents}, times_.view(), contexts_.view()};
  }

  Backend& backend_;
  text_unet<Backend>& model_;
  typename text_unet<Backend>::workspace_type workspace_;
  tensor<float, 2, Backend> o_;
  tensor<token_list, 1, Backend> contexts_;
  tensor<float, 1, Backend> probe_, x_, times_;
  std::vector<float> host_times_;
  repeated<Backend> predicted_, trained_;
};

inline std::vector<float> numbers_of(const step_table& table) {
  std::vector<float> numbers;
  for (const step_row& row : table.rows)
    numbers.insert(numbers.end(), {row.time, row.a, row.b, row.sigma, row.skip, row.out});
  return numbers;
}

/// A batch of trajectories with their log-probabilities.
template <class Backend>
class batch_rollout {
 public:
  batch_rollout(Backend& backend, text_unet<Backend>& model, const std::vector<token_list>& texts, int horizon)
      : backend_(backend),
        model_(model),
        workspace_(model.make_workspace(backend, 0)),
        path_(backend, consistency_sampler{}.table(model.preconditioner(), horizon), batch_size, model.sample_size()),
        o_(backend, {batch_size, model.sample_size()}),
        noise_(backend, 1, {seed, 0}) {
    for (index_t r = 0; r < batch_size; ++r) path_.set_context(r, texts[static_cast<std::size_t>(r)]);
    noise_.upload(backend);
  }

  void run() {
    sampled_.run(backend_, [this] {
      rollout(backend_, model_, workspace_, path_, o_.view(), std::as_const(noise_).device(), reduction::mean, 0,
              batch_size);
    });
  }

  void write(exchange<Backend>& to, const std::string& name) {
    run();
    to.add_rows(name + ".table", numbers_of(path_.table()), 6);
    to.add(name + ".initial_sigma", static_cast<double>(path_.table().initial_sigma));
    to.add_rows(name + ".states", path_.states());
    to.add_rows(name + ".result", path_.result());
    const auto log_probabilities = to_host(backend_, std::as_const(path_).log_probabilities(), path_.trained_rows());
    to.add(name + ".log_probabilities", std::vector<float>(log_probabilities.begin(), log_probabilities.end()));
  }

  [[nodiscard]] const step_table& table() const { return path_.table(); }

 private:
  Backend& backend_;
  text_unet<Backend>& model_;
  typename text_unet<Backend>::workspace_type workspace_;
  trajectory<Backend, token_list> path_;
  tensor<float, 2, Backend> o_;
  mirrored<rollout_noise, Backend> noise_;
  repeated<Backend> sampled_;
};

/// The noise of the rollouts, and of the first update: rollout_noise{seed, 0}.
template <class Backend>
void write_noise(exchange<Backend>& to, index_t dimension, int steps) {
  to.add_rows("noise.start", normal_rows({seed, stream::initial_noise}, 0, batch_size, dimension), dimension);
  for (int k = 0; k < steps; ++k)
    to.add_rows(message("noise.", k),
                normal_rows({seed, stream::noise}, static_cast<std::uint32_t>(k), batch_size, dimension), dimension);
}

/// Log-probability, ratio, clipped surrogate, and the gradient of the loss with respect to the network's output. Row r
/// repeats row r % 64; each is a transition of the next trained step.
template <class Backend>
class score_kernel {
 public:
  score_kernel(Backend& backend, index_t rows, index_t dimension, const step_table& table)
      : backend_(backend),
        rows_(rows),
        dimension_(dimension),
        table_(backend, batch_size),
        step_(backend, rows),
        old_(backend, rows),
        advantages_(backend, rows),
        settings_(backend, 1,
                  {clipped_surrogate{}.resolved(dimension, reduction::mean), 0.0f, static_cast<double>(rows)}),
        scores_(backend, rows),
        gradient_(backend, {rows, dimension}) {
    auto x = inputs(2, batch_size, dimension), next = inputs(3, batch_size, dimension),
         o = inputs(4, batch_size, dimension);
    for (index_t r = 0; r < batch_size; ++r) make_row(r, table, x.data(), next.data(), o.data());
    for (index_t r = 0; r < rows; ++r) {
      step_.host()[at(r)] = static_cast<std::int32_t>(r % batch_size);
      old_.host()[at(r)] = old_.host()[at(r % batch_size)];
      advantages_.host()[at(r)] = advantages_.host()[at(r % batch_size)];
    }
    x_ = to_device(backend, repeat(x));
    next_ = to_device(backend, repeat(next));
    o_ = to_device(backend, repeat(o));
    table_.upload(backend);
    old_.upload(backend);
    advantages_.upload(backend);
    step_.upload(backend);
    settings_.upload(backend);
  }

  /// The kernel writes the gradient over the output. Runs in a row go on from there, which takes them as long.
  void prepare() { backend_.for_each(gradient_.size(), detail::copy<float>{o_.data(), gradient_.data()}); }
  void run() {
    scored_.run(backend_, [this] {
      const auto rows = [this](const tensor<float, 1, Backend>& array) {
        return matrix<const float>{array.data(), {rows_, dimension_}};
      };
      score_rows(backend_, scored_rows<clipped_surrogate>{.x = rows(x_),
                                                          .next = rows(next_),
                                                          .o = gradient_.view(),
                                                          .reference = {nullptr, {rows_, dimension_}},
                                                          .step = step_.device(),
                                                          .old_log_probability = old_.device(),
                                                          .advantage = advantages_.device(),
                                                          .table = table_.device(),
                                                          .settings = settings_.device(),
                                                          .scores = scores_.device()});
    });
  }
  /// What the kernel reads (x, x', o) and writes (the gradient).
  [[nodiscard]] double bytes() const { return 4.0 * sizeof(float) * static_cast<double>(gradient_.size()); }

  void write(exchange<Backend>& to) {
    prepare();
    run();
    scores_.download(backend_);
    std::vector<float> old, steps, advantages;
    double loss = 0;
    for (index_t r = 0; r < batch_size; ++r) {
      const step_row& row = table_.host()[at(r)];
      steps.insert(steps.end(), {row.a, row.b, row.sigma});
      old.push_back(static_cast<float>(old_.host()[at(r)]));
      advantages.push_back(advantages_.host()[at(r)]);
      loss -= static_cast<double>(scores_.host()[at(r)].value) / static_cast<double>(rows_);
    }
    to.add_rows("score.x", {x_.data(), {rows_, dimension_}});
    to.add_rows("score.next", {next_.data(), {rows_, dimension_}});
    to.add_rows("score.o", {o_.data(), {rows_, dimension_}});
    to.add("score.old", old);
    to.add("score.advantages", advantages);
    to.add_rows("score.steps", steps, 3);
    to.add("score.loss", loss);
    to.add_rows("score.gradient", gradient_.view());
    to.add("clip_range", static_cast<double>(settings_.host()[0].value.clip_range.low));
  }

 private:
  static std::size_t at(index_t i) { return static_cast<std::size_t>(i); }

  /// Row r is of step r of the table. x' is drawn from the policy; one row
  /// in eight is a clip range and a half away from it, the others half of one.
  void make_row(index_t r, const step_table& table, const float* x, float* next, const float* o) {
    const step_row& row = table_.host()[at(r)] = table.rows[at(r % table.trained)];
    const index_t first = r * dimension_;
    for (index_t d = first; d < first + dimension_; ++d) next[d] = row.a * x[d] + row.b * o[d] + row.sigma * next[d];
    const double clip_range = static_cast<double>(settings_.host()[0].value.clip_range.low);
    const double off = (r % 8 == 0 ? 1.5 : 0.5) * (r % 2 == 0 ? 1 : -1) * clip_range;
    old_.host()[at(r)] = log_probability({x + first, next + first, &row}, o + first, dimension_, reduction::mean) - off;
    advantages_.host()[at(r)] = 0.25f * static_cast<float>(1 + r % 5) * (r % 3 == 0 ? -1.0f : 1.0f);
  }
  [[nodiscard]] std::vector<float> repeat(const std::vector<float>& values) const {
    std::vector<float> all;
    for (index_t r = 0; r < rows_; r += batch_size) all.insert(all.end(), values.begin(), values.end());
    return all;
  }

  Backend& backend_;
  index_t rows_, dimension_;
  mirrored<step_row, Backend> table_;
  mirrored<std::int32_t, Backend> step_;
  mirrored<double, Backend> old_;
  mirrored<float, Backend> advantages_;
  mirrored<loss_settings<clipped_surrogate>, Backend> settings_;
  mirrored<score, Backend> scores_;
  tensor<float, 2, Backend> gradient_;
  tensor<float, 1, Backend> x_, next_, o_;
  repeated<Backend> scored_;
};

/// Steps of a rule over a flat array.
template <class Backend, class Rule>
class optimizer_steps {
 public:
  optimizer_steps(Backend& backend, index_t n)
      : backend_(backend),
        parameters_(to_device(backend, inputs(5, 1, n))),
        gradients_(to_device(backend, inputs(6, 1, n))),
        state_(make_optimizer_state(Rule{}, backend, n)) {}

  void run() { optimizer_step(Rule{}, backend_, state_, {parameters_.view(), gradients_.view()}, {}); }
  /// Parameters and both moments are read and written, gradients read.
  [[nodiscard]] double bytes() const { return 7.0 * sizeof(float) * static_cast<double>(parameters_.size()); }

  /// Three steps from the model's parameters with the model's gradient.
  void write(exchange<Backend>& to, const std::string& name, text_unet<Backend>& model) {
    const auto copy = [&](const float* from, float* to_array) {
      backend_.for_each(parameters_.size(), detail::copy<float>{from, to_array});
    };
    copy(model.parameters().data, parameters_.data());
    copy(model.gradients().data, gradients_.data());
    for (int step = 0; step < 3; ++step) run();
    to.add_model(name, model, parameters_.view());
    float weight_decay = 0;
    if constexpr (requires { Rule{}.weight_decay; }) weight_decay = Rule{}.weight_decay;
    to.add(name + ".settings", {Rule{}.learning_rate, Rule{}.beta1, Rule{}.beta2, Rule{}.epsilon, weight_decay});
  }

 private:
  Backend& backend_;
  tensor<float, 1, Backend> parameters_, gradients_;
  optimizer_state<Rule, Backend> state_;
};

struct mean_pixel {
  float operator()(vec<const float> picture, const token_list&) const {
    double sum = 0;
    for (const float value : picture) sum += static_cast<double>(value);
    return static_cast<float>(sum / static_cast<double>(picture.size()));
  }
};

/// The trainer whose updates are measured.
template <class Backend>
auto make_trainer(Backend& backend, text_unet<Backend>& model) {
  return rlcm(
      backend, model,
      policy_gradient_parts{.reward = per_sample(mean_pixel{}), .optimizer = adam{}, .advantage = batch_advantage{}},
      {.horizon = update_horizon,
       .batch = {.prompts = static_cast<int>(batch_size), .samples_per_prompt = 1},
       .training = {.seed = seed}});
}

/// The first update of a trainer: what it drew, rated, and did.
template <class Backend, class Trainer>
void write_update(exchange<Backend>& to, Trainer& trainer, text_unet<Backend>& model,
                  const std::vector<token_list>& texts) {
  const update_report report = trainer.update(texts);
  std::vector<token_list> drawn;
  for (const std::int32_t prompt : trainer.prompts()) drawn.push_back(texts[static_cast<std::size_t>(prompt)]);
  to.add("update.tokens", drawn);
  const matrix<const float> samples = trainer.samples();  // on the host
  to.add_rows("update.samples", std::vector<float>(samples.data, samples.data + samples.size()), samples.cols());
  to.add("update.rewards", std::vector<float>(trainer.rewards().begin(), trainer.rewards().end()));
  to.add("update.loss", report.loss);
  to.add("update.gradient_norm", report.gradient_norm);
  to.add("update.learning_rate", static_cast<double>(adam{}.learning_rate));
  to.add("update.max_gradient_norm", static_cast<double>(trainer.options().training.max_gradient_norm));
  to.add_model("update_gradient", model, model.gradients());
  to.add_model("updated", model, model.parameters());
}

}  // namespace peer
