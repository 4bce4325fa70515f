// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/figure.hpp>
#include <fewstep/mdp/score.hpp>
#include <fewstep/objective/clip_bounds.hpp>
#include <fewstep/regularizer/kl_estimate.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace fewstep {

/// What one update did. Ratios, KLs and the loss are means over the replayed transitions.
struct update_report {
  std::int64_t index = 0;
  double left_out = 0;  ///< samples that the update was made without, see reward_check; they are in no other figure
  double reward_mean = 0;
  double reward_error = 0;      ///< standard error of the mean over samples
  double zero_variance = 0;     ///< share of prompts whose samples all got one reward
  double loss = 0;              ///< -surrogate + coefficient KL to the reference
  double ratio_mean = 0;        ///< importance ratio; exactly 1 where there is one optimizer step per rollout
  double ratio_deviation = 0;   ///< largest |ratio - 1|
  double clip_fraction = 0;     ///< share of ratios outside of the clip range
  double clip_asymmetry = 0;    ///< share above the clip range less that below it
  double approximate_kl = 0;    ///< KL to the rollout's policy: kl_estimate::k2 of log-ratios reduced over D
  double policy_kl = 0;         ///< the same KL in closed form; 0 where the rollout's outputs are not kept
  double reference_kl = 0;      ///< KL to the frozen reference, as the regularizer measures it, reduced over D
  double gradient_norm = 0;     ///< before clipping; the largest of the update's optimizer steps
  double sampling_seconds = 0;  ///< rollout and rewards
  double training_seconds = 0;  ///< replay and optimizer steps
  std::string_view reference_kl_estimate;  ///< what reference_kl is: "exact", "k3"; empty without a reference

  /// All numbers by the names that they have in every log.
  [[nodiscard]] static constexpr auto figures() {
    using report = update_report;
    return std::array{figure_of<&report::reward_mean>("reward_mean"),
                      figure_of<&report::reward_error>("reward_error"),
                      figure_of<&report::zero_variance>("zero_variance"),
                      figure_of<&report::left_out>("left_out"),
                      figure_of<&report::loss>("loss"),
                      figure_of<&report::ratio_mean>("ratio_mean"),
                      figure_of<&report::ratio_deviation>("ratio_deviation"),
                      figure_of<&report::clip_fraction>("clip_fraction"),
                      figure_of<&report::clip_asymmetry>("clip_asymmetry"),
                      figure_of<&report::approximate_kl>("approximate_kl"),
                      figure_of<&report::policy_kl>("policy_kl"),
                      figure_of<&report::reference_kl>("reference_kl"),
                      figure_of<&report::gradient_norm>("gradient_norm"),
                      figure_of<&report::sampling_seconds>("sampling_seconds", "s"),
                      figure_of<&report::training_seconds>("training_seconds", "s")};
  }

  /// Statistics of the rewards; prompts[i] is the number of sample i's prompt, samples of a prompt standing together.
  [[nodiscard]] static update_report of(std::int64_t index, std::span<const float> rewards,
                                        std::span<const std::int32_t> prompts) {
    update_report report;
    report.index = index;
    const auto n = static_cast<double>(rewards.size());
    for (const float r : rewards) report.reward_mean += static_cast<double>(r) / n;
    double squares = 0;
    for (const float r : rewards)
      squares += (static_cast<double>(r) - report.reward_mean) * (static_cast<double>(r) - report.reward_mean);
    report.reward_error = rewards.size() > 1 ? std::sqrt(squares / (n - 1) / n) : 0.0;
    double groups = 0, flat = 0;
    for (std::size_t first = 0, last = 0; first < rewards.size(); first = last) {
      bool same = true;
      for (last = first; last < rewards.size() && prompts[last] == prompts[first]; ++last)
        same = same && rewards[last] == rewards[first];
      groups += 1;
      flat += same ? 1 : 0;
    }
    report.zero_variance = groups > 0 ? flat / groups : 0;
    return report;
  }

  /// Adds one transition out of `total` of its optimizer step.
  void add(const score& s, double total, clip_bounds clip_range, float coefficient) {
    loss += (static_cast<double>(coefficient) * s.reference_kl - static_cast<double>(s.value)) / total;
    const double above = static_cast<double>(s.ratio) - 1.0, off = std::abs(above);
    ratio_mean += static_cast<double>(s.ratio);
    ratio_deviation = std::max(ratio_deviation, off);
    if (off > static_cast<double>(above > 0 ? clip_range.high : clip_range.low)) {
      clip_fraction += 1.0;
      clip_asymmetry += above > 0 ? 1.0 : -1.0;
    }
    approximate_kl += kl_estimate::k2{}({static_cast<double>(s.log_ratio), 0}).value;
    policy_kl += s.divergence;
    reference_kl += s.reference_kl;
  }

  /// Turns the sums of add into means.
  void average_over(double steps, double rows) {
    loss /= steps;
    for (double* sum : {&ratio_mean, &clip_fraction, &clip_asymmetry, &approximate_kl, &policy_kl, &reference_kl})
      *sum /= rows;
  }
};

/// The updates of a run, each made when the loop asks for it.
template <class Trainer>
class update_range {
 public:
  using context_type = typename Trainer::context_type;

  update_range(Trainer& trainer, std::vector<context_type> contexts, std::int64_t updates)
      : trainer_(&trainer), contexts_(std::move(contexts)), updates_(updates) {}

  class iterator {
   public:
    using iterator_concept = std::input_iterator_tag;
    using value_type = update_report;
    using difference_type = std::ptrdiff_t;

    explicit iterator(update_range& range) : range_(&range) {
      if (range_->updates_ > 0) make();
    }
    const update_report& operator*() const { return report_; }
    iterator& operator++() {
      ++done_;
      if (done_ < range_->updates_) make();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return done_ >= range_->updates_; }

   private:
    void make() { report_ = range_->trainer_->update(range_->contexts_); }
    update_range* range_;
    update_report report_{};
    std::int64_t done_ = 0;
  };

  [[nodiscard]] iterator begin() { return iterator(*this); }
  [[nodiscard]] std::default_sentinel_t end() const { return {}; }

 private:
  Trainer* trainer_;
  std::vector<context_type> contexts_;
  std::int64_t updates_;
};

}  // namespace fewstep
