// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "folder_lock.hpp"

#include <filesystem>
#include <vector>

namespace text_to_emoji {

/// The folder of a run, which no other run writes into meanwhile: a checkpoint, results, and tables between them.
class run_folder {
 public:
  struct intent {
    bool resume = false, overwrite = false;
  };

  /// Makes the folder if it is missing. `results` are names of files, the last one written last. Throws if another run
  /// is writing there, or if there is something that going on or beginning anew would lose and that was not asked for.
  run_folder(const std::filesystem::path& folder, std::vector<const char*> results, intent asked);

  [[nodiscard]] std::filesystem::path checkpoint() const { return folder_ / "checkpoint.safetensors"; }
  /// Whether the run goes on from the checkpoint.
  [[nodiscard]] bool goes_on() const { return goes_on_; }
  /// Removes what an earlier run left: its checkpoint, its TensorBoard events and the results.
  void begin() const;

 private:
  std::filesystem::path folder_;
  std::vector<const char*> results_;
  folder_lock lock_;
  bool goes_on_ = false;
};

}  // namespace text_to_emoji
