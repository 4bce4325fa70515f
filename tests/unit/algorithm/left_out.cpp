// SPDX-License-Identifier: Apache-2.0
#include "support/arrays.hpp"
#include "test.hpp"

#include <fewstep/advantage/batch.hpp>
#include <fewstep/advantage/group.hpp>
#include <fewstep/advantage/prompt_buffer.hpp>
#include <fewstep/algorithm/policy_gradient.hpp>
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/objective/clipped_surrogate.hpp>
#include <fewstep/objective/reinforce.hpp>
#include <fewstep/objective/reward_regression.hpp>
#include <fewstep/optimizer/sgd.hpp>
#include <fewstep/regularizer/kl_to_reference.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <set>
#include <utility>
#include <vector>

using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::non_finite;
using fewstep::test::same_bits;

namespace {

struct observation {
  float goal[2];
};
using mlp =
    fewstep::mlp_generator<cpu_backend, fewstep::edm_consistency, fewstep::observation_conditioning<observation>>;

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN(),
                infinity = std::numeric_limits<float>::infinity();
constexpr int prompts = 4, together = 4, horizon = 3;
constexpr index_t samples = prompts * together, rows = samples * (horizon - 1);

mlp make_model(cpu_backend& backend) { return {backend, {.network = {.dimension = 3, .hidden = {16}}, .seed = 3}}; }

/// Values of samples, but for some that are rated as another number.
struct judge {
  std::set<index_t> bad{};
  float worth = not_a_number;
  void operator()(fewstep::matrix<const float> x, std::span<const observation>, std::span<float> out) const {
    for (index_t i = 0; i < x.rows(); ++i)
      out[static_cast<std::size_t>(i)] = bad.contains(i) ? worth : x(i, 0) + 0.5f * x(i, 1);
  }
};

/// The advantages of a rollout without some of its samples, found from the others alone: theirs are 0, and the others
/// count more, as the mean is over fewer rows.
template <class Advantage>
struct without {
  Advantage of;
  std::set<index_t> bad;
  void operator()(std::span<const float> rewards, std::span<const std::int32_t> ids, std::span<float> out) {
    std::vector<float> kept_rewards, advantages;
    std::vector<std::int32_t> kept_ids;
    for (std::size_t i = 0; i < rewards.size(); ++i)
      if (!bad.contains(static_cast<index_t>(i))) kept_rewards.push_back(rewards[i]), kept_ids.push_back(ids[i]);
    advantages.resize(kept_rewards.size());
    of(kept_rewards, kept_ids, advantages);
    const float more = static_cast<float>(rewards.size()) / static_cast<float>(kept_rewards.size());
    for (std::size_t i = 0, k = 0; i < rewards.size(); ++i)
      out[i] = bad.contains(static_cast<index_t>(i)) ? 0.0f : more * advantages[k++];
  }
};

/// Keeps the gradients of all steps and moves nothing.
struct recorder {
  std::vector<std::vector<float>>* gradients;
  template <class Backend>
  struct state {
    template <class Archive>
    void serialize(Archive&) {}
  };
  template <class Backend>
  state<Backend> make_state(Backend&, index_t) const {
    return {};
  }
  std::size_t state_bytes(index_t) const { return 0; }
  template <class Backend>
  void update(Backend&, state<Backend>&, const fewstep::optimizer_arrays& a, fewstep::step_scale) const {
    gradients->emplace_back(a.gradients.begin(), a.gradients.end());
  }
};

std::vector<observation> contexts() { return {{{0.1f, 0.2f}}, {{-1, 0.5f}}, {{0.7f, -0.4f}}}; }

struct outcome {
  std::vector<std::vector<float>> gradients;
  std::vector<fewstep::update_report> reports;
};

/// Updates of a policy gradient that moves nothing.
template <class Advantage, class Objective = fewstep::reinforce>
outcome train(const judge& reward, Advantage advantage, fewstep::policy_gradient_options o = {}, int updates = 1,
              Objective value = {}, const std::vector<observation>& drawn_from = contexts()) {
  cpu_backend backend({.threads = 1});
  mlp model = make_model(backend);
  outcome made;
  o.horizon = horizon;
  o.batch.prompts = prompts;
  o.batch.samples_per_prompt = together;
  o.training.seed = 5;
  fewstep::policy_gradient trainer(backend, model,
                                   fewstep::policy_gradient_parts{.reward = reward,
                                                                  .optimizer = recorder{&made.gradients},
                                                                  .objective = value,
                                                                  .advantage = std::move(advantage)},
                                   o);
  for (int k = 0; k < updates; ++k) made.reports.push_back(trainer.update(drawn_from));
  return made;
}

constexpr fewstep::reward_check leave_out{.when_not_finite = non_finite::leave_out, .at_most = 0.5f};
const std::set<index_t> half{0, 1, 2, 5, 6, 8, 11, 15}, few{3, 4, 9};

template <class Advantage>
void learns_without(const Advantage& advantage) {
  for (const float worth : {not_a_number, infinity, -infinity}) {
    const outcome made = train({half, worth}, advantage, {.batch = {.rewards = leave_out}}, 3);
    const outcome exact = train({half, 0}, without<Advantage>{advantage, half}, {}, 3);
    for (std::size_t k = 0; k < 3; ++k) {
      CHECK(same_bits(made.gradients[k], exact.gradients[k]));  // a power of 2 fewer rows
      CHECK(made.reports[k].left_out == 8);
      CHECK(made.reports[k].ratio_mean == 1);
      CHECK(made.reports[k].ratio_deviation == 0);
      CHECK(std::isfinite(made.reports[k].loss));
    }
  }
  const outcome made = train({few}, advantage, {.batch = {.rewards = leave_out}}, 2);
  const outcome exact = train({few, 0}, without<Advantage>{advantage, few}, {}, 2);
  for (std::size_t k = 0; k < 2; ++k)
    CHECK(fewstep::test::largest_difference(made.gradients[k], exact.gradients[k]) < 1e-6);
}

}  // namespace

