// SPDX-License-Identifier: Apache-2.0
#include "run_folder.hpp"

#include <fewstep/core/error.hpp>
#include <fewstep/io/atomic_file.hpp>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

namespace text_to_emoji {

namespace fs = std::filesystem;

namespace {

/// Proved writable before it is locked.
const fs::path& writable(const fs::path& folder) {
  fewstep::require_writable_directory(folder);
  return folder;
}

}  // namespace

run_folder::run_folder(const fs::path& folder, std::vector<const char*> results, intent asked)
    : folder_(folder), results_(std::move(results)), lock_(writable(folder_)) {
  const bool has_checkpoint = fs::exists(checkpoint());
  goes_on_ = asked.resume && has_checkpoint;
  if (goes_on_ || asked.overwrite) return;
  const auto refuse = [&](const auto&... what) {
    throw std::runtime_error(fewstep::message(folder_.string(), ": holds ", what...,
                                              ", or name another folder by "
                                              "--output"));
  };
  const auto has = [&](const char* name) { return fs::exists(folder_ / name); };
  if (has(results_.back())) refuse("a run that has ended; begin anew by --overwrite, which removes its results");
  if (has_checkpoint) refuse("a run that has not ended; go on with it by --resume, begin anew by --overwrite");
  if (const auto old = std::find_if(results_.begin(), results_.end(), has); old != results_.end())
    refuse("the file ", *old, ", but no checkpoint to go on from; begin anew by --overwrite, which removes it");
}

void run_folder::begin() const {
  fs::remove(checkpoint());
  for (const char* name : results_) fs::remove(folder_ / name);
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder_ / "tensorboard", ignored))
    if (entry.path().filename().string().starts_with("events.out.tfevents.")) fs::remove(entry.path(), ignored);
}

}  // namespace text_to_emoji
