// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/algorithm/experience_options.hpp>
#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/published.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/core/tensor.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/preference/corrupted_examples.hpp>
#include <fewstep/preference/pair_source.hpp>
#include <fewstep/preference/preference_rows.hpp>
#include <fewstep/preference/segment_map.hpp>
#include <fewstep/preference/time_law.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

namespace fewstep {

struct corrupted_pairs_options {
  published<index_t> comparisons{};    ///< of an update: pairs, or samples that were judged one by one; else 32
  published<noise_sharing> sharing{};  ///< else shared
  segment_map segments{};
  published<float> scale{};  ///< of rows: log-ratios are scale (|target - o_ref|^2 - |target - o|^2); else 1/2

  static constexpr std::string_view name = "corrupted_pairs";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("comparisons", comparisons, at_least(1));
    visit("sharing", sharing);
    visit("segments", segments);
    visit("scale", scale, above(0));
  }
};

/// The options, what they do not say being that of `defaults`.
[[nodiscard]] inline corrupted_pairs_options with_defaults(corrupted_pairs_options o,
                                                           const corrupted_pairs_options& defaults) {
  o.comparisons = o.comparisons.or_else(defaults.comparisons);
  o.sharing = o.sharing.or_else(defaults.sharing);
  o.scale = o.scale.or_else(defaults.scale);
  return o;
}

/// Comparisons of clean samples at a noise level: those of a labelled source, noised to a time that the members of a
/// pair share, where the network should have given the output that leads back to the sample. Source: Wallace et al.
/// 2023, Diffusion-DPO, arXiv:2311.12908, equation 14.
///
///   preference_optimization trainer(backend, model, corrupted_pairs(backend, model, pairs, uniform_times{}), parts);
template <class Backend, class Generator, class Source, class Times>
class corrupted_pairs {
 public:
  using context_type = typename Generator::context_type;
  static constexpr bool is_pairs = pair_source<Source, context_type>;
  static constexpr int members = is_pairs ? 2 : 1;

  corrupted_pairs(Backend& backend, const Generator& model, Source source, Times times = {},
                  corrupted_pairs_options o = {})
      : source_(std::move(source)),
        times_(checked_part(std::move(times))),
        options_(
            counted(checked(with_defaults(o, {.comparisons = 32, .sharing = noise_sharing::shared, .scale = 0.5f})))),
        size_(model.sample_size()),
        clean_(backend, length_product(rows(), size_)),
        contexts_(backend, comparisons()),
        context_of_row_(backend, rows()),
        times_of_comparison_(backend, comparisons()),
        times_of_row_(backend, rows()),
        scales_(backend, rows(), options_.scale),
        given_(static_cast<std::size_t>(length_product(comparisons(), o.segments.count()))),
        labels_(backend, length_product(rows(), o.segments.count())),
        noise_(backend, 1) {
    [[maybe_unused]] constexpr bool fits = detail::require_labelled_source<Source, context_type>() &&
                                           detail::require_time_law<Times, detail::preconditioning_of<Generator>>();
    o.segments.expect_fitting(corrupted_pairs_options::name, size_);
    for (index_t r = 0; r < rows(); ++r)
      context_of_row_.host()[static_cast<std::size_t>(r)] = static_cast<std::int32_t>(r / members);
  }

  static constexpr std::string_view name = corrupted_pairs_options::name;
  template <class Visitor>
  void settings(Visitor& visit) const {
    options_.settings(visit);
    visit.part("times", times_);
    visit.part("source", source_);
  }

  [[nodiscard]] index_t comparisons() const { return options_.comparisons; }
  [[nodiscard]] const segment_map& segments() const { return options_.segments; }
  [[nodiscard]] std::size_t bytes() const {
    const saturated_size r = rows(), c = comparisons();
    return ((r * (size_ + options_.segments.count() + 2) + c * (options_.segments.count() + 1)) * sizeof(float) +
            c * sizeof(context_type) + r * sizeof(std::int32_t))
        .value();
  }
  /// Bytes of what goes with the rows of a micro-batch.
  [[nodiscard]] std::size_t row_bytes(index_t rows_at_once) const {
    return (saturated_size(rows_at_once) * size_ * (2 * sizeof(float))).value();
  }
  void prepare(Backend& backend, Generator& model, index_t rows_at_once) {
    upload_constants(backend);
    noised_ = {backend, {rows_at_once, model.sample_size()}};
    target_ = {backend, {rows_at_once, model.sample_size()}};
  }

  /// The comparisons of an update. Throws std::invalid_argument, naming the comparison, for a label that is none and a
  /// sample that is not finite.
  void collect(Backend& backend, Generator& model, experience_key key) {
    ask(key.update);
    check();
    const index_t c = comparisons();
    const auto number = static_cast<std::uint64_t>(key.update * c);
    const auto p = model.preconditioner();
    for (index_t i = 0; i < c; ++i) {
      const float t = times_(p, {key.seed, stream::preference_times}, number + static_cast<std::uint64_t>(i));
      times_of_comparison_.host()[static_cast<std::size_t>(i)] = t;
      for (int m = 0; m < members; ++m) times_of_row_.host()[static_cast<std::size_t>(i * members + m)] = t;
    }
    if constexpr (requires { model.expect_known(contexts_.host()); }) model.expect_known(contexts_.host());
    noise_.host()[0] = {key.seed, number};
    for (auto* of_rows : {&clean_, &times_of_comparison_, &times_of_row_, &labels_}) of_rows->upload(backend);
    contexts_.upload(backend);
    noise_.upload(backend);
  }