TEST_CASE("samples left out have no part in the gradient nor in the advantages of the others") {
  learns_without(fewstep::batch_advantage{});
  learns_without(fewstep::prompt_buffer_advantage{.min_count = 3});
}

TEST_CASE("a group loses the samples that are left out, and goes with all but one of them") {
  // Of the prompts of half, the first has one sample left, which is alone.
  std::set<index_t> gone = half;
  gone.insert(3);
  const outcome made = train({half}, fewstep::group_advantage{}, {.batch = {.rewards = leave_out}});
  const outcome exact = train({half, 0}, without<fewstep::group_advantage>{{}, gone});
  CHECK(made.reports[0].left_out == 9);
  CHECK(fewstep::test::largest_difference(made.gradients[0], exact.gradients[0]) < 1e-6);
  const outcome whole = train({few}, fewstep::group_advantage{}, {.batch = {.rewards = leave_out}});
  CHECK(whole.reports[0].left_out == 3);
}

TEST_CASE("samples left out are in no figure of the report") {
  const auto of = [](const std::set<index_t>& bad, float worth, fewstep::reward_check check) {
    return train({bad, worth}, fewstep::batch_advantage{}, {.batch = {.rewards = check}}).reports[0];
  };
  std::vector<float> rewards;
  {
    cpu_backend backend({.threads = 1});
    mlp model = make_model(backend);
    fewstep::policy_gradient trainer(
        backend, model, fewstep::policy_gradient_parts{.reward = judge{}, .optimizer = fewstep::sgd{}},
        {.horizon = horizon, .batch = {.prompts = prompts, .samples_per_prompt = together}, .training = {.seed = 5}});
    trainer.sample(contexts());
    rewards.assign(trainer.rewards().begin(), trainer.rewards().end());
  }
  double mean = 0, squares = 0;
  const double kept = static_cast<double>(samples) - 3;
  for (index_t i = 0; i < samples; ++i)
    if (!few.contains(i)) mean += static_cast<double>(rewards[static_cast<std::size_t>(i)]) / kept;
  for (index_t i = 0; i < samples; ++i)
    if (!few.contains(i)) squares += std::pow(static_cast<double>(rewards[static_cast<std::size_t>(i)]) - mean, 2);
  const auto report = of(few, not_a_number, leave_out);
  CHECK(report.left_out == 3);
  CHECK(report.reward_mean == Approx(mean));
  CHECK(report.reward_error == Approx(std::sqrt(squares / (kept - 1) / kept)));
  CHECK(report.ratio_mean == 1);
  CHECK(of({}, 0, leave_out).left_out == 0);
  // All samples of a prompt: it is no group without variance, it is none.
  CHECK(of({0, 1, 2, 3}, not_a_number, leave_out).zero_variance == 0);
}

TEST_CASE("the mean of every minibatch is over the rows that are left in it") {
  constexpr int steps = 3;
  const outcome made =
      train({few}, fewstep::batch_advantage{}, {.optimizer_steps = steps, .batch = {.rewards = leave_out}});
  const outcome exact = train({few, 0}, without<fewstep::batch_advantage>{{}, few});
  REQUIRE(made.gradients.size() == steps);
  fewstep::replay_order order({horizon - 1, samples, 0}, steps);
  order.permute(5, 0);
  std::vector<double> sum(exact.gradients[0].size());
  double all = 0;
  for (int k = 0; k < steps; ++k) {
    double kept = 0;
    for (index_t i = order.minibatch(k).first; i < order.minibatch(k).second; ++i)
      kept += few.contains(order[i] % samples) ? 0 : 1;
    for (std::size_t j = 0; j < sum.size(); ++j)
      sum[j] += kept * static_cast<double>(made.gradients[static_cast<std::size_t>(k)][j]);
    all += kept;
  }
  CHECK(all == static_cast<double>(rows) * 13 / 16);
  for (std::size_t j = 0; j < sum.size(); ++j)
    CHECK(sum[j] / all == Approx(static_cast<double>(exact.gradients[0][j])).margin(1e-6));
}

