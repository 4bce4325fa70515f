// SPDX-License-Identifier: Apache-2.0
// A checkpoint: every kind of value. One that is refused must leave the object as it was.
#include "fuzz.hpp"
#include "safetensors_mutator.hpp"

#include <fewstep/advantage/prompt_history.hpp>
#include <fewstep/io/checkpoint.hpp>

#include <array>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

enum class phase : std::uint8_t { rollout, update };

struct part {
  std::vector<float> values;
  std::string text;
  friend bool operator==(const part&, const part&) = default;

  template <class Archive>
  void serialize(Archive& archive) {
    archive("values", values);
    archive("text", text);
  }
};

struct run_state {
  std::array<std::int32_t, 3> parameters{};
  std::vector<std::int16_t> curve{};
  std::int64_t index = 0;
  bool warm = false;
  phase now = phase::rollout;
  std::string text{};
  std::vector<std::string> names{};
  std::vector<part> parts{};
  std::vector<std::vector<std::uint8_t>> history{};
  friend bool operator==(const run_state&, const run_state&) = default;

  template <class Archive>
  void serialize(Archive& archive) {
    archive.must_match("horizon", 4);
    archive.must_match("shared", false);
    archive.must_match("reward", std::string("size"));
    archive("parameters", fewstep::vec<std::int32_t>{parameters.data(), {3}});
    archive("curve", curve);
    archive.within("index", index, 0, 1000);
    archive("warm", warm);
    archive.within("now", now, phase::rollout, phase::update);
    archive("text", text);
    archive("names", names);
    archive("parts", parts);
    archive("history", history);
  }
};

}  // namespace

FEWSTEP_FUZZ(bytes) {
  fewstep::safetensors_file file({bytes.begin(), bytes.end()}, "input");
  run_state state{.index = 7, .names = {"kept"}};
  const run_state before = state;
  fewstep::prompt_history rewards;
  try {
    fewstep::load_checkpoint(std::move(file), [&](auto& archive) {
      state.serialize(archive);
      archive("rewards", rewards);
    });
  } catch (const std::exception&) {
    if (state != before || rewards.prompts() != 0) std::abort();
    return;
  }
  if (state.index > 1000 || state.now > phase::update) std::abort();
  for (std::int32_t prompt = -1; prompt < 3; ++prompt) (void)rewards.rewards(prompt);
  if (rewards.prompts() == 0) rewards.push(1, 0.5f, 2);
}
