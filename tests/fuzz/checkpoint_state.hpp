// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/advantage/prompt_history.hpp>
#include <fewstep/core/view.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

/// What the target of checkpoints loads: every kind of value.
namespace fewstep::fuzz {

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
    archive("parameters", vec<std::int32_t>{parameters.data(), {3}});
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

struct checkpoint_content {
  run_state state{};
  prompt_history rewards{};

  template <class Archive>
  void serialize(Archive& archive) {
    state.serialize(archive);
    archive("rewards", rewards);
  }
};

}  // namespace fewstep::fuzz
