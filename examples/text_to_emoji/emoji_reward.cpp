// SPDX-License-Identifier: Apache-2.0
#include "emoji_reward.hpp"
#include "../compiled_kernels/kernels.hpp"

#include "emoji_data.hpp"
#include "open_weights.hpp"
#include "picture_size_reward.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/model_file/reward_model_file.hpp>
#include <fewstep/reward_model/alignment_reward.hpp>
#include <fewstep/reward_model/preference_reward.hpp>

#include <memory>
#include <stdexcept>
#include <utility>

namespace text_to_emoji {
namespace {

using fewstep::cpu_backend;

template <class Model>
void expect_fit(const std::filesystem::path& path, const Model& model, const fewstep::vocabulary& words) {
  if (model.sample_size() != emoji_data::picture_size)
    throw std::runtime_error(fewstep::message(path.string(), ": rates samples of ", model.sample_size(),
                                              " values, but pictures of 32 x 32 have ", emoji_data::picture_size));
  if (model.network().reads_texts() && model.words().words() != words.words())
    throw std::runtime_error(fewstep::message(path.string(), ": has other words (", model.words().words().size(),
                                              ") than the generator (", words.words().size(),
                                              "); train it on the data that the generator was trained on"));
}

/// Each is a model with what it runs on.
struct loaded_alignment {
  cpu_backend backend;
  fewstep::two_tower<cpu_backend> model;
  fewstep::alignment_reward<cpu_backend> reward;

  loaded_alignment(const std::filesystem::path& path, int threads)
      : backend({.threads = threads}),
        model(fewstep::load_two_tower(backend, open_weights(path))),
        reward(backend, model) {}
};

struct loaded_preference {
  cpu_backend backend;
  fewstep::loaded_preference_model<cpu_backend> loaded;
  fewstep::preference_model<cpu_backend>& model = loaded.model;
  fewstep::preference_reward<cpu_backend> reward;

  loaded_preference(const std::filesystem::path& path, int threads)
      : backend({.threads = threads}),
        loaded(fewstep::load_preference_model(backend, open_weights(path))),
        reward(backend, loaded.model, loaded.scale) {}
};

template <class Loaded>
class learned_reward_of final : public learned_reward {
 public:
  learned_reward_of(const std::filesystem::path& path, const fewstep::vocabulary& words, int threads)
      : loaded_(path, threads) {
    expect_fit(path, loaded_.model, words);
  }

  void rate(fewstep::matrix<const float> samples, std::span<const fewstep::token_list> contexts,
            std::span<float> out) override {
    loaded_.reward(samples, contexts, out);
  }
  void rate(fewstep::matrix<const float> samples, std::span<const fewstep::token_list> contexts, std::span<float> out,
            fewstep::matrix<float> gradient) override {
    loaded_.reward.value_and_gradient(samples, contexts, out, gradient);
  }

 private:
  Loaded loaded_;
};

}  // namespace

bool is_learned(const std::string& task) { return task == "alignment" || task == "preference"; }

std::shared_ptr<learned_reward> load_learned_reward(const std::string& task, const std::filesystem::path& model,
                                                    const fewstep::vocabulary& words, int threads) {
  fewstep::expects(is_learned(task), [&] {
    return fewstep::message("there is no model of the reward '", task, "'; use alignment or preference");
  });
  if (task == "alignment") return std::make_shared<learned_reward_of<loaded_alignment>>(model, words, threads);
  return std::make_shared<learned_reward_of<loaded_preference>>(model, words, threads);
}

emoji_reward make_reward(const std::string& task, const std::filesystem::path& model, const fewstep::vocabulary& words,
                         int threads) {
  if (!is_learned(task)) return picture_size_reward::of(task, threads);
  // Rewards are copied, so they share the model.
  return [learned = load_learned_reward(task, model, words, threads)](
             fewstep::matrix<const float> samples, std::span<const fewstep::token_list> contexts,
             std::span<float> out) { learned->rate(samples, contexts, out); };
}

}  // namespace text_to_emoji
