// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/experience_options.hpp>
#include <fewstep/algorithm/not_given.hpp>
#include <fewstep/backend/backend.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/optimizer/optimizer.hpp>
#include <fewstep/preference/identity_link.hpp>
#include <fewstep/preference/link.hpp>
#include <fewstep/preference/logistic_link.hpp>
#include <fewstep/regularizer/frozen_reference.hpp>

#include <concepts>
#include <span>
#include <type_traits>
#include <utility>

namespace fewstep {

/// What preference_optimization is composed of, beside its source of comparisons. The optimizer must be given; a
/// reference need not be, and log-ratios are then those of the policy alone.
///
///   preference_parts{.optimizer = adamw{}, .reference = frozen_reference(base), .link = logistic_link{.beta = 2000}}
template <class Optimizer = not_given, class Reference = not_given, class Link = not_given>
struct preference_parts {
  Optimizer optimizer{};
  Reference reference{};
  Link link{};

  template <class Visitor>
  void settings(Visitor& visit) const {
    visit.part("optimizer", optimizer);
    visit.part("reference", reference);
    visit.part("link", link);
  }
};

/// The parts, those that are not given being `defaults`'.
template <class... Given, class... Defaults>
[[nodiscard]] auto with_defaults(preference_parts<Given...> given, preference_parts<Defaults...> defaults) {
  const auto chosen = [](auto& part, auto& other) -> auto&& { return std::move(detail::given_or(part, other)); };
  using parts = preference_parts<detail::given_or_t<Given, Defaults>...>;
  return parts{chosen(given.optimizer, defaults.optimizer), chosen(given.reference, defaults.reference),
               chosen(given.link, defaults.link)};
}

using usual_preference_parts = preference_parts<not_given, no_reference, logistic_link>;

namespace detail {

template <class... Given, class... Defaults>
preference_parts<given_or_t<Given, Defaults>...>* completed(const preference_parts<Given...>*,
                                                            const preference_parts<Defaults...>*);
template <class Given>
using complete_preference_parts = std::remove_pointer_t<decltype(completed(
    static_cast<const Given*>(nullptr), static_cast<const usual_preference_parts*>(nullptr)))>;

template <class R, class Backend, class Generator>
concept is_reference = requires(R& r, Backend& backend, batch<typename Generator::context_type> rows, matrix<float> o) {
  requires !R::exists || requires { r.output(backend, rows, o); };
};

/// Whether a source of comparisons has its own; where it does not, the compiler says what to call.
template <class S, class Backend, class Generator>
consteval bool require_own_comparisons() {
  constexpr bool collects = requires(S & s, Backend & backend, Generator & model, experience_key key) {
    s.collect(backend, model, key);
  };
  static_assert(collects, "fewstep::preference_optimization: its source samples for prompts; call update(contexts)");
  return collects;
}
/// Whether it makes them of samples for prompts that it is given.
template <class S, class Backend, class Generator>
consteval bool require_comparisons_of_prompts() {
  constexpr bool collects = requires(S & s, Backend & backend, Generator & model, experience_key key,
                                     std::span<const typename Generator::context_type> contexts) {
    s.collect(backend, model, key, contexts);
  };
  static_assert(collects, "fewstep::preference_optimization: its source has comparisons of its own; call update()");
  return collects;
}

/// Whether a reference is given, or a link whose gradient does not depend on one; else the compiler says so. Published
/// algorithms compare with a reference, and without it their margins are hundreds.
template <class Parts>
consteval bool require_reference_of_margins() {
  using link_type = std::remove_const_t<decltype(Parts::link)>;
  constexpr bool does_without = refuses_reference<link_type>() || std::same_as<link_type, identity_link>;
  constexpr bool given = does_without || !std::same_as<std::remove_const_t<decltype(Parts::reference)>, not_given>;
  static_assert(given,
                "fewstep::preference_parts: there is no reference, from which this algorithm's margins are taken; give "
                ".reference = frozen_reference(base), or no_reference{} to do without one");
  return given;
}

/// The parts of a published algorithm, the link its own unless another is given.
template <class Given, class Link>
[[nodiscard]] auto published_parts(Given given, Link link) {
  auto parts = with_defaults(std::move(given), preference_parts{.link = std::move(link)});
  [[maybe_unused]] constexpr bool has_reference = require_reference_of_margins<decltype(parts)>();
  return parts;
}

/// Whether the parts model their concepts; where one does not, the compiler says what is missing.
template <class Backend, class Generator, class Parts>
consteval bool require_preference_parts() {
  if constexpr (!backend<Backend> || !generator<Generator, Backend>) {
    return false;
  } else {
    constexpr bool optimizer_given = !std::same_as<decltype(Parts::optimizer), not_given>;
    static_assert(optimizer_given,
                  "fewstep::preference_optimization: there is no optimizer; give preference_parts{.optimizer = "
                  "adamw{}}");
    using reference_type = decltype(Parts::reference);
    using link_type = decltype(Parts::link);
    constexpr bool has_reference = is_reference<reference_type, Backend, Generator>;
    static_assert(has_reference,
                  "fewstep::preference_optimization: the reference is none; give frozen_reference(predictor), "
                  "moving_reference(copy_of_the_model) or no_reference{}, on the backend of the model");
    constexpr bool has_link = require_preference_link<link_type>();
    if constexpr (has_reference && has_link) {
      constexpr bool goes_together = !reference_type::exists || !refuses_reference<link_type>();
      static_assert(goes_together,
                    "fewstep::preference_optimization: this link takes log-ratios of the policy alone; leave the "
                    "reference out");
      if constexpr (optimizer_given) return goes_together && require_optimizer<decltype(Parts::optimizer), Backend>();
    }
    return false;
  }
}

}  // namespace detail

}  // namespace fewstep
