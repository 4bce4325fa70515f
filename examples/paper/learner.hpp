// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "artist.hpp"
#include "settings.hpp"

#include <fewstep/algorithm/update_report.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

namespace paper {

/// What an update costs, in evaluations of the network on one picture.
struct update_cost {
  std::int64_t reward_queries, sampling_calls;
  std::int64_t training_passes;  ///< forward and backward
};

/// An artist whose model is trained; its pictures are drawn as they are for training.
class learner : public artist {
 public:
  [[nodiscard]] virtual update_cost cost() const = 0;
  [[nodiscard]] virtual std::int64_t index() const = 0;
  [[nodiscard]] virtual bool is_whole() const = 0;
  virtual fewstep::update_report update(std::span<const fewstep::token_list> contexts) = 0;
  /// All that a resumed run needs, `seconds` of training so far included.
  virtual void save_checkpoint(const std::filesystem::path& path, double seconds) = 0;
  virtual void load_checkpoint(const std::filesystem::path& path, double& seconds) = 0;
  virtual void save_model(const std::filesystem::path& path) = 0;
};

/// The settings with what they leave to the method.
[[nodiscard]] train_settings settled(train_settings s);
/// The model that the method starts from, and how it draws.
[[nodiscard]] std::filesystem::path model_of(const train_settings& s);
[[nodiscard]] drawing drawing_of(const train_settings& s);

/// The learner of settled settings; the backend must outlive it.
[[nodiscard]] std::unique_ptr<learner> make_learner(fewstep::cpu_backend& host, const train_settings& s);
[[nodiscard]] std::unique_ptr<learner> make_rlcm(fewstep::cpu_backend& host, const train_settings& s);
[[nodiscard]] std::unique_ptr<learner> make_ddpo(fewstep::cpu_backend& host, const train_settings& s);

}  // namespace paper
