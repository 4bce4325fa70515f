// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/reward/check.hpp>
#include <fewstep/reward/differentiable_reward.hpp>
#include <fewstep/reward/reward.hpp>

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace fewstep {

/// One part of a weighted_sum: `weighted{0.7f, jpeg_compressibility{}, "jpeg"}`. The name is for curves, and optional.
template <class Reward>
struct weighted {
  float weight;
  Reward part;
  std::string name = {};
};
template <class Reward>
weighted(float, Reward) -> weighted<Reward>;
template <class Reward, class Name>
weighted(float, Reward, Name) -> weighted<Reward>;

/// The reward  sum_k weight_k * part_k(sample, context):
///
///   weighted_sum(weighted{0.7f, first}, weighted{0.3f, second})
///
/// Each part rates the whole batch, in the order given; its values before weighting stay readable until the next call.
/// The buffers grow to the largest batch seen and are then reused.
/// A part is held by value; pass std::ref(part) to share one.
template <class... Rewards>
class weighted_sum {
  static_assert(sizeof...(Rewards) >= 1, "weighted_sum: give at least one weighted{weight, reward}");

 public:
  explicit weighted_sum(weighted<Rewards>... parts) : parts_(std::move(parts)...) {
    check_settings("weighted_sum", *this);
  }

  template <class Visitor>
  void settings(Visitor& visit) const {
    std::apply(
        [&](const auto&... terms) {
          std::size_t at = 0;
          ((visit(message("weight_", at), terms.weight), visit.part(message("part_", at), terms.part), ++at), ...);
        },
        parts_);
  }

  template <class Context>
  requires(reward<Rewards, Context>&&...) void operator()(matrix<const float> samples,
                                                          std::span<const Context> contexts, std::span<float> out) {
    add_parts(samples, contexts.size(), out,
              [&](auto& term, std::span<float> values) { term.part(samples, contexts, values); });
  }

  /// As above with the gradient, the weighted sum of the parts' gradients, where every part has one.
  template <class Context>
  requires(differentiable_reward<Rewards, Context>&&...) void value_and_gradient(matrix<const float> samples,
                                                                                 std::span<const Context> contexts,
                                                                                 std::span<float> out,
                                                                                 matrix<float> gradient) {
    detail::expect_reward_gradient(samples, gradient);
    gradient_.resize(static_cast<std::size_t>(samples.size()));
    const matrix<float> of_part{gradient_.data(), gradient.extents};
    for (float& total : gradient) total = 0.0f;
    add_parts(samples, contexts.size(), out, [&](auto& term, std::span<float> values) {
      fewstep::value_and_gradient(term.part, samples, contexts, values, of_part);
      for (index_t i = 0; i < gradient.size(); ++i) gradient.data[i] += term.weight * of_part.data[i];
    });
  }

  [[nodiscard]] static constexpr std::size_t size() { return sizeof...(Rewards); }

  /// The part's own values [B] in the last call, not weighted; empty before the first.
  [[nodiscard]] std::span<const float> values(std::size_t part) const {
    expects(part < size(), [&] { return message("weighted_sum: there is no part ", part, "; it has ", size()); });
    return values_[part];
  }

  [[nodiscard]] std::span<const float> values(std::string_view name) const {
    for (std::size_t part = 0; part < size(); ++part)
      if (this->name(part) == name) return values_[part];
    expects(false, [&] {
      std::string known;
      for (std::size_t part = 0; part < size(); ++part) known.append(part > 0 ? ", " : "").append(this->name(part));
      return message("weighted_sum: no part is called '", name, "'; the parts are: ", known);
    });
    return {};
  }

  /// The name given to a part, or its index as text.
  [[nodiscard]] std::string name(std::size_t part) const {
    expects(part < size(), [&] { return message("weighted_sum: there is no part ", part, "; it has ", size()); });
    std::string found;
    std::apply(
        [&](const auto&... terms) {
          std::size_t at = 0;
          ((at++ == part ? void(found = terms.name) : void()), ...);
        },
        parts_);
    return found.empty() ? std::to_string(part) : found;
  }

 private:
  /// out = sum of weight * values over the parts, of which rate(term, values) gives each one's.
  template <class Rate>
  void add_parts(matrix<const float> samples, std::size_t contexts, std::span<float> out, const Rate& rate) {
    detail::expect_reward_batch(samples, contexts, out.size());
    for (auto& values : values_) values.resize(out.size());
    for (float& total : out) total = 0.0f;
    each_part([&](auto& term, std::vector<float>& values) {
      rate(term, std::span<float>(values));
      for (std::size_t i = 0; i < out.size(); ++i) out[i] += term.weight * values[i];
    });
  }
  template <class Visit>
  void each_part(const Visit& visit) {
    std::apply(
        [&](auto&... terms) {
          std::size_t at = 0;
          (visit(terms, values_[at++]), ...);
        },
        parts_);
  }

  std::tuple<weighted<Rewards>...> parts_;
  std::array<std::vector<float>, sizeof...(Rewards)> values_;
  std::vector<float> gradient_;  // of one part
};

}  // namespace fewstep
