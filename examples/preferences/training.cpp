// SPDX-License-Identifier: Apache-2.0
#include "training.hpp"

#include "../compiled_kernels/kernels.hpp"
#include "../reward_models/pair_file.hpp"
#include "../text_to_emoji/drawing.hpp"
#include "../text_to_emoji/runtime.hpp"

#include <fewstep/algorithm/d3po.hpp>
#include <fewstep/algorithm/ddim_inpo.hpp>
#include <fewstep/algorithm/diffusion_dpo.hpp>
#include <fewstep/io/checkpoint.hpp>
#include <fewstep/io/crc32c.hpp>
#include <fewstep/io/file.hpp>
#include <fewstep/optimizer/adam.hpp>
#include <fewstep/preference/recorded_pairs.hpp>
#include <fewstep/reward/per_sample.hpp>
#include <fewstep/sampler/consistency.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace preferences {
namespace {

using fewstep::index_t;
using fewstep::token_list;
using text_to_emoji::emoji_data;

constexpr int calls = 4;  // of the network for a picture

std::vector<token_list> tuning_contexts(const emoji_data& data, const reference_type& model) {
  std::vector<token_list> contexts;
  for (const auto name : data.tuning)
    contexts.push_back(model.encode(data.names[static_cast<std::size_t>(name)], fewstep::missing_words::leave_out));
  return contexts;
}

/// The score of a picture as it is shown.
const auto rule_reward = fewstep::per_sample([](fewstep::vec<const float> x, const token_list&) {
  std::vector<float> shown(x.begin(), x.end());
  for (float& value : shown) value = std::clamp(value, -1.0f, 1.0f);
  return static_cast<float>(rule(fewstep::vec<const float>{shown.data(), {x.size()}}));
});

records_type read_pairs(const settings& s, const reference_type& model) {
  const auto file = reward_models::pair_file::load(s.pairs);
  records_type records;
  std::vector<float> picture(reward_models::pair_file::values);
  for (std::size_t i = 0; i < file.training; ++i) {
    for (const std::size_t which : {0u, 1u}) {
      file.picture(i, which, picture.data());
      auto& to = which == 0 ? records.first : records.second;
      to.insert(to.end(), picture.begin(), picture.end());
    }
    records.contexts.push_back(model.encode(file.prompts[i], fewstep::missing_words::leave_out));
    records.labels.push_back(file.first_wins[i] == 1 ? 1.0f : -1.0f);
  }
  return records;
}

template <class Trainer, class... Contexts>
class training_of final : public training {
 public:
  training_of(Trainer trainer, const settings& s, std::uint32_t pairs, Contexts... contexts)
      : trainer_(std::move(trainer)),
        base_(fewstep::crc32c(fewstep::read_file(s.checkpoint))),
        pairs_(pairs),
        contexts_(std::move(contexts)...) {}

  [[nodiscard]] std::int64_t index() const override { return trainer_.index(); }
  [[nodiscard]] bool is_whole() const override { return trainer_.is_whole(); }
  [[nodiscard]] fewstep::memory_plan memory() const override { return trainer_.memory(); }
  fewstep::preference_report update() override {
    return std::apply([&](const auto&... contexts) { return trainer_.update(std::span(contexts)...); }, contexts_);
  }
  void save(const std::filesystem::path& checkpoint) override { fewstep::save_checkpoint(checkpoint, content()); }
  void load(const std::filesystem::path& checkpoint) override { fewstep::load_checkpoint(checkpoint, content()); }

 private:
  [[nodiscard]] auto content() {
    return [this](auto& archive) {
      archive.must_match("base_checksum", base_);
      archive.must_match("pairs_checksum", pairs_);
      archive("trainer", trainer_);
    };
  }

  Trainer trainer_;
  std::uint32_t base_, pairs_;
  std::tuple<Contexts...> contexts_;
};

template <class Trainer, class... Contexts>
std::unique_ptr<training> made(Trainer trainer, const settings& s, std::uint32_t pairs, Contexts... contexts) {
  return std::make_unique<training_of<Trainer, Contexts...>>(std::move(trainer), s, pairs, std::move(contexts)...);
}

}  // namespace

records_type make_pairs(backend_type& backend, const settings& s, const emoji_data& data,
                        std::shared_ptr<reference_type> model) {
  if (!s.pairs.empty()) return read_pairs(s, *model);
  records_type records;
  const fewstep::random_stream random{s.seed, fewstep::stream::prompts};
  const auto names = tuning_contexts(data, *model);
  for (int i = 0; i < s.drawn; ++i)
    records.contexts.push_back(
        names[random.below(static_cast<std::uint32_t>(names.size()), static_cast<std::uint64_t>(i))]);
  const auto artist = make_painter(backend, std::move(model));
  for (auto* member : {&records.first, &records.second})
    *member = artist->draw(records.contexts, text_to_emoji::times_for(calls), s.seed,
                           member == &records.first ? 0 : 1u << 31);
  const auto rows = [&](const std::vector<float>& x) {
    return fewstep::matrix<const float>{x.data(), {s.drawn, emoji_data::picture_size}};
  };
  for (const auto& label : fewstep::label_pairs(rule, rows(records.first), rows(records.second), {.seed = s.seed}))
    records.labels.push_back(label.first_wins ? 1.0f : -1.0f);
  return records;
}

std::unique_ptr<training> make_training(backend_type& backend, const settings& s, const emoji_data& data,
                                        generator_type& model, reference_type& reference, generator_type* inverter,
                                        records_type records) {
  const fewstep::preference_parts parts{.optimizer = fewstep::adam{.learning_rate = s.learning_rate},
                                        .reference = fewstep::frozen_reference(reference),
                                        .link = fewstep::logistic_link{.beta = s.beta}};
  const fewstep::preference_optimization_options update{
      .optimizer_steps = 1,
      .safeguard = {.is_on = s.safeguard >= 0, .mu = std::max(0.0f, s.safeguard)},
      .training = {.schedule = {.warmup = s.updates / 8, .hold = s.updates / 2, .total = s.updates, .final = 0.1f},
                   .memory_budget = static_cast<std::size_t>(s.memory_budget * 1e6),
                   .seed = s.seed}};
  const fewstep::consistency_sampler sampler{.times = text_to_emoji::times_for(calls)};
  if (s.system == "d3po")
    return made(fewstep::d3po(backend, model, rule_reward, parts,
                              {.pairs = {.horizon = calls, .batch = {.prompts = s.batch}}, .update = update}, sampler),
                s, 0, tuning_contexts(data, reference));
  std::uint32_t checksum = fewstep::crc32c(std::as_bytes(std::span(records.first)));
  checksum = fewstep::crc32c(std::as_bytes(std::span(records.labels)), checksum);
  const fewstep::recorded_pairs pairs(std::move(records), model.sample_size(), s.seed);
  const fewstep::corrupted_pairs_options compared{.comparisons = s.batch};
  const fewstep::listed_times times{sampler.times};
  if (s.system == "diffusion_dpo")
    return made(fewstep::diffusion_dpo(backend, model, pairs, parts, {.pairs = compared, .update = update}, times), s,
                checksum);
  fewstep::expects(s.system == "ddim_inpo", [&] {
    return fewstep::message("there is no system '", s.system, "'; use d3po, diffusion_dpo or ddim_inpo");
  });
  return made(fewstep::ddim_inpo(backend, model, *inverter, pairs, parts,
                                 {.pairs = {.steps = s.inversion_steps, .pairs = compared}, .update = update}, times),
              s, checksum);
}

}  // namespace preferences
