// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/tensor.hpp>
#include <fewstep/reward/check.hpp>
#include <fewstep/reward_model/reward_model.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <type_traits>
#include <vector>

namespace fewstep {

/// A frozen reward_model that is asked about batches in host memory. The buffers grow to the largest batch seen and are
/// then reused. Backend and model must outlive it; the backend serves one caller at a time.
template <class Backend, class Network>
class reward_model_evaluation {
 public:
  using model_type = reward_model<Backend, Network>;

  reward_model_evaluation(Backend& backend, model_type& model)
      : backend_(&backend), model_(&model), workspace_(model.make_workspace(backend, 0)) {}

  [[nodiscard]] model_type& model() const { return *model_; }

  /// Outputs [N,outputs()] of pictures[N,D] and texts (either may be empty), valid until the next call.
  [[nodiscard]] matrix<const float> operator()(matrix<const float> pictures, std::span<const token_list> texts) {
    const reward_model_rows<float> rows = stage(pictures, texts);
    const matrix<float> y{outputs_.data(), {rows.rows(), model_->outputs()}};
    model_->predict(*backend_, rows, y, workspace_);
    return fetch(y);
  }

  /// The same, and the gradient by the pictures; see reward_model::predict_with_gradient.
  template <class Upstream>
  [[nodiscard]] matrix<const float> operator()(matrix<const float> pictures, std::span<const token_list> texts,
                                               matrix<float> gradient, const Upstream& upstream) {
    expects(gradient.extents == pictures.extents, [&] {
      return message("reward_model_evaluation: samples are [", pictures.rows(), ", ", pictures.cols(),
                     "] but the gradient has room for [", gradient.rows(), ", ", gradient.cols(), "]");
    });
    const reward_model_rows<float> rows = stage(pictures, texts);
    grow(gradients_, pictures.size());
    const matrix<float> y{outputs_.data(), {rows.rows(), model_->outputs()}};
    const matrix<float> by_pictures{gradients_.data(), pictures.extents};
    model_->predict_with_gradient(*backend_, rows, y, by_pictures, workspace_, upstream);
    if (gradient.size() > 0) backend_->copy_to_host(by_pictures.data, gradient.data, gradient.size());
    return fetch(y);
  }

  /// The texts among the contexts of a batch, where the network reads any; contexts of another type than token_list
  /// will do where it does not.
  template <class Context>
  [[nodiscard]] std::span<const token_list> texts(std::span<const Context> contexts) const {
    if (!model_->network().reads_texts()) return {};
    if constexpr (std::is_same_v<Context, token_list>) {
      return contexts;
    } else {
      expects(
          false,
          "reward_model_evaluation: the network reads texts, so contexts must be token_list; make them by encode()");
      return {};
    }
  }

 private:
  template <class T>
  void grow(tensor<T, 1, Backend>& values, index_t n) {
    if (values.size() < n) values = tensor<T, 1, Backend>(*backend_, {n});
  }

  reward_model_rows<float> stage(matrix<const float> pictures, std::span<const token_list> texts) {
    const auto count = static_cast<index_t>(texts.size());
    expects(pictures.rows() == 0 || pictures.cols() == model_->sample_size(), [&] {
      return message("reward_model_evaluation: samples have ", pictures.cols(),
                     " values, but the pictures of the network ", model_->sample_size());
    });
    expects(pictures.rows() == 0 || count == 0 || pictures.rows() == count, [&] {
      return message("reward_model_evaluation: there are ", pictures.rows(), " samples and ", count,
                     " contexts; give one for each");
    });
    model_->expect_known(texts);
    grow(pictures_, pictures.size());
    grow(texts_, count);
    grow(outputs_, std::max(pictures.rows(), count) * model_->outputs());
    if (pictures.size() > 0) backend_->copy_to_device(pictures.data, pictures_.data(), pictures.size());
    if (count > 0) backend_->copy_to_device(texts.data(), texts_.data(), count);
    return {{pictures_.data(), pictures.extents}, token_matrix({texts_.data(), {count}})};
  }

  matrix<const float> fetch(matrix<const float> y) {
    host_.resize(std::max(host_.size(), static_cast<std::size_t>(y.size())));
    if (y.size() > 0) backend_->copy_to_host(y.data, host_.data(), y.size());
    return {host_.data(), y.extents};
  }

  Backend* backend_;
  model_type* model_;
  typename model_type::workspace workspace_;
  tensor<float, 1, Backend> pictures_, outputs_, gradients_;
  tensor<token_list, 1, Backend> texts_;
  std::vector<float> host_;
};

}  // namespace fewstep
