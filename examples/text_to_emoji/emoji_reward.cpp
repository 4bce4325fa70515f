// SPDX-License-Identifier: Apache-2.0
#include "emoji_reward.hpp"

#include "emoji_data.hpp"
#include "picture_size_reward.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/io/judge_file.hpp>
#include <fewstep/judge/alignment_reward.hpp>
#include <fewstep/judge/preference_reward.hpp>

#include <memory>
#include <stdexcept>
#include <utility>

namespace text_to_emoji {
namespace {

using fewstep::cpu_backend;

template <class Model>
void expect_fit(const std::filesystem::path& path, const Model& model, const fewstep::vocabulary& words) {
  if (model.sample_size() != emoji_data::picture_size)
    throw std::runtime_error(fewstep::message(path.string(), ": judges samples of ", model.sample_size(),
                                              " values, but pictures of 32 x 32 have ", emoji_data::picture_size));
  if (model.network().reads_texts() && model.words().words() != words.words())
    throw std::runtime_error(fewstep::message(path.string(), ": has other words (", model.words().words().size(),
                                              ") than the generator (", words.words().size(),
                                              "); train it on the data that the generator was trained on"));
}

/// The model with what it runs on; rewards are copied, so they share it.
struct alignment_judge {
  cpu_backend backend;
  fewstep::two_tower<cpu_backend> model;
  fewstep::alignment_reward<cpu_backend> reward;

  alignment_judge(const std::filesystem::path& path, int threads)
      : backend({.threads = threads}), model(fewstep::load_two_tower(backend, path)), reward(backend, model) {}
};

struct preference_judge {
  cpu_backend backend;
  fewstep::loaded_preference_model<cpu_backend> loaded;
  fewstep::preference_model<cpu_backend>& model = loaded.model;
  fewstep::preference_reward<cpu_backend> reward;

  preference_judge(const std::filesystem::path& path, int threads)
      : backend({.threads = threads}),
        loaded(fewstep::load_preference_model(backend, path)),
        reward(backend, loaded.model, loaded.scale) {}
};

template <class Judge>
emoji_reward load(const std::filesystem::path& path, const fewstep::vocabulary& words, int threads) {
  auto judge = std::make_shared<Judge>(path, threads);
  expect_fit(path, judge->model, words);
  return [judge = std::move(judge)](fewstep::matrix<const float> samples, std::span<const fewstep::token_list> contexts,
                                    std::span<float> out) { judge->reward(samples, contexts, out); };
}

}  // namespace

bool is_learned(const std::string& task) { return task == "alignment" || task == "preference"; }

emoji_reward make_reward(const std::string& task, const std::filesystem::path& model, const fewstep::vocabulary& words,
                         int threads) {
  if (task == "alignment") return load<alignment_judge>(model, words, threads);
  if (task == "preference") return load<preference_judge>(model, words, threads);
  return picture_size_reward::of(task, threads);
}

}  // namespace text_to_emoji
