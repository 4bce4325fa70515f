// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/decoder/decode.hpp>
#include <fewstep/decoder/decoder.hpp>
#include <fewstep/loss/auxiliary_loss.hpp>
#include <fewstep/loss/reward_loss.hpp>
#include <fewstep/mdp/transition.hpp>
#include <fewstep/reward/check.hpp>
#include <fewstep/reward/differentiable_reward.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace fewstep {

/// The reward's gradient through the last network call, where that is deterministic: the part of the gradient that a
/// policy gradient cannot see, since the last call of a consistency sampler is not an action. With x the last state,
/// f = skip x + out o the result and r the reward,
///
///   loss = mean over samples of -weight r(decode(f)), or weight max(0, margin - r(decode(f))).
///
/// This is the last-step term of a hybrid policy gradient. A policy gradient is a mean over samples and trained steps:
/// where its advantage is the reward and log-probabilities are sums over D (reduction::sum), a weight of 1 / trained
/// steps and no margin make the two the gradient of the expected reward together, up to that factor; with
/// reduction::mean it is 1 / (D * trained steps). direct_reward_gradient goes further back than one call.
///
///   auto trainer = policy_gradient(backend, model, policy_gradient_parts{...,
///       .auxiliary = last_step_reward(backend, std::ref(reward), {.weight = 1})}, {});
///
/// The reward is asked once more for every optimizer step, as the parameters have moved. Samples that the rollout left
/// out have no part in it; one whose reward is no longer finite counts 0 in the mean, if options.rewards lets it. The
/// gradient by the decoded sample is that of Clark et al. 2023 (DRaFT-1, arXiv:2309.17400); the margin is that of Xu et
/// al. 2023 (ReFL, arXiv:2304.05977, algorithm 1).
template <class Backend, class Reward, class Decoder = identity_decoder>
class last_step_reward {
 public:
  using options = reward_loss;

  last_step_reward(Backend&, Reward reward, options o = {}, Decoder decoder = {})
      : reward_(std::move(reward)), decode_(std::move(decoder)), options_(o) {
    check_settings(*this);
  }
  /// A copy has the parts and the options, and is yet to be prepared.
  last_step_reward(
      const last_step_reward& other) requires std::copy_constructible<Reward> && std::copy_constructible<Decoder>
      : reward_(other.reward_), decode_(other.decode_), options_(other.options_) {}
  last_step_reward(last_step_reward&&) noexcept = default;
  last_step_reward& operator=(last_step_reward&&) noexcept = default;

  static constexpr std::string_view name = "last_step_reward";
  template <class Visitor>
  void settings(Visitor& visit) const {
    options_.settings(visit);
    visit.part("reward", reward_);
    visit.part("decoder", decode_);
  }

  template <class Generator>
  [[nodiscard]] std::size_t workspace_bytes(const Backend& backend, const Generator& model, index_t samples,
                                            index_t rows_at_once) const {
    const index_t rows = std::min(samples, rows_at_once), size = model.sample_size();
    const saturated_size wide = saturated_size(size) * 3 + (decodes ? decode_.decoded_size(size) : 0);
    return (wide * rows * sizeof(float) + decoded_gradient<Backend, Decoder>::bytes(rows, decode_.decoded_size(size)) +
            detail::decoder_bytes(backend, decode_, rows))
        .value();
  }

  /// Throws std::invalid_argument if the last row of the table is noisy or trained.
  template <class Generator>
  void prepare(Backend& backend, Generator& model, const step_table& table, index_t samples, index_t rows_at_once) {
    expects(table.rows.back().sigma == 0 && !table.trains(table.horizon() - 1), [&] {
      return message("last_step_reward: the last step has the noise ", table.rows.back().sigma, " and is ",
                     table.trains(table.horizon() - 1) ? "" : "not ",
                     "trained, but the gradient goes through a deterministic last step; use last_step::mask");
    });
    const index_t rows = std::min(samples, rows_at_once), size = model.sample_size();
    rows_ = rows;
    output_ = {backend, {rows, size}};
    result_ = {backend, {rows, size}};
    gradient_ = {backend, {rows, size}};
    decoded_ = {backend, {decodes ? rows : 0, decode_.decoded_size(size)}};
    seen_ = {backend, length_product(rows, decode_.decoded_size(size))};
    of_reward_ = {backend, rows, decode_.decoded_size(size)};
    rewards_.resize(static_cast<std::size_t>(samples));
    kept_rewards_.reserve(rewards_.size());
  }

