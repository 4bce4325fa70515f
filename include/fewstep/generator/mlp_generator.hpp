// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/settings.hpp>
#include <fewstep/core/sizes.hpp>
#include <fewstep/generator/conditioning.hpp>
#include <fewstep/generator/network_generator.hpp>
#include <fewstep/nn/embedding.hpp>
#include <fewstep/nn/mlp.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fewstep {

namespace detail {

/// joined[r] = [x[r], waves[r], contexts[r] as the conditioning writes it].
template <class T, class Conditioning = class_conditioning>
struct join_columns {
  matrix<const T> x, fourier;
  context_rows<typename Conditioning::context_type> contexts;
  matrix<T> joined;
  FEWSTEP_HD void operator()(index_t r) const {
    T* out = joined.row(r);
    for (index_t i = 0; i < x.cols(); ++i) *out++ = x(r, i);
    for (index_t i = 0; i < fourier.cols(); ++i) *out++ = fourier(r, i);
    const index_t rest = joined.cols() - x.cols() - fourier.cols();
    if (rest > 0) Conditioning::write(contexts[r], vec<T>{out, {rest}});
  }
};

}  // namespace detail

struct mlp_network_options {
  index_t dimension = 2;
  index_t classes = 0;  ///< of class_conditioning; 0: there is no conditioning
  std::vector<index_t> hidden = {64, 64};
  std::vector<float> frequencies = {0.5f, 1.0f, 2.0f, 4.0f};

  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("dimension", dimension, at_least(1));
    visit("classes", classes, at_least(0));
    visit("hidden", hidden, at_least(1));
    visit("frequencies", frequencies);
  }
};

/// Network of mlp_generator: o = MLP([x, Fourier features of t, context]), x[M,D] already scaled by in(t), times[M],
/// contexts[M].
template <class T, class Conditioning = class_conditioning>
class mlp_network {
 public:
  using context_type = typename Conditioning::context_type;
  static constexpr std::string_view name = "mlp_generator";
  using options_type = mlp_network_options;
  struct tape {
    typename mlp<T>::tape layers;
  };

  mlp_network() = default;
  mlp_network(parameter_layout& layout, const options_type& o) : mlp_network(layout, o, "mlp", o.dimension) {}
  /// As above with other outputs than a generator's, the initial weights of which have the factor `last_gain`.
  mlp_network(parameter_layout& layout, const options_type& o, const std::string& layers, index_t outputs,
              float last_gain = 1)
      : options_(o) {
    std::vector<index_t> widths{input_width()};
    widths.insert(widths.end(), o.hidden.begin(), o.hidden.end());
    widths.push_back(outputs);
    layers_ = mlp<T>(layout, layers, widths, last_gain);
  }

  [[nodiscard]] const options_type& options() const { return options_; }
  [[nodiscard]] index_t sample_size() const { return options_.dimension; }
  [[nodiscard]] std::span<const float> frequencies() const { return options_.frequencies; }
  /// The context of no condition, if the conditioning has one; for guidance train a share of the rows under it.
  [[nodiscard]] static context_type unconditional() requires requires { Conditioning::none(); }
  { return Conditioning::none(); }
  /// Refuses contexts that the network has no columns for.
  void expect_known(const context_rows<context_type>& contexts) const {
    Conditioning::check(contexts, options_.classes);
  }

  template <class Pass>
  matrix<T> forward(Pass& p, matrix<const T> x, vec<const float> times, context_rows<context_type> contexts,
                    tape& kept) const {
    const matrix<T> fourier = fourier_features<T>(p, times, p.frequencies(options_.frequencies));
    const matrix<T> joined = p.memory.template allocate<T, 2>({x.rows(), input_width()});
    p.executor.for_each(x.rows(), detail::join_columns<T, Conditioning>{x, fourier, contexts, joined});
    return layers_.forward(p, joined, kept.layers);
  }

  /// Adds parameter gradients; returns the gradient of the network's input, whose first columns are x's.
  template <class Pass>
  matrix<T> backward(Pass& p, matrix<const T> gy, const tape& kept) const {
    return layers_.backward(p, gy, kept.layers);
  }

 private:
  [[nodiscard]] index_t input_width() const {
    const saturated_size width =
        saturated_size(options_.dimension) + 2 * options_.frequencies.size() + Conditioning::width(options_.classes);
    return length_product(width.value());
  }

  options_type options_;
  mlp<T> layers_;
};

/// Small generator of D-dimensional samples under a class (class_conditioning) or an observation
/// (observation_conditioning): for low-dimensional data such as a robot's actions, toys and tests.
/// Rows are evaluated 32 at a time by one thread (on a device, 512 together); a row's bits depend on that row only.
template <class Backend, preconditioning Preconditioning = edm_consistency, class Conditioning = class_conditioning>
class mlp_generator : public network_generator<Backend, mlp_network<float, Conditioning>, Preconditioning> {
  using network_type = mlp_network<float, Conditioning>;

 public:
  struct options {
    typename network_type::options_type network{};
    Preconditioning preconditioner{};
    std::uint64_t seed = 0;

    static constexpr std::string_view name = network_type::name;
    template <class Visitor>
    void settings(Visitor& visit) const {
      visit("network", network);
      visit.part("preconditioner", preconditioner);
      visit.not_compared("seed", seed);
    }
  };

  mlp_generator(Backend& backend, const options& o)
      : network_generator<Backend, network_type, Preconditioning>(backend, checked(o).network, o.preconditioner,
                                                                  {.seed = o.seed}) {}
};

}  // namespace fewstep
