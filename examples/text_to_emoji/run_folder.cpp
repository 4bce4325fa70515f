// SPDX-License-Identifier: Apache-2.0
#include "run_folder.hpp"

#include <fewstep/core/error.hpp>

#include <stdexcept>
#include <string>

namespace text_to_emoji {

namespace fs = std::filesystem;

void refuse_unfinished_run(const fs::path& folder, const char* last_result, bool is_meant) {
  std::error_code ignored;
  const bool is_unfinished =
      fs::exists(folder / "checkpoint.safetensors", ignored) && !fs::exists(folder / last_result, ignored);
  if (is_unfinished && !is_meant)
    throw std::runtime_error(fewstep::message(folder.string(),
                                              ": holds a run that has not ended; go on with it by --resume, begin anew "
                                              "by --overwrite, or name another folder by --output"));
}

void begin_run(const fs::path& folder, std::initializer_list<const char*> results) {
  fs::remove(folder / "checkpoint.safetensors");
  for (const char* name : results) fs::remove(folder / name);
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder / "tensorboard", ignored))
    if (entry.path().filename().string().starts_with("events.out.tfevents.")) fs::remove(entry.path(), ignored);
}

}  // namespace text_to_emoji
