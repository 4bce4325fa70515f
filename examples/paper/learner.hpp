// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "settings.hpp"
#include "task_reward.hpp"

#include <fewstep/algorithm/update_report.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/monitor/held_out_samples.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace paper {

/// What an update costs.
struct update_cost {
  std::int64_t reward_queries;  ///< pictures that are rated
  std::int64_t network_calls;   ///< evaluations of the network on a picture for sampling; guidance takes two
  std::int64_t training_calls;  ///< forward and backward
};

/// What a model makes of held-out prompts; see held_out_samples.
struct examined {
  fewstep::matrix<const float> pictures;  ///< valid until the next ones
  fewstep::held_out_figure reward, other_reward, diversity;
  fewstep::held_out_figure kl;  ///< to the model that training began with, over its noisy steps
};

struct prompt_texts {
  std::vector<std::string> training, held_out;
  std::uint32_t data_checksum = 0;  ///< of the data that they are from
};

/// What a checkpoint has beside the trainer.
struct run_progress {
  double seconds = 0;                ///< of training so far
  std::int64_t last_evaluated = -1;  ///< the update after which the last evaluation was made; -1: there was none
};

/// A model and what trains it.
class learner {
 public:
  learner() = default;
  learner(const learner&) = delete;
  learner& operator=(const learner&) = delete;
  virtual ~learner() = default;

  [[nodiscard]] virtual update_cost cost() const = 0;
  [[nodiscard]] virtual std::int64_t index() const = 0;
  [[nodiscard]] virtual bool is_whole() const = 0;
  virtual fewstep::update_report update() = 0;
  /// Pictures for the held-out prompts, always from the same noise, and what they are worth.
  [[nodiscard]] virtual examined examine() = 0;
  /// Pictures of the model that training began with, from that noise.
  [[nodiscard]] virtual std::vector<float> base_pictures() = 0;
  /// Median time of a picture when 64 are drawn.
  [[nodiscard]] virtual double seconds_per_image() = 0;
  /// All that a resumed run needs.
  virtual void save_checkpoint(const std::filesystem::path& path, run_progress progress) = 0;
  virtual void load_checkpoint(const std::filesystem::path& path, run_progress& progress) = 0;
  virtual void save_model(const std::filesystem::path& path) = 0;
};

/// The settings with what they leave to the method.
[[nodiscard]] train_settings settled(train_settings s);

/// The learner of settled settings; the backend must outlive it.
[[nodiscard]] std::unique_ptr<learner> make_learner(fewstep::cpu_backend& host, const train_settings& s,
                                                    const prompt_texts& prompts, const task_reward& reward);

/// By the model; each knows some methods.
[[nodiscard]] std::unique_ptr<learner> make_consistency_learner(fewstep::cpu_backend& host, const train_settings& s,
                                                                const prompt_texts& prompts, const task_reward& reward);
[[nodiscard]] std::unique_ptr<learner> make_direct_learner(fewstep::cpu_backend& host, const train_settings& s,
                                                           const prompt_texts& prompts, const task_reward& reward);
[[nodiscard]] std::unique_ptr<learner> make_diffusion_learner(fewstep::cpu_backend& host, const train_settings& s,
                                                              const prompt_texts& prompts, const task_reward& reward);
[[nodiscard]] std::unique_ptr<learner> make_flow_learner(fewstep::cpu_backend& host, const train_settings& s,
                                                         const prompt_texts& prompts, const task_reward& reward);

}  // namespace paper
