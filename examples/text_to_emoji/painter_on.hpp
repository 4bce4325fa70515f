// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "drawing.hpp"
#include "emoji_generator.hpp"
#include "runtime_on.hpp"

#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/mdp/rollout.hpp>

#include <algorithm>
#include <utility>

namespace text_to_emoji {

template <class Backend, class Model>
class painter_on final : public painter {
 public:
  painter_on(Backend& backend, std::shared_ptr<Model> model) : backend_(&backend), model_(std::move(model)) {}

  [[nodiscard]] const fewstep::vocabulary& words() const override { return model_->words(); }
  [[nodiscard]] fewstep::token_list encode(const std::string& prompt) const override {
    return model_->encode(prompt, fewstep::missing_words::leave_out);
  }
  [[nodiscard]] std::vector<float> draw(std::span<const fewstep::token_list> contexts, const std::vector<float>& times,
                                        std::uint64_t seed, std::uint64_t first) override;

 private:
  Backend* backend_;
  std::shared_ptr<Model> model_;
};

template <class Backend, class Model>
std::vector<float> painter_on<Backend, Model>::draw(std::span<const fewstep::token_list> contexts,
                                                    const std::vector<float>& times, std::uint64_t seed,
                                                    std::uint64_t first) {
  using fewstep::index_t;
  constexpr std::size_t at_once = 64;
  const index_t size = model_->sample_size();
  const auto table = drawing_table(model_->preconditioner(), times);
  auto workspace = model_->make_workspace(*backend_, 0);
  fewstep::tensor<float, 2, Backend> output(*backend_, {at_once, size});
  fewstep::mirrored<fewstep::rollout_noise, Backend> noise(*backend_, 1);
  fewstep::fetched<float, Backend> drawn(*backend_, at_once * size);
  std::vector<float> pictures;
  for (std::size_t done = 0; done < contexts.size(); done += at_once) {
    const auto part = contexts.subspan(done, std::min(at_once, contexts.size() - done));
    const auto count = static_cast<index_t>(part.size());
    fewstep::trajectory<Backend, fewstep::token_list> path(*backend_, table, count, size);
    for (index_t i = 0; i < count; ++i) path.set_context(i, part[static_cast<std::size_t>(i)]);
    noise.host()[0] = {.seed = seed, .first = first + done};
    noise.upload(*backend_);
    rollout(*backend_, *model_, workspace, path, output.view(), std::as_const(noise).device(), fewstep::reduction::mean,
            0, count);
    const index_t values = count * size;
    const float* result = drawn.fetch(*backend_, path.result().data, 0, values);
    for (index_t i = 0; i < values; ++i) pictures.push_back(std::clamp(result[i], -1.0f, 1.0f));
  }
  return pictures;
}

template <class Backend, class Model>
std::unique_ptr<painter> make_painter(Backend& backend, std::shared_ptr<Model> model) {
  return std::make_unique<painter_on<Backend, Model>>(backend, std::move(model));
}

template <class Backend>
std::unique_ptr<painter> runtime_on<Backend>::load(const std::filesystem::path& model) {
  return make_painter(backend_, std::make_shared<emoji_generator<Backend>>(load_generator(backend_, model)));
}

}  // namespace text_to_emoji