TEST_CASE("a sample that is not finite itself, or was asked for by such numbers, can be left out") {
  // A third of the prompts is drawn under an observation that no network makes anything of.
  auto broken = contexts();
  broken[1].goal[0] = not_a_number;
  const fewstep::reward_check check{.when_not_finite = non_finite::leave_out, .at_most = 0.9f};
  bool some = false;
  const outcome made = train({}, fewstep::batch_advantage{}, {.optimizer_steps = 2, .batch = {.rewards = check}}, 4,
                             fewstep::clipped_surrogate{0.1f}, broken);
  for (const auto& gradient : made.gradients)
    CHECK(std::all_of(gradient.begin(), gradient.end(), [](float g) { return std::isfinite(g); }));
  for (const auto& report : made.reports) {
    some = some || report.left_out > 0;
    CHECK(std::isfinite(report.reward_mean));
    CHECK(std::isfinite(report.gradient_norm));
    CHECK(report.ratio_deviation == 0);
  }
  CHECK(some);
}

TEST_CASE("a reference holds the samples that are not left out, and no others") {
  // Without advantages the gradient is that of the KL, a mean over rows: those without some samples and those without
  // all others add up.
  struct nothing {
    void operator()(std::span<const float>, std::span<const std::int32_t>, std::span<float> out) const {
      std::fill(out.begin(), out.end(), 0.0f);
    }
  };
  const auto gradient_of = [](const std::set<index_t>& bad) {
    cpu_backend backend({.threads = 1});
    mlp model = make_model(backend), reference = make_model(backend);
    reference.parameters()[7] += 0.5f;
    std::vector<std::vector<float>> gradients;
    const fewstep::reward_check check{.when_not_finite = non_finite::leave_out, .at_most = 1};
    fewstep::policy_gradient trainer(
        backend, model,
        fewstep::policy_gradient_parts{.reward = judge{bad},
                                       .optimizer = recorder{&gradients},
                                       .objective = fewstep::clipped_surrogate{0.1f},
                                       .advantage = nothing{},
                                       .regularizer = fewstep::kl_to_reference<mlp>(reference, {.coefficient = 1})},
        {.horizon = horizon,
         .batch = {.prompts = prompts, .samples_per_prompt = together, .rewards = check},
         .training = {.seed = 5}});
    CHECK(trainer.update(contexts()).reference_kl > 0);
    return gradients[0];
  };
  std::set<index_t> others;
  for (index_t i = 0; i < samples; ++i)
    if (!few.contains(i)) others.insert(i);
  const auto all = gradient_of({}), without_few = gradient_of(few), without_others = gradient_of(others);
  double largest = 0, off = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const double whole = 16 * static_cast<double>(all[i]);
    largest = std::max(largest, std::abs(whole));
    off = std::max(
        off, std::abs(13 * static_cast<double>(without_few[i]) + 3 * static_cast<double>(without_others[i]) - whole));
  }
  CHECK(largest > 0);
  CHECK(off < 1e-5 * largest);
}

TEST_CASE("rewards that are not finite are refused unless they are left out, and then beyond a share of them") {
  const auto with = [](std::set<index_t> bad, fewstep::reward_check check) {
    return train({std::move(bad)}, fewstep::batch_advantage{}, {.batch = {.rewards = check}});
  };
  CHECK_THROWS_WITH(with({7}, {}), contains("the reward of sample 7 of 16 is nan; rewards must be finite") &&
                                       contains(".rewards = {.when_not_finite = non_finite::leave_out}"));
  CHECK_THROWS_WITH(with({7}, {}), contains(" out by options.batch.rewards = {.when_not_finite"));
  const fewstep::reward_check quarter{.when_not_finite = non_finite::leave_out, .at_most = 0.25f};
  CHECK(with({1, 2, 3, 4}, quarter).reports[0].left_out == 4);
  CHECK_THROWS_WITH(with({1, 2, 3, 4, 9}, quarter),
                    contains("the reward of sample 1 of 16 is nan, the first of 5 that are not finite; at most a share "
                             "of 0.25 may be so (options.batch.rewards.at_most)"));
  std::set<index_t> all;
  for (index_t i = 0; i < samples; ++i) all.insert(i);
  CHECK_THROWS_WITH(with(all, {.when_not_finite = non_finite::leave_out, .at_most = 1}), contains("the first of 16"));
  for (const float bad : {-0.1f, 1.5f, not_a_number})
    CHECK_THROWS_WITH(with({}, {.at_most = bad}), contains("policy_gradient: batch.rewards.at_most is "));
}

