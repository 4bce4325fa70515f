// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/sampler/scored_range.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace fewstep {

/// One network call of a sampler: x' ~ N(a x + b o, sigma^2 I) with o the raw output at `time`. As x' = p x + q f
/// + sigma z and f = skip x + out o, a = p + q skip and b = q out; skip and out stand here too because f cannot be had
/// from a and b. `next_time` is the noise level of x' (for documentation and step rewards; nothing is computed from
/// it). `duration` is the length dt of a step of a stochastic differential equation, 0 where a step is none.
struct step_row {
  float time, next_time, a, b, sigma, in, skip, out;
  float duration = 0;

  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("time", time);
    visit("next_time", next_time);
    visit("a", a);
    visit("b", b);
    visit("sigma", sigma, at_least(0));
    visit("in", in);
    visit("skip", skip);
    visit("out", out);
    visit("duration", duration, at_least(0));
  }
};

/// What the last call hands to the decoder and the reward: the state x', or the clean prediction f.
enum class emitted : std::uint8_t { state, clean };

/// What becomes of the last transition, where a sampler's clean prediction is the result. The noise of that transition
/// never reaches the reward, so its score has zero expectation and a variance.
enum class last_step : std::uint8_t {
  reference,  ///< as RLCM was published: noised back to its own time, trained; the reward sees f
  mask,       ///< result f, the last transition is deterministic and not trained: same expected gradient, less variance
  stochastic,  ///< the reward sees x' = f + final_sigma z, which makes the last action real
};

/// A sampler, computed: everything that a rollout and a policy gradient need of it. The horizon is the number of rows.
struct step_table {
  std::vector<step_row> rows;
  int trained = 0;  ///< so many rows, from `first_trained` on, carry a log-probability and a gradient
  emitted result = emitted::state;
  float initial_sigma = 1.0f;  ///< the trajectory starts from N(0, initial_sigma^2 I)
  int first_trained = 0;
  scored_range scored{};  ///< coordinates that are the action; the others are moved alike and teach nothing

  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("trained", trained, at_least(0));
    visit("result", result);
    visit("initial_sigma", initial_sigma, above(0));
    visit("first_trained", first_trained, at_least(0));
    if (!scored.is_all()) visit("scored", scored);
    for (std::size_t k = 0; k < rows.size(); ++k) visit(std::to_string(k), rows[k]);
  }

  [[nodiscard]] int horizon() const { return static_cast<int>(rows.size()); }
  /// Whether row k carries a log-probability and a gradient.
  [[nodiscard]] bool trains(int k) const { return k >= first_trained && k < first_trained + trained; }
};

/// Trains the first `most` rows, but for those at either end that cannot be: without noise there is no log-probability,
/// and where b is 0 the network has no say.
inline void train_rows(step_table& table, int most) {
  const auto can_be = [&](int k) {
    const step_row& row = table.rows[static_cast<std::size_t>(k)];
    return row.sigma > 0 && row.b != 0;
  };
  int first = 0, end = most;
  while (end > 0 && !can_be(end - 1)) --end;
  while (first < end && !can_be(first)) ++first;
  table.first_trained = first;
  table.trained = end - first;
}

/// Refuses a table that a rollout or a log-probability could not use.
/// Throws std::invalid_argument with a sentence that names the row.
inline void check(const step_table& table) {
  expects(!table.rows.empty(), "step_table: there are no rows; ask the sampler for at least one network call");
  expects(table.trained >= 0 && table.first_trained >= 0 && table.trained <= table.horizon() - table.first_trained,
          [&] {
            return message("step_table: trained is ", table.trained, " from row ", table.first_trained,
                           " on, but there are ", table.horizon(), " rows");
          });
  expects(std::isfinite(table.initial_sigma) && table.initial_sigma > 0, [&] {
    return message("step_table: initial_sigma is ", table.initial_sigma, "; it must be finite and positive");
  });
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const step_row& row = table.rows[i];
    for (const float value : {row.time, row.next_time, row.a, row.b, row.sigma, row.in, row.skip, row.out})
      expects(std::isfinite(value), [&] {
        return message("step_table: row ", i, " (time ", row.time, " to ", row.next_time,
                       ") is not finite; a sampler may not divide by the noise or the signal where it is 0");
      });
    expects(row.sigma >= 0, [&] { return message("step_table: row ", i, " has the negative sigma ", row.sigma); });
    if (!table.trains(static_cast<int>(i))) continue;
    expects(row.sigma > 0, [&] {
      return message("step_table: row ", i, " (time ", row.time, " to ", row.next_time,
                     ") is trained but its sigma is 0, so it has no log-probability; move its times apart or give it "
                     "noise (a table of one's own: leave it out of `trained`)");
    });
    expects(row.b != 0, [&] {
      return message(
          "step_table: row ", i, " (time ", row.time,
          ") is trained but b is 0, so the network has no say in it; move its time (a table of one's own: leave it out "
          "of `trained`)");
    });
  }
}

}  // namespace fewstep
