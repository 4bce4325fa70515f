// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/generator/left_out_words.hpp>
#include <fewstep/generator/vocabulary.hpp>
#include <fewstep/nn/conv2d.hpp>
#include <fewstep/nn/network_runner.hpp>
#include <fewstep/reward_model/reward_model_rows.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace fewstep {

namespace detail {

/// A reward model's network as network_runner sees it.
template <class Network>
struct rating_network : Network {
  using rows_type = reward_model_rows<float>;
  static constexpr std::string_view name = "reward_model";

  [[nodiscard]] static constexpr row_groups groups(bool on_host) { return row_groups::of_pictures(on_host); }
  [[nodiscard]] index_t sample_size() const {
    const auto& o = this->picture();
    return o.height * o.width * o.channels;
  }
  [[nodiscard]] rows_type dry_rows(index_t n) const {
    return {{nullptr, {n, sample_size()}}, {nullptr, {n, token_list::length}}};
  }
};

}  // namespace detail

/// A network that rates pictures, with the words it knows and its flat arrays of parameters and gradients; Network is
/// two_tower_network<float> or preference_network<float>. Pictures are [H,W,C] in [-1, 1], channels last, one a row.
///
/// A few pictures are evaluated together by one thread. The outputs of a row, and the gradient of its picture, have the
/// same bits whatever else is in the batch; parameter gradients add up in blocks of row_block() rows, block after
/// block.
template <class Backend, class Network>
class reward_model : public network_runner<Backend, detail::rating_network<Network>> {
  using runner_type = network_runner<Backend, detail::rating_network<Network>>;

 public:
  using network_type = Network;
  /// Memory of the calls.
  using workspace = typename runner_type::workspace_type;

  struct options {
    typename Network::options_type network;
    std::uint64_t seed = 0;
    index_t rows_per_task = 0;  ///< pictures that go through the network together; 0: 4, on a device 64

    static constexpr std::string_view name = "reward_model";
    template <class Visitor>
    void settings(Visitor& visit) const {
      visit("network", network);
      visit.not_compared("seed", seed);
      visit("rows_per_task", rows_per_task, at_least(0).remark("0: the default"));
    }
  };

  reward_model(Backend& backend, vocabulary words, options o, initial_weights weights = initial_weights::drawn)
      : runner_type(backend,
                    [&](parameter_layout& layout) {
                      return detail::rating_network<Network>{Network(layout, with_vocabulary(words, o))};
                    },
                    {.seed = o.seed, .rows_per_task = o.rows_per_task, .weights = weights}),
        vocabulary_(std::move(words)) {}

  static constexpr std::string_view name = options::name;
  template <class Visitor>
  void settings(Visitor& visit) const {
    options{this->network().options(), 0, this->rows_per_task()}.settings(visit);
  }

  [[nodiscard]] const vocabulary& words() const { return vocabulary_; }
  [[nodiscard]] index_t outputs() const { return this->network().outputs(); }
  [[nodiscard]] index_t sample_size() const { return this->network().sample_size(); }

  /// The text of a prompt. A prompt without a known word is refused; so are unknown words and those beyond the tenth,
  /// unless they are to be left out (left_out_words says which they are).
  [[nodiscard]] token_list encode(const std::string& prompt, missing_words missing = missing_words::refuse) const {
    return detail::encode_text(vocabulary_, prompt, missing, name);
  }
  /// Refuses tokens beyond the table of words.
  void expect_known(std::span<const token_list> texts) const {
    detail::expect_known_words(texts, vocabulary_.size(), name);
  }

  /// Memory for forward and backward of so many rows; 0 is enough for predict and predict_with_gradient.
  [[nodiscard]] workspace make_workspace(Backend& backend, index_t rows) const {
    return runner_type::make_workspace(backend, rows, true);
  }

  /// predict, and the gradient by the pictures of whatever `upstream(y, gy)` says: a kernel of rows that writes the
  /// gradient gy by the outputs y. picture_gradient[N,D] is overwritten.
  template <class Upstream>
  void predict_with_gradient(Backend& backend, const reward_model_rows<float>& rows, matrix<float> y,
                             matrix<float> picture_gradient, workspace& w, const Upstream& upstream) const {
    runner_type::predict_with_gradient(backend, rows, y, w, upstream,
                                       [&](auto& executor, const auto& part, images<const float> gx) {
                                         const matrix<float> to = part(picture_gradient);
                                         executor.for_each(to.size(), detail::copy<float>{gx.data, to.data});
                                       });
  }

  /// Adds to gradients() those of the loss whose gradient by the outputs of the last forward is gy[N,outputs()].
  void backward(Backend& backend, matrix<const float> gy, workspace& w) { runner_type::backward(backend, gy, w); }

 private:
  static const typename Network::options_type& with_vocabulary(const vocabulary& words, options& o) {
    o.network.vocabulary = words.size();
    check_settings(o);
    return o.network;
  }

  vocabulary vocabulary_;
};

}  // namespace fewstep
