// SPDX-License-Identifier: Apache-2.0
#include "support/allocations.hpp"
#include "support/arrays.hpp"
#include "test.hpp"

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/mdp/policy.hpp>
#include <fewstep/mdp/rollout.hpp>
#include <fewstep/sampler/consistency.hpp>
#include <fewstep/sampler/ddim.hpp>

#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::step_table;
using fewstep::test::same_bits;

namespace {

struct observation {
  float position[2], goal[2];
};
using network =
    fewstep::mlp_generator<cpu_backend, fewstep::edm_consistency, fewstep::observation_conditioning<observation>>;
using policy = fewstep::policy<cpu_backend, network>;

static_assert(noexcept(std::declval<policy&>().act(observation{}, 3)));

constexpr index_t dimension = 21;

network make_network(cpu_backend& backend) {
  return {backend, {.network = {.dimension = dimension, .hidden = {33, 20}}, .seed = 4}};
}
step_table three_calls(const network& p) { return fewstep::consistency_sampler{}.table(p.preconditioner(), 3); }

observation observe(index_t n) {
  const auto x = static_cast<float>(n);
  return {{std::sin(x), std::cos(x)}, {0.1f * x, -1}};
}
std::vector<float> copy(fewstep::vec<const float> plan) { return {plan.begin(), plan.end()}; }

/// A predictor that notes the threads it runs on, or throws.
struct troubled {
  using context_type = int;
  struct workspace_type {};
  std::vector<std::thread::id>* seen = nullptr;
  bool throws = false;
  [[nodiscard]] index_t sample_size() const { return 1; }
  [[nodiscard]] fewstep::edm_consistency preconditioner() const { return {}; }
  [[nodiscard]] workspace_type make_workspace(cpu_backend&, index_t) const { return {}; }
  [[nodiscard]] std::size_t workspace_bytes(const cpu_backend&, index_t) const { return 0; }
  void predict(cpu_backend& backend, fewstep::batch<int>, fewstep::matrix<float> o, workspace_type&) {
    if (throws) throw std::runtime_error("the camera is not plugged in");
    if (seen != nullptr)
      backend.parallel_for(100, [&](auto&, int, index_t) { seen->push_back(std::this_thread::get_id()); });
    o(0, 0) = 0;
  }
};

}  // namespace

TEST_CASE("a plan has the bits of the rollout's sample of that number") {
  cpu_backend control({.threads = 1}), backend({.threads = GENERATE(1, 2)});
  network model = make_network(backend);
  const auto p = model.preconditioner();
  const auto table = GENERATE_COPY(
      fewstep::consistency_sampler{}.table(p, 3), fewstep::consistency_sampler{}.table(p, 2),
      fewstep::consistency_sampler{.last = fewstep::last_step::reference}.table(p, 3),
      fewstep::consistency_sampler{.last = fewstep::last_step::stochastic, .final_sigma = 0.3f}.table(p, 1),
      fewstep::ddim_sampler{.eta = 0.5f}.table(p, 4));
  constexpr index_t samples = 37;
  constexpr std::uint64_t seed = 11, first = 100;
  fewstep::trajectory<cpu_backend, observation> path(backend, table, samples, dimension);
  for (index_t r = 0; r < samples; ++r) path.set_context(r, observe(r));
  fewstep::cpu_tensor<float, 2> o(backend, {samples, dimension});
  auto workspace = model.make_workspace(backend, samples);
  rollout(backend, model, workspace, path, o.view(), {seed, first}, fewstep::reduction::mean, 0, samples);

  policy one(control, model, table, seed);
  for (index_t r = samples - 1; r >= 0; --r) {
    const auto plan = one.act(observe(r), first + static_cast<std::uint64_t>(r));
    CAPTURE(table.horizon(), r);
    REQUIRE(plan.size() == dimension);
    CHECK(same_bits(plan.data, path.result().row(r), dimension));
  }
}

TEST_CASE("a plan is a function of observation, sample number and seed") {
  cpu_backend backend({.threads = 1});
  network model = make_network(backend);
  policy one(backend, model, three_calls(model), 5), other(backend, model, three_calls(model), 6);
  const auto expected = copy(one.act(observe(1)));
  const auto elsewhere = copy(one.act(observe(2))), fresh = copy(one.act(observe(1), 1));
  CHECK(same_bits(copy(one.act(observe(1))), expected));
  CHECK(same_bits(copy(one.act(observe(1), 0)), expected));
  CHECK_FALSE(same_bits(elsewhere, expected));
  CHECK_FALSE(same_bits(fresh, expected));
  CHECK_FALSE(same_bits(copy(other.act(observe(1))), expected));
}

TEST_CASE("a policy follows the training of its generator") {
  cpu_backend backend({.threads = 1});
  network model = make_network(backend);
  policy one(backend, model, three_calls(model));
  const auto before = copy(one.act(observe(1)));
  for (float& parameter : model.parameters()) parameter *= 1.25f;
  const auto after = copy(one.act(observe(1)));
  CHECK_FALSE(same_bits(after, before));
  policy made_later(backend, model, three_calls(model));
  CHECK(same_bits(copy(made_later.act(observe(1))), after));
}

TEST_CASE("an observation that is not finite does not make a plan that is") {
  cpu_backend backend({.threads = 1});
  network model = make_network(backend);
  policy one(backend, model, three_calls(model));
  observation broken = observe(1);
  broken.goal[1] = GENERATE(NAN, INFINITY, -INFINITY);
  bool finite = true;
  for (const float x : one.act(broken)) finite = finite && std::isfinite(x);
  CHECK_FALSE(finite);
  for (const float x : one.act(observe(1))) CHECK(std::isfinite(x));
}

TEST_CASE("a plan is made by the thread that asks for it") {
  cpu_backend backend({.threads = 1});
  std::vector<std::thread::id> seen;
  troubled model{.seen = &seen};
  fewstep::policy<cpu_backend, troubled> one(backend, model,
                                             fewstep::consistency_sampler{}.table(model.preconditioner(), 2));
  std::thread::id asking;
  std::thread([&] {
    asking = std::this_thread::get_id();
    seen.clear();
    static_cast<void>(one.act(0));
  }).join();
  REQUIRE(seen.size() == 200);
  for (const auto id : seen) CHECK(id == asking);
}

TEST_CASE("what could throw in a plan throws in the constructor") {
  cpu_backend one({.threads = 1}), two({.threads = 2});
  network model = make_network(one);
  CHECK_THROWS_WITH(policy(two, model, three_calls(model)), contains("policy: the backend has 2 threads"));
  CHECK_THROWS_WITH(policy(one, model, step_table{}), contains("there are no rows"));
  troubled broken{.throws = true};
  const auto table = fewstep::consistency_sampler{}.table(broken.preconditioner(), 2);
  CHECK_THROWS_WITH((fewstep::policy<cpu_backend, troubled>(one, broken, table)), contains("camera"));
}

#ifdef FEWSTEP_TEST_COUNTS_ALLOCATIONS

TEST_CASE("a plan allocates nothing, from the first one on") {
  cpu_backend backend({.threads = 1});
  network model = make_network(backend);
  policy one(backend, model, three_calls(model));
  const std::size_t before = fewstep::test::allocations;
  for (index_t n = 0; n < 100; ++n) static_cast<void>(one.act(observe(n), static_cast<std::uint64_t>(n)));
  const std::size_t made = fewstep::test::allocations - before;
  CHECK(made == 0);
  CHECK(before > 0);
}

#endif
