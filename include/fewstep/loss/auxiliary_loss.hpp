// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/sizes.hpp>
#include <fewstep/core/view.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/mdp/trajectory.hpp>
#include <fewstep/sampler/step_table.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

namespace fewstep {

/// Which optimizer step an auxiliary loss is added to: all of its randomness follows from it.
struct auxiliary_key {
  std::uint64_t seed = 0;
  std::int64_t update = 0;
  int step = 0;  ///< of the update, from 0
};

namespace detail {

template <class L, class Backend, class Generator>
concept has_prepare = requires(L& l, Backend& backend, Generator& model, const step_table& table, index_t n) {
  { l.prepare(backend, model, table, n, n) } -> std::same_as<void>;
};
template <class L, class Backend, class Generator>
concept has_auxiliary_bytes = requires(const L& l, const Backend& backend, const Generator& model, index_t n) {
  { l.workspace_bytes(backend, model, n, n) } -> std::convertible_to<std::size_t>;
};
template <class L, class Backend, class Generator>
concept has_add_gradient = requires(L& l, Backend& backend, Generator& model, workspace_of<Generator>& workspace,
                                    const trajectory<Backend, typename Generator::context_type>& path,
                                    auxiliary_key key) {
  { l.add_gradient(backend, model, workspace, path, key) } -> std::same_as<double>;
};

}  // namespace detail

/// A loss beside the policy's, whose gradient joins the flat gradient before each optimizer step:
///
///   prepare(backend, model, table, samples, rows_at_once)   once, before training: checks and allocates
///   workspace_bytes(backend, model, samples, rows_at_once)  of what prepare allocates; must not fall as rows grow
///   add_gradient(backend, model, workspace, path, key)      adds the loss's gradient to model.gradients(); the loss
///
/// `samples` is the number of trajectories of a rollout, which `path` holds. The generator's workspace was made for
/// `rows_at_once` rows, a multiple of its row_block(), and no call of the network gets more.
///
/// The compiler cannot check: add_gradient changes no parameter and allocates nothing; all randomness follows from the
/// key; the gradient's bits do not depend on rows_at_once.
///
/// Smallest model:
///   struct nothing {
///     void prepare(cpu_backend&, model_type&, const step_table&, index_t, index_t) {}
///     std::size_t workspace_bytes(const cpu_backend&, const model_type&, index_t, index_t) const { return 0; }
///     double add_gradient(cpu_backend&, model_type&, workspace_of<model_type>&,
///                         const trajectory<cpu_backend, int>&, auxiliary_key) { return 0; }
///   };
/// auxiliary_losses makes one of several.
template <class L, class Backend, class Generator>
concept auxiliary_loss = detail::has_prepare<L, Backend, Generator> &&
    detail::has_auxiliary_bytes<L, Backend, Generator> && detail::has_add_gradient<L, Backend, Generator>;

namespace detail {

/// Whether L models auxiliary_loss; where it does not, the compiler says what is missing.
template <class L, class Backend, class Generator>
consteval bool require_auxiliary_loss() {
  static_assert(has_prepare<L, Backend, Generator>,
                "fewstep::auxiliary_loss: void prepare(Backend&, Generator&, const step_table&, index_t samples, "
                "index_t rows_at_once) is missing, or the loss is one for another backend or generator");
  static_assert(has_auxiliary_bytes<L, Backend, Generator>,
                "fewstep::auxiliary_loss: std::size_t workspace_bytes(const Backend&, const Generator&, index_t "
                "samples, index_t rows_at_once) const is missing");
  static_assert(has_add_gradient<L, Backend, Generator>,
                "fewstep::auxiliary_loss: double add_gradient(Backend&, Generator&, workspace_type&, const "
                "trajectory<Backend, context_type>&, auxiliary_key) is missing");
  return auxiliary_loss<L, Backend, Generator>;
}

/// Whether L adds nothing, and need not be called.
template <class L>
concept adds_nothing = requires {
  requires L::is_none;
};

}  // namespace detail

/// There is no other loss. Recognised at compile time; it costs nothing.
struct no_auxiliary_loss {
  static constexpr bool is_none = true;
  static constexpr std::string_view name = "no_auxiliary_loss";
  template <class Visitor>
  void settings(Visitor&) const {}

  template <class Backend, class Generator>
  void prepare(Backend&, Generator&, const step_table&, index_t, index_t) {}
  template <class Backend, class Generator>
  [[nodiscard]] std::size_t workspace_bytes(const Backend&, const Generator&, index_t, index_t) const {
    return 0;
  }
  template <class Backend, class Generator, class Workspace, class Path>
  double add_gradient(Backend&, Generator&, Workspace&, const Path&, auxiliary_key) {
    return 0;
  }
};

/// Several losses, added in the order given: auxiliary_losses(last_step_reward(...), consistency_regularizer(...)).
template <class... Losses>
class auxiliary_losses {
 public:
  static constexpr bool is_none = (detail::adds_nothing<Losses> && ...);

  explicit auxiliary_losses(Losses... losses) : losses_(std::move(losses)...) {}

  static constexpr std::string_view name = "auxiliary_losses";
  template <class Visitor>
  void settings(Visitor& visit) const {
    int number = 0;
    std::apply([&](const Losses&... losses) { (visit.part(std::to_string(number++), losses), ...); }, losses_);
  }

  template <class Backend, class Generator>
  requires(auxiliary_loss<Losses, Backend, Generator>&&...) void prepare(Backend& backend, Generator& model,
                                                                         const step_table& table, index_t samples,
                                                                         index_t rows_at_once) {
    std::apply([&](Losses&... losses) { (losses.prepare(backend, model, table, samples, rows_at_once), ...); },
               losses_);
  }
  template <class Backend, class Generator>
  requires(auxiliary_loss<Losses, Backend, Generator>&&...) [[nodiscard]] std::size_t
      workspace_bytes(const Backend& backend, const Generator& model, index_t samples, index_t rows_at_once) const {
    return std::apply(
        [&](const Losses&... losses) {
          return (saturated_size(0) + ... + losses.workspace_bytes(backend, model, samples, rows_at_once)).value();
        },
        losses_);
  }
  template <class Backend, class Generator>
  requires(auxiliary_loss<Losses, Backend, Generator>&&...) double add_gradient(
      Backend& backend, Generator& model, workspace_of<Generator>& workspace,
      const trajectory<Backend, typename Generator::context_type>& path, auxiliary_key key) {
    double sum = 0;
    std::apply([&](Losses&... losses) { ((sum += losses.add_gradient(backend, model, workspace, path, key)), ...); },
               losses_);
    return sum;
  }

 private:
  std::tuple<Losses...> losses_;
};

namespace detail {

/// work(first, count) for samples [0, samples), at most `rows_at_once` at a time.
template <class Work>
void each_part(index_t samples, index_t rows_at_once, const Work& work) {
  for (index_t first = 0; first < samples; first += rows_at_once) work(first, std::min(rows_at_once, samples - first));
}

}  // namespace detail

}  // namespace fewstep
