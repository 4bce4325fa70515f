// SPDX-License-Identifier: Apache-2.0
// Learning from preferences on a device: the same results as on the CPU.
#include "cuda/support.cuh"

#include <fewstep/cuda.cuh>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/reward/per_sample.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

using namespace fewstep;
using namespace fewstep::test;

namespace {

/// Outputs, targets and labels of comparisons; a gradient and scores come of them.
template <class Backend>
std::vector<float> scored(Backend& backend, index_t count, index_t size, int members, const segment_map& segments,
                          bool has_reference, const winner_safeguard& safeguard) {
  const index_t rows = count * members, f = segments.count();
  std::vector<float> scales, labels;
  for (index_t r = 0; r < rows; ++r) {
    scales.push_back(0.3f + 0.1f * static_cast<float>(r));
    for (index_t s = 0; s < f; ++s) {
      const float label = static_cast<float>((r / members + s) % 3) - 1;
      labels.push_back(r % members == 0 ? label : -label);
    }
  }
  auto o = to_device(backend, normals<float>(rows * size, 1)),
       target = to_device(backend, normals<float>(rows * size, 2)),
       reference = to_device(backend, normals<float>(rows * size, 3)), scale = to_device(backend, scales),
       label = to_device(backend, labels);
  const auto loss = to_device(
      backend, std::vector<preference_loss<logistic_link>>{{{.beta = 0.4f}, safeguard, static_cast<double>(count), 0}});
  tensor<preference_score, 1, Backend> scores(backend, {count});
  score_preferences(backend, scored_preferences<logistic_link>{
                                 .o = {o.data(), {rows, size}},
                                 .target = {target.data(), {rows, size}},
                                 .reference = {has_reference ? reference.data() : nullptr, {rows, size}},
                                 .scale = scale.data(),
                                 .labels = {label.data(), {rows, f}},
                                 .segments = segments,
                                 .members = members,
                                 .loss = loss.data(),
                                 .scores = scores.data()});
  auto all = to_host(backend, o);
  for (const preference_score& s : to_host(backend, scores))
    for (const double value :
         {s.loss, s.winner, s.loser, s.divergence, s.loser_scale, s.has_winner ? 1.0 : 0.0, s.has_loser ? 1.0 : 0.0})
      all.push_back(static_cast<float>(value));
  return all;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("comparisons are scored as on the CPU", "[cuda]", devices) {
  struct shape {
    index_t count, size;
    int members;
    segment_map segments;
    bool has_reference;
    winner_safeguard safeguard;
  };
  const shape shapes[] = {{5, 2, 2, {}, true, {}},
                          {3, 301, 2, {}, false, {}},
                          {4, 24, 2, {.inner = 2, .extent = 4, .length = 3}, true, {.is_on = true, .mu = 0.3f}},
                          {7, 40, 1, {}, true, {}}};
  for (const shape& s : shapes) {
    cpu_backend cpu({.threads = 1});
    const auto expected = scored(cpu, s.count, s.size, s.members, s.segments, s.has_reference, s.safeguard);
    in_every_order<TestType>([&](TestType& backend) {
      const auto there = scored(backend, s.count, s.size, s.members, s.segments, s.has_reference, s.safeguard);
      CHECK(relative_error(there, expected) < 1e-5);
      return there;
    });
  }
}

namespace {

struct shifted_pairs {
  void operator()(std::int64_t update, matrix<float> winners, matrix<float> losers, std::span<std::int32_t> contexts) {
    const auto seed = static_cast<std::uint64_t>(update);
    const auto w = normals<float>(winners.size(), 2 * seed, 0.3, 0.5),
               l = normals<float>(losers.size(), 2 * seed + 1, 0.3, -0.5);
    std::copy(w.begin(), w.end(), winners.begin());
    std::copy(l.begin(), l.end(), losers.begin());
    for (std::size_t i = 0; i < contexts.size(); ++i) contexts[i] = static_cast<std::int32_t>(i % 3);
  }
};

struct first_value {
  template <class Context>
  float operator()(vec<const float> x, const Context&) const {
    return x[0];
  }
};

struct next_value {
  template <class Context>
  float operator()(int, vec<const float>, vec<const float> next, const Context&) const {
    return 3 * next[0];
  }
};

template <class Backend>
mlp_generator<Backend> make_model(Backend& backend) {
  return {backend, {.network = {.dimension = 5, .classes = 3, .hidden = {16, 24}}, .seed = 1}};
}

/// Losses, and the parameters after three updates, the first of which is at the reference.
template <class Backend, class Trainer, class... Contexts>
std::vector<float> history(Backend& backend, mlp_generator<Backend>& model, Trainer trainer,
                           const Contexts&... contexts) {
  std::vector<float> figures;
  for (int k = 0; k < 3; ++k) {
    const preference_report r = trainer.update(contexts...);
    CHECK(r.gradient_norm > 0);
    if (k == 0) {
      CHECK(r.loss == std::log(2.0));
      CHECK(r.margin == 0);
    }
    figures.push_back(static_cast<float>(r.loss));
  }
  const auto p = to_host(backend, model.parameters().data, model.parameters().size());
  figures.insert(figures.end(), p.begin(), p.end());
  return figures;
}

template <class Backend>
std::vector<float> dpo_history(Backend& backend) {
  auto model = make_model(backend), copy = make_model(backend);
  return history(backend, model,
                 diffusion_dpo(backend, model, shifted_pairs{},
                               preference_parts{.optimizer = adam{.learning_rate = 1e-2f},
                                                .reference = moving_reference(copy, {.every = 2}),
                                                .link = logistic_link{.beta = 5}},
                               {.pairs = {.comparisons = 37}}));
}

template <class Backend>
std::vector<float> d3po_history(Backend& backend) {
  auto model = make_model(backend), copy = make_model(backend);
  return history(backend, model,
                 d3po(backend, model, per_sample(first_value{}),
                      preference_parts{.optimizer = adam{.learning_rate = 1e-2f}, .reference = frozen_reference(copy)},
                      {.pairs = {.horizon = 3, .batch = {.prompts = 4, .samples_per_prompt = 3}},
                       .update = {.optimizer_steps = 1}}),
                 std::vector<std::int32_t>{0, 1, 2});
}

template <class Backend>
std::vector<float> spo_history(Backend& backend) {
  auto model = make_model(backend), copy = make_model(backend);
  return history(backend, model,
                 spo(backend, model, per_step{next_value{}},
                     preference_parts{.optimizer = adam{.learning_rate = 1e-2f}, .reference = frozen_reference(copy)},
                     {.pairs = {.prompts = 5, .horizon = 6, .first_compared = 2, .least_gap = 0.1f},
                      .update = {.optimizer_steps = 1}}),
                 std::vector<std::int32_t>{0, 1, 2});
}

/// Pairs that the model samples and a reward labels.
template <class Backend>
std::vector<float> labelled_history(Backend& backend) {
  auto model = make_model(backend), copy = make_model(backend);
  return history(
      backend, model,
      diffusion_dpo(backend, model,
                    labelled_pairs(sampled_pairs(backend, model, consistency_sampler{},
                                                 std::vector<std::int32_t>{0, 1, 2}, {.pairs = 20}),
                                   reward_judge(per_sample(first_value{}))),
                    preference_parts{.optimizer = adam{.learning_rate = 1e-2f}, .reference = frozen_reference(copy)},
                    {.pairs = {.comparisons = 20}}));
}

/// Recorded pairs by the utility link, whose losses begin at a half and read the mean of a batch.
template <class Backend>
std::vector<float> recorded_history(Backend& backend) {
  auto model = make_model(backend), copy = make_model(backend);
  pair_records<std::int32_t> records{normals<float>(45, 3, 0.3, 0.5),
                                     normals<float>(45, 4, 0.3, -0.5),
                                     {0, 1, 2, 0, 1, 2, 0, 1, 2},
                                     {1, -1, 0, 1, 1, 0, -1, 1, 1}};
  auto trainer = diffusion_dpo(backend, model, recorded_pairs(std::move(records), 5, 6),
                               preference_parts{.optimizer = adam{.learning_rate = 1e-2f},
                                                .reference = frozen_reference(copy),
                                                .link = utility_link{.beta = 5}},
                               {.pairs = {.comparisons = 37}});
  std::vector<float> figures;
  for (int k = 0; k < 3; ++k) {
    const preference_report r = trainer.update();
    CHECK(r.gradient_norm > 0);
    for (const double figure : {r.loss, r.ties, r.winner_log_ratio, r.loser_log_ratio})
      figures.push_back(static_cast<float>(figure));
  }
  const auto p = to_host(backend, model.parameters().data, model.parameters().size());
  figures.insert(figures.end(), p.begin(), p.end());
  return figures;
}

/// A reward of sets: how near the mean of the first value is to 1.
struct mean_near_one {
  double operator()(matrix<const float> f) const {
    double mean = 0;
    for (index_t i = 0; i < f.rows(); ++i) mean += static_cast<double>(f(i, 0)) / static_cast<double>(f.rows());
    return -std::abs(mean - 1);
  }
};
struct all_values {
  void operator()(vec<const float> x, vec<float> f) const { std::copy(x.begin(), x.end(), f.begin()); }
};

template <class Backend>
std::vector<float> dragon_history(Backend& backend) {
  auto model = make_model(backend), copy = make_model(backend);
  return history(backend, model,
                 dragon(backend, model, consistency_sampler{}, std::vector<std::int32_t>{0, 2},
                        set_judge(sample_features(5, all_values{}), mean_near_one{}),
                        preference_parts{.optimizer = adam{.learning_rate = 1e-2f},
                                         .reference = frozen_reference(copy),
                                         .link = logistic_link{.beta = 5}},
                        {.pairs = {.comparisons = 12}, .steps = 2}));
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("recorded pairs are learned from on a device as on the CPU, by the utility link", "[cuda]",
                        devices) {
  cpu_backend cpu({.threads = 1});
  TestType recorded({.graphs = true}), piece_by_piece({.graphs = false});
  const auto on_device = recorded_history(recorded);
  CHECK(relative_error(on_device, recorded_history(cpu)) < 1e-4);
  CHECK(same_bits(on_device, recorded_history(piece_by_piece)));
}

TEMPLATE_LIST_TEST_CASE("Diffusion-DPO trains on a device as on the CPU", "[cuda]", devices) {
  cpu_backend cpu({.threads = 1});
  TestType recorded({.graphs = true}), piece_by_piece({.graphs = false});
  const auto on_device = dpo_history(recorded);
  CHECK(relative_error(on_device, dpo_history(cpu)) < 1e-4);
  CHECK(same_bits(on_device, dpo_history(piece_by_piece)));
}

TEMPLATE_LIST_TEST_CASE("D3PO trains on a device as on the CPU", "[cuda]", devices) {
  cpu_backend cpu({.threads = 1});
  TestType recorded({.graphs = true}), piece_by_piece({.graphs = false});
  const auto on_device = d3po_history(recorded);
  CHECK(relative_error(on_device, d3po_history(cpu)) < 1e-4);
  CHECK(same_bits(on_device, d3po_history(piece_by_piece)));
}

TEMPLATE_LIST_TEST_CASE("SPO trains on a device as on the CPU", "[cuda]", devices) {
  cpu_backend cpu({.threads = 1});
  TestType recorded({.graphs = true}), piece_by_piece({.graphs = false});
  const auto on_device = spo_history(recorded);
  CHECK(relative_error(on_device, spo_history(cpu)) < 1e-4);
  CHECK(same_bits(on_device, spo_history(piece_by_piece)));
}

TEMPLATE_LIST_TEST_CASE("pairs are sampled and labelled on a device as on the CPU", "[cuda]", devices) {
  cpu_backend cpu({.threads = 1});
  TestType recorded({.graphs = true}), piece_by_piece({.graphs = false});
  const auto on_device = labelled_history(recorded);
  CHECK(relative_error(on_device, labelled_history(cpu)) < 1e-4);
  CHECK(same_bits(on_device, labelled_history(piece_by_piece)));
}

TEMPLATE_LIST_TEST_CASE("DRAGON trains on a device as on the CPU", "[cuda]", devices) {
  cpu_backend cpu({.threads = 1});
  TestType recorded({.graphs = true}), piece_by_piece({.graphs = false});
  const auto on_device = dragon_history(recorded);
  CHECK(relative_error(on_device, dragon_history(cpu)) < 1e-4);
  CHECK(same_bits(on_device, dragon_history(piece_by_piece)));
}
