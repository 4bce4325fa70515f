// SPDX-License-Identifier: Apache-2.0
#include "torch_generator.hpp"

#include <cmath>
#include <cstdio>

// A network as one writes it in libtorch: residual, with layer norm, GELU and an embedding of the label.
struct denoiser_impl : torch::nn::Module {
  torch::nn::Linear in{register_module("in", torch::nn::Linear(2, 64))};
  torch::nn::Linear time{register_module("time", torch::nn::Linear(8, 64))};
  torch::nn::Embedding label{register_module("label", torch::nn::Embedding(3, 64))};
  torch::nn::LayerNorm norm{register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({64})))};
  torch::nn::Linear wide{register_module("wide", torch::nn::Linear(64, 128))};
  torch::nn::Linear narrow{register_module("narrow", torch::nn::Linear(128, 64))};
  torch::nn::Linear out{register_module("out", torch::nn::Linear(64, 2))};

  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& t, const torch::Tensor& labels) {
    const torch::Tensor phase = (t.log() / 4).unsqueeze(1) * torch::tensor({0.5f, 1.0f, 2.0f, 4.0f});
    const torch::Tensor h = in(x) + time(torch::cat({phase.sin(), phase.cos()}, 1)) + label(labels);
    return out(h + narrow(torch::gelu(wide(norm(h)))));
  }
};
TORCH_MODULE_IMPL(denoiser, denoiser_impl);

int main() {
  torch::manual_seed(0);
  fewstep::cpu_backend backend({.threads = 1});
  torch_generator<denoiser> generator(denoiser(), {.preconditioner = {.sigma_data = 0.7f, .sigma_max = 5.0f}});
  const std::vector<std::int32_t> labels = {0, 1, 2};
  fewstep::check_generator(backend, generator, labels);

  // A consistency model of three clusters on a circle, one for each label.
  auto clusters = [](std::int64_t step, fewstep::matrix<float> x, std::span<std::int32_t> label) {
    const fewstep::random_stream random{7, fewstep::stream::data};
    for (fewstep::index_t i = 0; i < x.rows(); ++i) {
      const auto sample = static_cast<std::uint64_t>(step * x.rows() + i), at = static_cast<std::uint64_t>(i);
      label[at] = static_cast<std::int32_t>(random.below(3, sample));
      const float angle = 2.0943951f * static_cast<float>(label[at]);
      x(i, 0) = std::cos(angle) + 0.1f * random.normal(sample, 1, 0);
      x(i, 1) = std::sin(angle) + 0.1f * random.normal(sample, 1, 1);
    }
  };
  fewstep::consistency_training training(backend, generator, fewstep::adam{.learning_rate = 2e-3f},
                                         {.steps = 800, .batch = 128, .log_time_mean = -0.5f});
  while (!training.finished()) training.step(clusters);

  // RLCM moves all of them to the middle of the first.
  auto nearness =
      fewstep::per_sample([](fewstep::vec<const float> x, std::int32_t) { return -std::hypot(x[0] - 1.0f, x[1]); });
  auto trainer = fewstep::rlcm(backend, generator, nearness, fewstep::adam{.learning_rate = 1e-3f},
                               {.horizon = 4, .batch = {.prompts = 3, .samples_per_prompt = 67}});
  for (const auto& update : trainer.run(labels, 41))
    if (update.index % 20 == 0)
      std::printf("update %2d: reward %.1f, importance ratio %.9f\n", static_cast<int>(update.index),
                  update.reward_mean, update.ratio_mean);
}