  /// Rows [first, first + count), whose states and targets are made now; first is a multiple of the members.
  [[nodiscard]] preference_rows<context_type> rows(Backend& backend, Generator& model, index_t first, index_t count) {
    const matrix<float> noised = noised_.view().subview(0, count), target = target_.view().subview(0, count);
    const auto p = model.preconditioner();
    corrupt_examples(backend, corrupted_examples<decltype(p)>{.clean = {clean_.device(), {rows(), size_}},
                                                              .noised = noised,
                                                              .target = target,
                                                              .times = times_of_comparison_.device(),
                                                              .preconditioner = p,
                                                              .noise = noise_.device(),
                                                              .first = first,
                                                              .members = members,
                                                              .sharing = options_.sharing});
    return rows_of(first, noised, target);
  }

 protected:
  [[nodiscard]] index_t rows() const { return members * comparisons(); }
  [[nodiscard]] index_t size() const { return size_; }
  /// Of a row: by member in the array of clean samples.
  [[nodiscard]] index_t clean_place(index_t row) const { return row % members * comparisons() + row / members; }
  [[nodiscard]] matrix<const float> clean() const { return {clean_.device(), {rows(), size_}}; }
  [[nodiscard]] std::span<const float> times() const { return times_of_row_.host(); }
  /// Rows from `first` on that have these states and targets.
  [[nodiscard]] preference_rows<context_type> rows_of(index_t first, matrix<const float> x,
                                                      matrix<const float> target) const {
    const index_t count = x.rows();
    const context_rows<context_type> contexts{contexts_.device(), context_of_row_.device(), rows()};
    const matrix<const float> labels{labels_.device(), {rows(), options_.segments.count()}};
    return {{x, times_of_row_.view().subview(first, count), contexts.subview(first, count)},
            target,
            scales_.view().subview(first, count),
            labels.subview(first, count),
            members};
  }

 private:
  void upload_constants(Backend& backend) {
    context_of_row_.upload(backend);
    scales_.upload(backend);
  }

  [[nodiscard]] matrix<float> samples(int member) {
    const index_t c = comparisons();
    return {clean_.host().data() + member * c * size_, {c, size_}};
  }
  void ask(std::int64_t update) {
    const matrix<float> labels{given_.data(), {comparisons(), options_.segments.count()}};
    if constexpr (is_pairs)
      detail::ask_for_pairs(source_, update, samples(0), samples(1), contexts_.host(), labels);
    else
      source_(update, samples(0), contexts_.host(), labels);
    const index_t segments = options_.segments.count();
    for (index_t i = 0; i < comparisons(); ++i)
      for (int m = 0; m < members; ++m)
        for (index_t f = 0; f < segments; ++f)
          labels_.host()[static_cast<std::size_t>((i * members + m) * segments + f)] =
              m == 0 ? labels(i, f) : -labels(i, f);
  }
  void check() {
    const index_t segments = options_.segments.count();
    for (index_t i = 0; i < comparisons(); ++i)
      for (index_t f = 0; f < segments; ++f)
        detail::expect_label(name, given_[static_cast<std::size_t>(i * segments + f)], f, "comparison", i);
    for (int m = 0; m < members; ++m)
      for (index_t i = 0; i < comparisons(); ++i) {
        const float* x = samples(m).row(i);
        const float* bad = std::find_if(x, x + size_, [](float v) { return !std::isfinite(v); });
        expects(bad == x + size_, [&] {
          return message(name, ": value ", bad - x, " of member ", m, " of comparison ", i, " is ", *bad,
                         "; leave such samples out of the source");
        });
      }
  }

  /// Rows have numbers of 32 bits; before an array of so many is made.
  static corrupted_pairs_options counted(const corrupted_pairs_options& o) {
    expects(o.comparisons <= std::numeric_limits<std::int32_t>::max() / members, [&] {
      return message(name, ": comparisons is ", o.comparisons.value(),
                     ", and their rows have numbers of 32 bits; use fewer");
    });
    return o;
  }

  Source source_;
  Times times_;
  corrupted_pairs_options options_;
  index_t size_;
  mirrored<float, Backend> clean_;  // [members C, D], by member
  mirrored<context_type, Backend> contexts_;
  mirrored<std::int32_t, Backend> context_of_row_;
  mirrored<float, Backend> times_of_comparison_, times_of_row_, scales_;
  std::vector<float> given_;         // [C, F]
  mirrored<float, Backend> labels_;  // [members C, F]
  mirrored<rollout_noise, Backend> noise_;
  tensor<float, 2, Backend> noised_, target_;
};

}  // namespace fewstep