TEST_CASE("an update after one that left samples out has all of them") {
  cpu_backend backend({.threads = 1});
  mlp model = make_model(backend);
  std::vector<std::vector<float>> gradients;
  fewstep::policy_gradient trainer(backend, model,
                                   fewstep::policy_gradient_parts{.reward = judge{few},
                                                                  .optimizer = recorder{&gradients},
                                                                  .objective = fewstep::reinforce{},
                                                                  .advantage = fewstep::batch_advantage{}},
                                   {.horizon = horizon,
                                    .batch = {.prompts = prompts, .samples_per_prompt = together, .rewards = leave_out},
                                    .training = {.seed = 5}});
  CHECK(trainer.update(contexts()).left_out == 3);
  trainer.parts().reward.bad = {};
  CHECK(trainer.update(contexts()).left_out == 0);
  const outcome untroubled = train({}, fewstep::batch_advantage{}, {}, 2);
  CHECK_FALSE(same_bits(gradients[0], untroubled.gradients[0]));
  CHECK(same_bits(gradients[1], untroubled.gradients[1]));
}

namespace {

/// The loss of reward_regression by its definition: the mean over prompts of the mean over their pairs.
double pair_loss(const std::vector<double>& log_ratios, const std::vector<float>& advantages,
                 const std::set<index_t>& bad, int n, double eta) {
  double sum = 0;
  int groups = 0;
  for (index_t first = 0; first < static_cast<index_t>(log_ratios.size()); first += n) {
    double of_prompt = 0;
    int pairs = 0;
    for (index_t i = first; i < first + n; ++i)
      for (index_t j = first; j < i; ++j) {
        if (bad.contains(i) || bad.contains(j)) continue;
        const auto a = static_cast<std::size_t>(i), b = static_cast<std::size_t>(j);
        of_prompt += std::pow((log_ratios[a] - log_ratios[b]) / eta -
                                  (static_cast<double>(advantages[a]) - static_cast<double>(advantages[b])),
                              2);
        ++pairs;
      }
    if (pairs == 0) continue;
    sum += of_prompt / pairs;
    ++groups;
  }
  return sum / groups;
}

}  // namespace

TEST_CASE("an objective over trajectories compares the samples of a prompt that are left") {
  const int n = 4;
  const double eta = 0.7;
  const std::vector<float> advantages{0.5f, -1, 0.3f, 0.2f, 1, -0.5f, 0.1f, 2, -0.3f, 0.4f, 0.9f, -0.8f};
  const std::vector<double> log_ratios{0.1, -0.2, 0.05, 0, 0.3, 0.2, -0.1, 0, 0.15, -0.25, 0.4, 0.02};
  // The first prompt has lost two samples, the second none, the third all.
  const std::set<index_t> bad{0, 2, 8, 9, 10, 11};
  fewstep::trajectory_weights weights(12);
  weights.forget();
  for (index_t i = 0; i < 12; ++i) {
    if (bad.contains(i)) continue;
    weights.add_member(i);
    weights.add_log_ratio(i, log_ratios[static_cast<std::size_t>(i)]);
  }
  std::vector<float> slopes(12, 99);
  const fewstep::reward_regression value{.eta = static_cast<float>(eta)};
  CHECK(-weights.weigh(value, n, advantages, slopes) == Approx(pair_loss(log_ratios, advantages, bad, n, eta)));
  for (index_t i = 0; i < 12; ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (bad.contains(i)) {
      CHECK(slopes[at] == 99);
      continue;
    }
    auto more = log_ratios, less = log_ratios;
    more[at] += 1e-4;
    less[at] -= 1e-4;
    const double slope = (pair_loss(more, advantages, bad, n, eta) - pair_loss(less, advantages, bad, n, eta)) / 2e-4;
    CHECK(static_cast<double>(slopes[at]) == Approx(-6 * slope).margin(1e-4));  // times the members
  }
}

TEST_CASE("a regression of rewards learns from the prompts that have two samples left") {
  const outcome made = train({half}, fewstep::batch_advantage{},
                             {.optimizer_steps = 1, .batch = {.rewards = leave_out}}, 1, fewstep::reward_regression{});
  CHECK(made.reports[0].left_out == 9);
  CHECK(std::isfinite(made.reports[0].gradient_norm));
  CHECK(made.reports[0].gradient_norm > 0);
}
