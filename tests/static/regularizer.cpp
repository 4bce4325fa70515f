// SPDX-License-Identifier: Apache-2.0
#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/generator/mlp_generator.hpp>
#include <fewstep/regularizer/kl_to_reference.hpp>
#include <fewstep/regularizer/regularizer.hpp>

namespace {

using fewstep::cpu_backend;
using fewstep::index_t;

enum class drop { nothing, flag, coefficient, coefficient_type, workspace_bytes, prepare, reference_output };

template <drop D>
struct flagged {
  static constexpr bool has_reference = true;
};
template <>
struct flagged<drop::flag> {};

template <drop D = drop::nothing>
struct archetype : flagged<D> {
  archetype() = delete;
  archetype(const archetype&) = delete;
  archetype& operator=(const archetype&) = delete;

  float coefficient() const requires(D != drop::coefficient && D != drop::coefficient_type);
  double coefficient() const requires(D == drop::coefficient_type);
  std::size_t workspace_bytes(const cpu_backend&, index_t) const requires(D != drop::workspace_bytes);
  void prepare(cpu_backend&, index_t) requires(D != drop::prepare);
  void reference_output(cpu_backend&, fewstep::batch<int>,
                        fewstep::matrix<float>) requires(D != drop::reference_output);
};

static_assert(fewstep::regularizer<archetype<>, cpu_backend, int>);
static_assert(!fewstep::regularizer<archetype<>, cpu_backend, float>, "a regularizer is one for a type of context");
static_assert(!fewstep::regularizer<archetype<drop::flag>, cpu_backend, int>);
static_assert(!fewstep::regularizer<archetype<drop::coefficient>, cpu_backend, int>);
static_assert(!fewstep::regularizer<archetype<drop::coefficient_type>, cpu_backend, int>);
static_assert(!fewstep::regularizer<archetype<drop::workspace_bytes>, cpu_backend, int>);
static_assert(!fewstep::regularizer<archetype<drop::prepare>, cpu_backend, int>);
static_assert(!fewstep::regularizer<archetype<drop::reference_output>, cpu_backend, int>);

using model = fewstep::mlp_generator<cpu_backend>;
static_assert(fewstep::regularizer<fewstep::no_regularizer, cpu_backend, int>);
static_assert(fewstep::regularizer<fewstep::kl_to_reference<model>, cpu_backend, std::int32_t>);
static_assert(!std::is_constructible_v<fewstep::kl_to_reference<model>, model>, "a temporary would not outlive it");

}  // namespace
