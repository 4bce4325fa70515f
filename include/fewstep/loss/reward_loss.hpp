// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/decoder/decode.hpp>
#include <fewstep/reward/check.hpp>
#include <fewstep/sampler/step_table.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <span>
#include <string_view>

namespace fewstep {

/// How rewards become a loss that is differentiated by the samples: -weight r, or with a margin weight max(0, margin -
/// r), whose gradient ends where the reward is good enough. The loss of a batch is the mean.
struct reward_loss {
  float weight = 1;
  float margin = std::numeric_limits<float>::infinity();
  reward_check rewards{};  ///< what becomes of a sample whose reward is not finite

  static constexpr std::string_view name = "reward_loss";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("weight", weight, at_least(0));
    visit("margin", margin, valid_range{}.or_infinite().remark("the reward that is good enough"));
    visit("rewards", rewards);
  }

  [[nodiscard]] double value(float r) const {
    const auto reward = static_cast<double>(r);
    const double below = std::isinf(margin) ? -reward : std::fmax(0.0, static_cast<double>(margin) - reward);
    return static_cast<double>(weight) * below;
  }
  /// d value / d r.
  [[nodiscard]] float slope(float r) const { return r < margin ? -weight : 0.0f; }
};

namespace detail {

/// data[i] = factor data[i] + by[i].
template <class T>
struct scale_and_add {
  T* data;
  const T* by;
  T factor;
  FEWSTEP_HD void operator()(index_t i) const { data[i] = factor * data[i] + by[i]; }
};

/// How the state after a row of the step table, or a rollout's result, depends on state x and output o of that row:
/// on_state x + on_output o + noise.
struct affine_step {
  float on_state, on_output;
};
[[nodiscard]] inline affine_step next_state(const step_row& row) { return {row.a, row.b}; }
[[nodiscard]] inline affine_step result_of(const step_table& table) {
  const step_row& last = table.rows.back();
  return table.result == emitted::clean ? affine_step{last.skip, last.out} : next_state(last);
}

}  // namespace detail

/// Gradients of rewards on their way back to samples: those by what the reward saw, [rows, decoded_size] on the host,
/// become those of the loss, pass the decoder and arrive on the backend.
template <class Backend, class Decoder>
class decoded_gradient {
 public:
  decoded_gradient() = default;
  decoded_gradient(Backend& backend, index_t rows, index_t decoded_size)
      : size_(decoded_size), values_(backend, length_product(rows, decoded_size)) {}

  [[nodiscard]] static std::size_t bytes(index_t rows, index_t decoded_size) {
    return (saturated_size(rows) * decoded_size * sizeof(float)).value();
  }

  /// Where a differentiable reward writes d reward / d decoded of the first `rows` rows.
  [[nodiscard]] matrix<float> host(index_t rows) { return {values_.host().data(), {rows, size_}}; }

  /// d reward becomes d loss, the loss being a mean over `total` rows, and goes to the backend. Rewards that are not
  /// finite have no part in it.
  void finish(Backend& backend, const reward_loss& loss, std::span<const float> rewards, index_t total) {
    const matrix<float> g = host(static_cast<index_t>(rewards.size()));
    for (index_t r = 0; r < g.rows(); ++r) {
      const float reward = rewards[static_cast<std::size_t>(r)];
      const float slope = std::isfinite(reward) ? loss.slope(reward) / static_cast<float>(total) : 0.0f;
      // A gradient that is not wanted may be infinite, as where a reward saturates.
      for (index_t d = 0; d < size_; ++d) g(r, d) = slope == 0 ? 0.0f : slope * g(r, d);
    }
    values_.upload(backend);
  }

  /// Gradients of the samples that were decoded, and of what they were generated for.
  template <class Context>
  void pass(Backend& backend, Decoder& decoder, matrix<const float> samples, context_rows<Context> contexts,
            matrix<float> to) {
    const matrix<const float> g{values_.device(), {to.rows(), size_}};
    decode_backward(backend, decoder, samples, contexts, g, to);
  }

 private:
  index_t size_ = 0;
  mirrored<float, Backend> values_;
};

}  // namespace fewstep