  template <class Generator>
  double add_gradient(Backend& backend, Generator& model, workspace_of<Generator>& workspace,
                      const trajectory<Backend, typename Generator::context_type>& path, auxiliary_key) {
    using context_type = typename Generator::context_type;
    static_assert(detail::require_differentiable_reward<Reward, context_type>() &&
                  detail::require_differentiable_decoder<Decoder, Backend, context_type>());
    const step_table& table = path.table();
    const detail::affine_step last = detail::result_of(table);
    detail::each_part(path.samples(), rows_, [&](index_t first, index_t count) {
      const matrix<float> o = output_.view().subview(0, count), f = result_.view().subview(0, count),
                          g = gradient_.view().subview(0, count);
      // States in 16 bits are read into g while there is no gradient there.
      const auto read = [&] { return path.rows(backend, (table.horizon() - 1) * path.samples() + first, count, g); };
      const auto rows = read();
      detail::forward(backend, model, rows, o, workspace);
      emit_result(
          backend,
          rollout_result{
              .x = rows.x, .o = o, .next = f, .to = f, .skip = last.on_state, .out = last.on_output, .clean = true});
      const auto n = static_cast<std::size_t>(count);
      const std::span<float> rewards = std::span(rewards_).subspan(static_cast<std::size_t>(first), n);
      value_and_gradient(reward_, seen(backend, f, rows.contexts),
                         path.contexts().subspan(static_cast<std::size_t>(first), n), rewards, of_reward_.host(count));
      forget_left_out(path, first, rewards);
      of_reward_.finish(backend, options_, rewards, path.kept());
      of_reward_.pass(backend, decode_, f, rows.contexts, g);
      path.clear_left_out(backend, g, first);
      backend.for_each(g.size(), detail::scale<float>{g.data, o.data, last.on_output});
      detail::backward(backend, model, read(), o, workspace);
    });
    kept_rewards_.clear();
    for (std::size_t i = 0; i < rewards_.size(); ++i)
      if (!path.is_left_out(static_cast<index_t>(i))) kept_rewards_.push_back(rewards_[i]);
    count_non_finite(kept_rewards_, options_.rewards, ".rewards");
    double loss = 0;
    for (const float r : kept_rewards_)
      if (std::isfinite(r)) loss += options_.value(r) / static_cast<double>(kept_rewards_.size());
    return loss;
  }

  /// Rewards of the samples as of the last optimizer step; not a number for those that the rollout left out.
  [[nodiscard]] std::span<const float> rewards() const& { return rewards_; }
  needs_a_named_object rewards() const&& = delete;

 private:
  static constexpr bool decodes = !std::same_as<Decoder, identity_decoder>;

  /// What a reward made of a sample that was left out is no reward.
  template <class Path>
  static void forget_left_out(const Path& path, index_t first, std::span<float> rewards) {
    for (std::size_t i = 0; path.left_out() > 0 && i < rewards.size(); ++i)
      if (path.is_left_out(first + static_cast<index_t>(i))) rewards[i] = std::numeric_limits<float>::quiet_NaN();
  }

  /// What the reward sees of samples f, in host memory.
  template <class Context>
  matrix<const float> seen(Backend& backend, matrix<const float> f, context_rows<Context> contexts) {
    if constexpr (decodes) {
      const matrix<float> decoded = decoded_.view().subview(0, f.rows());
      decode(backend, decode_, f, contexts, decoded);
      return {seen_.fetch(backend, decoded_.data(), 0, decoded.size()), decoded.extents};
    } else {
      return {seen_.fetch(backend, f.data, 0, f.size()), f.extents};
    }
  }

  Reward reward_;
  Decoder decode_;
  options options_;
  index_t rows_ = 0;
  tensor<float, 2, Backend> output_, result_, gradient_, decoded_;
  fetched<float, Backend> seen_;
  decoded_gradient<Backend, Decoder> of_reward_;
  std::vector<float> rewards_, kept_rewards_;
};

}  // namespace fewstep
