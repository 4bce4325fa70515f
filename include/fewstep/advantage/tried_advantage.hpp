// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/advantage/advantage.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <utility>

namespace fewstep::detail {

/// An advantage that is applied to a rollout as often as one likes and remembers it once: calls go to a copy, whose
/// memory becomes the advantage's when keep() is called. An advantage without a memory is called itself. Both are
/// copied into memory that they have.
template <class Advantage>
class tried_advantage {
 public:
  void operator()(Advantage& of, std::span<const float> rewards, std::span<const std::int32_t> prompts,
                  std::span<float> out) {
    if constexpr (has_memory<Advantage>) {
      if (copy_)
        *copy_ = of;
      else
        copy_.emplace(of);
      is_tried_ = true;
      (*copy_)(rewards, prompts, out);
    } else {
      std::as_const(of)(rewards, prompts, out);
    }
  }
  /// What was tried last is remembered, once.
  void keep(Advantage& of) {
    if constexpr (has_memory<Advantage>)
      if (std::exchange(is_tried_, false)) of = *copy_;
  }
  /// What was tried last is not remembered.
  void forget() { is_tried_ = false; }

 private:
  std::optional<Advantage> copy_;
  bool is_tried_ = false;
};

}  // namespace fewstep::detail
