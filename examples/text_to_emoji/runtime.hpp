// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "emoji_data.hpp"
#include "settings.hpp"

#include <fewstep/algorithm/consistency_training_report.hpp>
#include <fewstep/algorithm/memory_plan.hpp>
#include <fewstep/algorithm/update_report.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/generator/vocabulary.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

/// What the commands ask of the backend that was chosen when the program was started. Whatever touches arrays of a
/// backend stands behind these classes, as templates over the backend (*_on.hpp); cpu/ and cuda/ instantiate them.

namespace text_to_emoji {

/// A generator that draws.
class painter {
 public:
  virtual ~painter() = default;

  [[nodiscard]] virtual const fewstep::vocabulary& words() const = 0;
  /// Context of a prompt without the words that the generator does not know or has no room for (see
  /// warn_of_left_out); throws if it knows none.
  [[nodiscard]] virtual fewstep::token_list encode(const std::string& prompt) const = 0;
  /// Pictures [contexts, 32 * 32 * 3] in [-1, 1], one for each context, by multistep consistency sampling with network
  /// calls at these noise levels, which ends on the clean prediction. The noise of picture i is a function of (seed,
  /// first + i) only.
  [[nodiscard]] virtual std::vector<float> draw(std::span<const fewstep::token_list> contexts,
                                                const std::vector<float>& times, std::uint64_t seed,
                                                std::uint64_t first = 0) = 0;
};

/// RLCM on a pretrained generator.
class finetuning {
 public:
  virtual ~finetuning() = default;

  struct summary {
    fewstep::index_t parameters, trained;  ///< numbers of them
    bool has_adapters;
    std::vector<float> times;  ///< noise levels of the network calls
    float clip_range;
    fewstep::memory_plan memory;
  };
  [[nodiscard]] virtual summary describe() = 0;
  [[nodiscard]] virtual std::int64_t index() const = 0;
  [[nodiscard]] virtual bool is_whole() const = 0;
  virtual fewstep::update_report update(std::span<const fewstep::token_list> contexts) = 0;
  /// A run goes on only with the settings and the data it was begun with.
  virtual void save_checkpoint(const std::filesystem::path& path) = 0;
  virtual void load_checkpoint(const std::filesystem::path& path) = 0;
  virtual void save_model(const std::filesystem::path& path) = 0;
  /// The generator as it was, and as it is.
  [[nodiscard]] virtual painter& before() = 0;
  [[nodiscard]] virtual painter& after() = 0;
};

/// Consistency training of a new generator.
class pretraining {
 public:
  virtual ~pretraining() = default;

  [[nodiscard]] virtual fewstep::index_t parameters() const = 0;
  [[nodiscard]] virtual std::int64_t index() const = 0;
  virtual fewstep::consistency_training_report step(const emoji_examples& source) = 0;
  virtual void save_checkpoint(const std::filesystem::path& path) = 0;
  virtual void load_checkpoint(const std::filesystem::path& path) = 0;
  /// The EMA of the generator's parameters, as a file and to draw with; the latter ends the training.
  virtual void save_ema(const std::filesystem::path& path) = 0;
  [[nodiscard]] virtual painter& take_ema() = 0;
};

/// One way to compute the gradient of a rollout.
struct gradient_variant {
  const char* rows;
  fewstep::index_t blocks;  ///< row blocks of a micro-batch; 0: all rows at once
  int threads;
};

struct gradient_outcome {
  fewstep::index_t rows = 0, total_rows = 0;  ///< of a micro-batch and of all
  fewstep::index_t row_block = 0;
  bool ratios_are_one = false;
  std::vector<float> gradient;
};

/// A backend. What it makes must not outlive it.
class runtime {
 public:
  virtual ~runtime() = default;

  /// Whether its arrays lie in the host's memory.
  [[nodiscard]] virtual bool is_host() const = 0;
  [[nodiscard]] virtual std::unique_ptr<painter> load(const std::filesystem::path& model) = 0;
  [[nodiscard]] virtual std::unique_ptr<finetuning> finetune(const finetune_settings& settings,
                                                             const emoji_data& data) = 0;
  [[nodiscard]] virtual std::unique_ptr<pretraining> pretrain(const pretrain_settings& settings,
                                                              const emoji_data& data) = 0;
  /// The gradient of the first rollout for these settings, computed in one of the ways.
  [[nodiscard]] virtual gradient_outcome first_gradient(const finetune_settings& settings, const emoji_data& data,
                                                        const gradient_variant& variant) = 0;
};

/// The backend of that name ("cpu", or "cuda" where the program was built with it); `threads` of the host, 0 for all.
[[nodiscard]] std::unique_ptr<runtime> make_runtime(const std::string& backend, int threads);

[[nodiscard]] std::unique_ptr<runtime> make_cpu_runtime(int threads);
[[nodiscard]] std::unique_ptr<runtime> make_cuda_runtime();
/// Runs the kernels of "cuda" on the CPU, for tests.
[[nodiscard]] std::unique_ptr<runtime> make_emulated_runtime();

}  // namespace text_to_emoji
