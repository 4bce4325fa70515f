// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../text_to_emoji/emoji_data.hpp"
#include "../text_to_emoji/emoji_generator.hpp"
#include "settings.hpp"

#include <fewstep/algorithm/memory_plan.hpp>
#include <fewstep/algorithm/preference_report.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/preference/pair_records.hpp>
#include <fewstep/reward_model/labelling_rule.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>

namespace preferences {

using backend_type = fewstep::cpu_backend;
using generator_type = text_to_emoji::emoji_generator<backend_type>;
using reference_type = text_to_emoji::emoji_reference<backend_type>;
using records_type = fewstep::pair_records<fewstep::token_list>;

/// Who labels: the rule that the shipped preference model has learned from other pairs.
inline constexpr fewstep::labelling_rule rule{.colour = 1, .centre = 1, .stray = 10};

/// A trainer of one of the systems, whose types differ.
class training {
 public:
  virtual ~training() = default;

  [[nodiscard]] virtual std::int64_t index() const = 0;
  [[nodiscard]] virtual bool is_whole() const = 0;
  [[nodiscard]] virtual fewstep::memory_plan memory() const = 0;
  virtual fewstep::preference_report update() = 0;
  virtual void save(const std::filesystem::path& checkpoint) = 0;
  virtual void load(const std::filesystem::path& checkpoint) = 0;
};

/// Pairs that the model draws, four network calls a picture, for names of `tuning`; or those of a file that
/// reward_models has made, which people may have labelled.
[[nodiscard]] records_type make_pairs(backend_type& backend, const settings& s, const text_to_emoji::emoji_data& data,
                                      std::shared_ptr<reference_type> model);

/// The trainer that is asked for. `records` are what the systems but d3po learn from, which makes pairs of its own.
/// Backend and models must outlive it; `inverter` is ddim_inpo's, and else may be null.
[[nodiscard]] std::unique_ptr<training> make_training(backend_type& backend, const settings& s,
                                                      const text_to_emoji::emoji_data& data, generator_type& model,
                                                      reference_type& reference, generator_type* inverter,
                                                      records_type records);

}  // namespace preferences
