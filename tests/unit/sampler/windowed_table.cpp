// SPDX-License-Identifier: Apache-2.0
#include "test.hpp"

#include <fewstep/generator/preconditioning.hpp>
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/sampler/cps.hpp>
#include <fewstep/sampler/dance_sde.hpp>
#include <fewstep/sampler/ddim.hpp>
#include <fewstep/sampler/flow_sde.hpp>
#include <fewstep/sampler/windowed_table.hpp>

#include <cstddef>
#include <cstdint>

using fewstep::step_row;
using fewstep::step_table;

namespace {

bool same(const step_row& a, const step_row& b) {
  return a.time == b.time && a.next_time == b.next_time && a.a == b.a && a.b == b.b && a.sigma == b.sigma &&
         a.in == b.in && a.skip == b.skip && a.out == b.out && a.duration == b.duration;
}

template <class Sampler, class P, class Selection>
void check_windows(const Sampler& sampler, const P& process, const Selection& selection, int first_trained) {
  constexpr int horizon = 7;
  constexpr std::uint64_t seed = 4;
  const step_table noisy = sampler.table(process, horizon), quiet = sampler.without_noise().table(process, horizon);
  const fewstep::windowed_table tables(sampler, process, horizon, first_trained, selection);
  const int end = noisy.first_trained + noisy.trained;
  REQUIRE(tables.full().first_trained == first_trained);
  REQUIRE(tables.full().first_trained + tables.full().trained == end);
  for (std::int64_t update = 0; update < 12; ++update) {
    const auto window = selection.window(update, end - first_trained, seed);
    const step_table table = tables.at(update, seed);
    CHECK(table.first_trained == first_trained + window.first);
    CHECK(table.trained == window.count);
    CHECK(table.result == noisy.result);
    CHECK(table.initial_sigma == noisy.initial_sigma);
    REQUIRE(table.horizon() == horizon);
    for (int k = 0; k < horizon; ++k) {
      const auto row = static_cast<std::size_t>(k);
      const bool inside = k >= first_trained + window.first && k < first_trained + window.first + window.count;
      CAPTURE(update, k, inside);
      CHECK(table.trains(k) == inside);
      CHECK(same(table.rows[row], inside ? noisy.rows[row] : quiet.rows[row]));
      CHECK((table.rows[row].sigma > 0) == inside);
      CHECK(table.rows[row].time == noisy.rows[row].time);
      CHECK(table.rows[row].next_time == noisy.rows[row].next_time);
    }
  }
}

template <class Sampler, class P>
void check_sampler(const Sampler& sampler, const P& process) {
  for (const int first_trained : {0, 2}) {
    check_windows(sampler, process, fewstep::sliding_window{.length = 2, .every = 2}, first_trained);
    check_windows(sampler, process, fewstep::random_window{}, first_trained);
  }
}

}  // namespace

TEST_CASE("a window has the sampler's rows inside and those without noise outside, at the same times") {
  check_sampler(fewstep::cps_sampler{}, fewstep::flow_matching{});
  check_sampler(fewstep::cps_sampler{}, fewstep::edm_consistency{});
  check_sampler(fewstep::cps_sampler{.noise = 1}, fewstep::edm_consistency{});
  check_sampler(fewstep::flow_sde_sampler{}, fewstep::flow_matching{});
  check_sampler(fewstep::dance_sde_sampler{}, fewstep::flow_matching{});
  check_sampler(fewstep::ddim_sampler{.eta = 0.8f}, fewstep::edm_denoiser{});
  check_sampler(fewstep::ddim_sampler{}, fewstep::epsilon_prediction{});
  check_sampler(fewstep::ddim_sampler{.steps_offset = 0}, fewstep::epsilon_prediction{});
}

TEST_CASE("without a window all updates have the sampler's table") {
  const fewstep::consistency_sampler sampler;
  const step_table whole = sampler.table(fewstep::edm_consistency{}, 5);
  const fewstep::windowed_table tables(sampler, fewstep::edm_consistency{}, 5, 1, fewstep::all_steps{});
  for (const std::int64_t update : {0, 1, 50}) {
    const step_table table = tables.at(update, 3);
    CHECK(table.first_trained == 1);
    CHECK(table.trained == whole.trained - 1);
    for (std::size_t k = 0; k < 5; ++k) CHECK(same(table.rows[k], whole.rows[k]));
  }
}

TEST_CASE("windowed_table refuses windows that do not fit what can be trained") {
  const auto with = [](int first_trained, int length) {
    return fewstep::windowed_table(fewstep::cps_sampler{}, fewstep::flow_matching{}, 5, first_trained,
                                   fewstep::random_window{length})
        .at(0, 1);
  };
  CHECK(with(0, 4).trained == 4);
  CHECK_THROWS_WITH(with(0, 5), contains("random_window: length is 5 but 4 steps can be trained; use from 1 to 4"));
  CHECK_THROWS_WITH(with(2, 3), contains("random_window: length is 3 but 2 steps can be trained"));
  CHECK_THROWS_WITH(with(4, 1), contains("first_trained is 4 but the last step that can be trained is 3"));
}
