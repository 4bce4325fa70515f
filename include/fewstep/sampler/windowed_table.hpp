// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/sampler/sampler.hpp>
#include <fewstep/sampler/step_selection.hpp>
#include <fewstep/sampler/step_table.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace fewstep {

namespace detail {

template <class S, class P>
concept has_without_noise = requires(const S& s, const P& p, int network_calls) {
  { s.without_noise().table(p, network_calls) } -> std::same_as<step_table>;
};

/// Whether a selection's steps can be had of a sampler; where not, the compiler says why.
template <class Selection, class Sampler, class P>
consteval bool require_steps() {
  if constexpr (require_step_selection<Selection>()) {
    constexpr bool possible = Selection::noise_elsewhere || has_without_noise<Sampler, P>;
    static_assert(
        possible,
        "fewstep::step_selection: steps outside of this window are sampled without noise, for which this "
        "sampler has no form; use cps_sampler (with noise 1 it is the consistency sampler), flow_sde_sampler, "
        "dance_sde_sampler or ddim_sampler, or select all_steps");
    return possible;
  } else {
    return false;
  }
}

}  // namespace detail

/// The step tables of a run's updates: those of the sampler, with the noise and the training of the window that is
/// selected. Times are the same in all of them, and as many steps are trained.
template <step_selection Selection>
class windowed_table {
 public:
  /// Steps before `first_trained` are never trained. Complaints are made in the name of `caller`, which
  /// calls that number `option`.
  template <class Sampler, preconditioning P>
  windowed_table(const Sampler& sampler, const P& p, int horizon, int first_trained, Selection selection,
                 std::string_view caller = "windowed_table", std::string_view option = "first_trained")
      : full_(sampler.table(p, horizon)), selection_(std::move(selection)) {
    check(full_);
    expects(full_.trained > 0, [&] {
      return message(caller, ": none of the ", full_.horizon(),
                     " steps is stochastic, so nothing can be learned; use a horizon of at least 2, "
                     "last_step::stochastic, or a sampler with noise (eta > 0)");
    });
    const int end = full_.first_trained + full_.trained;
    expects(first_trained >= 0 && first_trained < end, [&] {
      return message(caller, ": ", option, " is ", first_trained, " but the last step that can be trained is ", end - 1,
                     " (counted from 0); use at most that");
    });
    full_.first_trained = std::max(full_.first_trained, first_trained);
    full_.trained = end - full_.first_trained;
    if constexpr (!Selection::noise_elsewhere) quiet_ = sampler.without_noise().table(p, horizon);
  }

  /// What could be trained.
  [[nodiscard]] const step_table& full() const { return full_; }

  [[nodiscard]] step_table at(std::int64_t update, std::uint64_t seed) const {
    const step_window window = selection_.window(update, full_.trained, seed);
    step_table table = full_;
    table.first_trained = full_.first_trained + window.first;
    table.trained = window.count;
    if constexpr (!Selection::noise_elsewhere)
      for (int k = 0; k < table.horizon(); ++k)
        if (!table.trains(k)) table.rows[static_cast<std::size_t>(k)] = quiet_.rows[static_cast<std::size_t>(k)];
    check(table);
    return table;
  }

 private:
  step_table full_, quiet_;
  Selection selection_;
};

}  // namespace fewstep
