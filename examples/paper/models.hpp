// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "text_to_emoji/emoji_generator.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/generator/guided.hpp>
#include <fewstep/generator/rescaled.hpp>
#include <fewstep/mdp/rollout.hpp>
#include <fewstep/mdp/trajectory.hpp>
#include <fewstep/model_file/text_unet_file.hpp>
#include <fewstep/sampler/step_table.hpp>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

namespace paper {

/// The consistency model of a folder, which text_to_emoji calls base.
[[nodiscard]] inline std::filesystem::path consistency_file(const std::filesystem::path& models) {
  const auto file = models / "consistency.safetensors", base = models / "base.safetensors";
  return !std::filesystem::exists(file) && std::filesystem::exists(base) ? base : file;
}

/// A network that is compiled once, in models.cpp, for the preconditionings of the study.
template <class Preconditioning>
using unet = text_to_emoji::emoji_generator<fewstep::cpu_backend, Preconditioning>;
template <class Preconditioning>
[[nodiscard]] unet<Preconditioning> load_unet(fewstep::cpu_backend& host, const std::filesystem::path& file);

/// The consistency model.
struct consistency_policy {
  unet<fewstep::edm_consistency> model;

  consistency_policy(fewstep::cpu_backend& host, const std::filesystem::path& file, float = 1)
      : model(load_unet<fewstep::edm_consistency>(host, file)) {}

  [[nodiscard]] static std::filesystem::path file(const std::filesystem::path& models) {
    return consistency_file(models);
  }
  [[nodiscard]] auto& network() { return model; }
  [[nodiscard]] static int calls_per_step() { return 1; }
};

/// The denoiser in the variance-preserving process of DDPO, guided where the scale is not 1.
struct diffusion_policy {
  unet<fewstep::variance_preserving<fewstep::edm_denoiser>> base;
  fewstep::guided<fewstep::cpu_backend, decltype(base)> model;

  diffusion_policy(fewstep::cpu_backend& host, const std::filesystem::path& file, float guidance)
      : base(load_unet<fewstep::variance_preserving<fewstep::edm_denoiser>>(host, file)),
        model(host, base, {.scale = guidance}),
        calls_(guidance == 1.0f ? 1 : 2) {}

  [[nodiscard]] static std::filesystem::path file(const std::filesystem::path& models) {
    return models / "denoiser.safetensors";
  }
  [[nodiscard]] auto& network() { return base; }
  [[nodiscard]] int calls_per_step() const { return calls_; }

 private:
  int calls_;
};

/// The denoiser as a rectified flow.
struct flow_policy {
  unet<fewstep::rectified_flow<fewstep::edm_denoiser>> model;

  flow_policy(fewstep::cpu_backend& host, const std::filesystem::path& file, float = 1)
      : model(load_unet<fewstep::rectified_flow<fewstep::edm_denoiser>>(host, file)) {}

  [[nodiscard]] static std::filesystem::path file(const std::filesystem::path& models) {
    return diffusion_policy::file(models);
  }
  [[nodiscard]] auto& network() { return model; }
  [[nodiscard]] static int calls_per_step() { return 1; }
};

/// Pictures [contexts, D], clamped to [-1, 1].
template <class Model>
[[nodiscard]] std::vector<float> draw_with(fewstep::cpu_backend& host, Model& model, const fewstep::step_table& table,
                                           std::span<const fewstep::token_list> contexts,
                                           fewstep::rollout_noise noise) {
  using fewstep::index_t;
  constexpr std::size_t at_once = 64;
  const index_t size = model.sample_size();
  auto workspace = model.make_workspace(host, 0);
  fewstep::tensor<float, 2, fewstep::cpu_backend> output(host, {at_once, size});
  std::vector<float> pictures;
  while (!contexts.empty()) {
    const auto part = contexts.first(std::min(at_once, contexts.size()));
    const auto count = static_cast<index_t>(part.size());
    fewstep::trajectory<fewstep::cpu_backend, fewstep::token_list> path(host, table, count, size);
    for (index_t i = 0; i < count; ++i) path.set_context(i, part[static_cast<std::size_t>(i)]);
    fewstep::rollout(host, model, workspace, path, output.view(), noise, fewstep::reduction::mean, 0, count);
    const auto result = path.result();
    for (index_t i = 0; i < result.size(); ++i) pictures.push_back(std::clamp(result.data[i], -1.0f, 1.0f));
    contexts = contexts.subspan(part.size());
    noise.first += part.size();
  }
  return pictures;
}

}  // namespace paper
