// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/backend.hpp>
#include <fewstep/backend/mirror.hpp>
#include <fewstep/core/element_kernels.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/core/random.hpp>
#include <fewstep/core/settings.hpp>
#include <fewstep/generator/generator.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fewstep {

struct check_generator_options {
  double tolerance = 0.02;  ///< of gradients, relative to their norm; a network with kinks (ReLU) may need more
  std::uint64_t seed = 0;   ///< of states, of the gradient by o, of directions

  static constexpr std::string_view name = "check_generator";
  template <class Visitor>
  void settings(Visitor& visit) const {
    visit("tolerance", tolerance, above(0));
    visit("seed", seed);
  }
};

namespace detail {

/// The rows of a check, and one function for each group of promises.
template <class Backend, class Generator>
class generator_check {
  using context_type = typename Generator::context_type;
  using workspace_type = typename Generator::workspace_type;
  using floats = std::vector<float>;

 public:
  generator_check(Backend& backend, Generator& model, std::span<const context_type> contexts, check_generator_options o)
      : backend_(backend),
        model_(model),
        options_(checked(o)),
        size_(model.sample_size()),
        block_(row_block_of(model)) {
    expects(!contexts.empty(), "check_generator: there are no contexts; give at least one");
    const index_t n = model.parameters().size();
    expects(size_ >= 1 && block_ >= 1 && n >= 1 && n == model.gradients().size(), [&] {
      return message("check_generator: sample_size() is ", size_, ", row_block() ", block_, ", parameters() has ", n,
                     " values and gradients() ", model.gradients().size(),
                     "; all must be at least 1, and the last two equal");
    });
    as_found_ = read(model.parameters());
    rows_ = std::max<index_t>(2 * block_ + block_ / 2 + 1, 21);
    x_ = {backend, rows_ * size_};
    times_ = {backend, rows_};
    contexts_ = {backend, rows_, contexts[0]};
    o_ = {backend, {rows_, size_}};
    const auto p = model.preconditioner();
    for (index_t r = 0; r < rows_; ++r) {
      const auto row = static_cast<std::uint64_t>(r);
      const float place = (static_cast<float>(r) + 0.5f) / static_cast<float>(rows_);
      const auto i = static_cast<std::size_t>(r);
      times_.host()[i] = p.min_time() + (p.max_time() - p.min_time()) * place * place;
      contexts_.host()[i] = contexts[i % contexts.size()];
      const noise_level level = p.level(times_.host()[i]);
      for (std::uint64_t d = 0; d < static_cast<std::uint64_t>(size_); ++d) {
        x_.host()[i * static_cast<std::size_t>(size_) + d] =
            level.signal * random().normal(row, 0, d) + level.noise * random().normal(row, 1, d);
        probe_.push_back(random().normal(row, 2, d));
      }
    }
    x_.upload(backend);
    times_.upload(backend);
    contexts_.upload(backend);
  }

  void check_evaluations() {
    const auto bytes = [&](index_t rows) { return model_.workspace_bytes(backend_, rows); };
    expects(bytes(0) <= bytes(block_) && bytes(block_) <= bytes(2 * block_),
            "check_generator: workspace_bytes falls as the number of rows grows; the largest micro-batch that fits the "
            "memory budget is searched in it");
    workspace_type none = model_.make_workspace(backend_, 0), workspace = model_.make_workspace(backend_, rows_);
    output_ = predict(all(), none);
    expect_same(predict(all(), none), output_,
                "predict gave other bits the second time; it must be a function of the rows and the parameters");
    for (const index_t part : {1, 7}) {
      floats o;
      for (index_t first = 0; first < rows_; first += part)
        for (const float value : predict(all().subview(first, std::min(part, rows_ - first)), none)) o.push_back(value);
      expect_same(o, output_,
                  message("predict gave a row other bits in a batch of ", part, " than of ", rows_,
                          "; use nothing but the row, and sums of one order (where a library's kernels depend on the "
                          "number of rows, pad to a constant one)"));
    }
    expect_same(forward(all(), workspace), output_,
                "forward gave other bits than predict; let both call one function that is not inlined");
  }

  void check_gradient_sums() {
    workspace_type workspace = model_.make_workspace(backend_, rows_), other = model_.make_workspace(backend_, rows_);
    const float *parameters = model_.parameters().data, *gradients = model_.gradients().data;
    const auto gradient = [&](index_t part, bool over_output) {
      fill(model_.gradients(), 0.0f);
      add_gradient(workspace, part, over_output);
      return read(model_.gradients());
    };
    gradient_ = gradient(rows_, false);
    expect_same(read(model_.parameters()), as_found_,
                "forward or backward changed parameters(); that is for the optimizer to do");
    expects(model_.parameters().data == parameters && model_.gradients().data == gradients,
            "check_generator: parameters() or gradients() moved in memory; views of them must stay valid");
    expect_same(gradient(rows_, false), gradient_, "backward gave other bits the second time; sum up in one order");
    expect_same(gradient(rows_, true), gradient_,
                "backward gave other bits where o_gradient lies in the memory of o; the trainer does that, so keep in "
                "the workspace what is needed of o");
    for (const index_t part : {block_, 2 * block_})
      expect_same(gradient(part, true), gradient_,
                  message("gradients of calls with ", part, " rows do not add up to the bits of one call with ", rows_,
                          "; backward must add to gradients(), block after block of row_block() = ", block_,
                          " rows, and use the rows of the call only"));
    fill(model_.gradients(), 0.0f);
    forward(all(), workspace);
    forward(all().subview(1, rows_ - 1), other);
    predict(all().subview(2, rows_ - 2), other);
    write(probe_.data(), o_.data(), rows_ * size_);
    model_.backward(backend_, all(), o_.view(), workspace);
    expect_same(read(model_.gradients()), gradient_,
                "what another workspace was used for between forward and backward changed the gradients; keep in the "
                "workspace all that backward needs");
    fill(model_.gradients(), 0.0f);
  }

  /// Central differences, extrapolated from two steps, along random signs in up to 32 groups of parameters. Allowed are
  /// the tolerance, what the step still matters, and 16 roundings of every value of o.
  void check_gradient() {
    workspace_type workspace = model_.make_workspace(backend_, 0);
    const auto n = static_cast<index_t>(as_found_.size()), groups = std::min<index_t>(n, 32);
    double squares = 0, outputs = 0;
    for (const float value : as_found_) squares += static_cast<double>(value) * static_cast<double>(value);
    for (std::size_t i = 0; i < output_.size(); ++i)
      outputs += std::pow(static_cast<double>(probe_[i]) * static_cast<double>(output_[i]), 2);
    const double step = (squares > 0 ? std::sqrt(squares / static_cast<double>(n)) : 1) / 32;
    for (index_t group = 0; group < groups; ++group) {
      const index_t first = n * group / groups, last = n * (group + 1) / groups;
      const double coarse = slope(first, last, step, workspace), fine = slope(first, last, step / 2, workspace);
      double claimed = 0, norm = 0;
      for (index_t i = first; i < last; ++i) {
        const auto g = static_cast<double>(gradient_[static_cast<std::size_t>(i)]);
        claimed += g * sign(i);
        norm = std::hypot(norm, g);
      }
      const double measured = (4 * fine - coarse) / 3;
      expects(std::abs(claimed - measured) <= options_.tolerance * (norm + std::abs(measured)) +
                                                  std::abs(fine - coarse) + 0x1p-20 * std::sqrt(outputs) / step,
              [&] {
                return message("check_generator: backward is not the derivative of predict; along parameters ", first,
                               " to ", last - 1, " it says ", claimed, ", central differences say ", measured,
                               measured == 0 ? " (does predict work on a copy of parameters() made earlier?)" : "");
              });
    }
  }

  /// The gradient by the states: parameter gradients beside it have the bits that they have without it, no row depends
  /// on the batch, and central differences of every row along random signs agree.
  void check_state_gradient() requires differentiable_generator<Generator, Backend> {
    workspace_type workspace = model_.make_workspace(backend_, rows_);
    const floats whole = state_gradient(workspace, rows_);
    expect_same(read(model_.gradients()), gradient_,
                "backward gave parameter gradients of other bits when it was also asked for the states'");
    expect_same(state_gradient(workspace, block_), whole,
                message("backward gave the gradient of a state other bits in calls of ", block_, " rows than of ",
                        rows_, "; use nothing but the row"));
    fill(model_.gradients(), 0.0f);
    const floats states(x_.host().begin(), x_.host().end());
    const auto size = static_cast<std::size_t>(size_), rows = static_cast<std::size_t>(rows_);
    std::vector<double> scale(rows);
    for (std::size_t i = 0; i < states.size(); ++i) scale[i / size] = std::hypot(scale[i / size], states[i]);
    for (double& of_row : scale) of_row /= std::sqrt(static_cast<double>(size_));
    const auto direction = [&](std::size_t i) { return scale[i / size] * sign(static_cast<index_t>(i)); };
    const auto slopes = [&](double step) {
      const auto moved = [&](double by) {
        for (std::size_t i = 0; i < states.size(); ++i)
          x_.host()[i] = states[i] + static_cast<float>(by * direction(i));
        x_.upload(backend_);
        floats o = predict(all(), workspace);
        std::copy(states.begin(), states.end(), x_.host().begin());
        return o;
      };
      const floats above = moved(step), below = moved(-step);
      std::vector<double> slope(rows);
      for (std::size_t i = 0; i < states.size(); ++i)
        slope[i / size] += static_cast<double>(probe_[i]) *
                           (static_cast<double>(above[i]) - static_cast<double>(below[i])) / (2 * step);
      return slope;
    };
    constexpr double step = 1.0 / 32;
    const std::vector<double> coarse = slopes(step), fine = slopes(step / 2);
    x_.upload(backend_);
    for (std::size_t r = 0; r < rows; ++r) {
      double claimed = 0, norm = 0, outputs = 0;
      for (std::size_t i = r * size; i < (r + 1) * size; ++i) {
        const double g = static_cast<double>(whole[i]) * direction(i);
        claimed += g;
        norm = std::hypot(norm, g);
        outputs = std::hypot(outputs, static_cast<double>(probe_[i]) * static_cast<double>(output_[i]));
      }
      const double measured = (4 * fine[r] - coarse[r]) / 3;
      expects(std::abs(claimed - measured) <= options_.tolerance * (norm + std::abs(measured)) +
                                                  std::abs(fine[r] - coarse[r]) + 0x1p-20 * outputs / step,
              [&] {
                return message(
                    "check_generator: backward's gradient of a state is not the derivative of predict; in "
                    "row ",
                    r, ", time ", times_.host()[r], ", it says ", claimed, ", central differences say ", measured,
                    " (is the factor in(t) of the input there?)");
              });
    }
  }

 private:
  /// The gradient of sum(probe * o) by the states, `part` rows a call; that of the parameters is made anew.
  floats state_gradient(workspace_type& workspace, index_t part) {
    tensor<float, 2, Backend> x_gradient(backend_, {rows_, size_});
    fill({x_gradient.data(), {rows_ * size_}}, std::numeric_limits<float>::quiet_NaN());
    fill(model_.gradients(), 0.0f);
    for (index_t first = 0; first < rows_; first += part) {
      const batch<context_type> rows = all().subview(first, std::min(part, rows_ - first));
      forward(rows, workspace);
      const matrix<float> gradient = o_.view().subview(0, rows.rows());
      write(probe_.data() + first * size_, gradient.data, gradient.size());
      model_.backward(backend_, rows, gradient, x_gradient.view().subview(first, rows.rows()), workspace);
    }
    const floats values = read({x_gradient.data(), {x_gradient.size()}});
    for (std::size_t i = 0; i < values.size(); ++i)
      expects(std::isfinite(values[i]), [&] {
        return message("check_generator: backward left value ", i, " of x_gradient[", rows_, ", ", size_,
                       "] unset, or it is not finite");
      });
    return values;
  }

  /// Central difference of sum(probe * o) along the signs of parameters [first, last).
  double slope(index_t first, index_t last, double step, workspace_type& workspace) {
    const auto moved = [&](double by) {
      floats part(as_found_.begin() + first, as_found_.begin() + last);
      for (index_t i = first; i < last; ++i)
        part[static_cast<std::size_t>(i - first)] += static_cast<float>(by * sign(i));
      write(part.data(), model_.parameters().data + first, last - first);
      const floats o = predict(all(), workspace);
      write(as_found_.data() + first, model_.parameters().data + first, last - first);
      return o;
    };
    const floats above = moved(step), below = moved(-step);
    double sum = 0;
    for (std::size_t i = 0; i < probe_.size(); ++i)
      sum += static_cast<double>(probe_[i]) * (static_cast<double>(above[i]) - static_cast<double>(below[i]));
    return sum / (2 * step);
  }

  random_stream random() const { return {options_.seed, stream::evaluation}; }
  double sign(index_t i) const { return random().below(2, static_cast<std::uint64_t>(i), 3) == 0 ? -1 : 1; }
  batch<context_type> all() const { return {{x_.device(), {rows_, size_}}, times_.view(), contexts_.view()}; }

  floats read(vec<const float> values) {
    floats host(static_cast<std::size_t>(values.size()));
    backend_.copy_to_host(values.data, host.data(), values.size());
    return host;
  }
  void write(const float* host, float* array, index_t n) {
    backend_.copy_to_device(host, array, n);
    backend_.synchronize();
  }
  void fill(vec<float> values, float value) {
    backend_.for_each(values.size(), detail::fill<float>{values.data, value});
  }

  floats predict(batch<context_type> rows, workspace_type& workspace) {
    const matrix<float> o = unset(rows.rows());
    model_.predict(backend_, rows, o, workspace);
    const floats values = read({o.data, {o.size()}});
    for (std::size_t i = 0; i < values.size(); ++i)
      expects(std::isfinite(values[i]), [&] {
        return message("check_generator: predict left value ", i, " of o[", rows.rows(), ", ", size_,
                       "] unset, or it is not finite");
      });
    return values;
  }
  floats forward(batch<context_type> rows, workspace_type& workspace) {
    const matrix<float> o = unset(rows.rows());
    model_.forward(backend_, rows, o, workspace);
    return read({o.data, {o.size()}});
  }
  /// Outputs that are not yet numbers.
  matrix<float> unset(index_t rows) {
    fill({o_.data(), {rows_ * size_}}, std::numeric_limits<float>::quiet_NaN());
    return o_.view().subview(0, rows);
  }

  /// Adds the gradient of sum(probe * o), `part` rows a call.
  void add_gradient(workspace_type& workspace, index_t part, bool over_output) {
    tensor<float, 2, Backend> elsewhere(backend_, {part, size_});
    for (index_t first = 0; first < rows_; first += part) {
      const batch<context_type> rows = all().subview(first, std::min(part, rows_ - first));
      forward(rows, workspace);
      const matrix<float> gradient = (over_output ? o_ : elsewhere).view().subview(0, rows.rows());
      write(probe_.data() + first * size_, gradient.data, gradient.size());
      model_.backward(backend_, rows, gradient, workspace);
    }
  }

  static void expect_same(const floats& values, const floats& expected, const std::string& sentence) {
    for (std::size_t i = 0; i < expected.size(); ++i)
      expects(std::memcmp(&values[i], &expected[i], sizeof(float)) == 0, [&] {
        return message("check_generator: ", sentence, " (value ", i, " is ", expected[i], ", then off by ",
                       values[i] - expected[i], ")");
      });
  }

  Backend& backend_;
  Generator& model_;
  check_generator_options options_;
  index_t size_, block_, rows_ = 0;
  floats probe_, as_found_, output_, gradient_;
  mirrored<float, Backend> x_, times_;
  mirrored<context_type, Backend> contexts_;
  tensor<float, 2, Backend> o_;
};

}  // namespace detail

/// Tries on a few dozen rows, whose times cover the whole range and whose contexts are those given, what
/// fewstep::generator promises and the compiler cannot check. Throws std::invalid_argument with a sentence about the
/// first broken promise. To be called before training, or in a test; a small network takes milliseconds.
///
/// Tried are: predict gives finite numbers that are a function of each row alone, to the bit, for any number of rows;
/// forward gives the same bits; backward adds, needs neither o nor state of the model's own, and gives the same bits
/// however a batch is cut at multiples of row_block(); gradients are those of central differences (along random
/// directions, so an error in a few of many parameters can pass). Of a differentiable_generator the gradient by the
/// states is tried likewise. Afterwards parameters are as before and gradients 0.
template <class Backend, class Generator, class Contexts>
void check_generator(Backend& backend, Generator& model, const Contexts& contexts, check_generator_options o = {}) {
  if constexpr (detail::require_backend<Backend>() && detail::require_generator<Generator, Backend>()) {
    detail::generator_check<Backend, Generator> check(backend, model, contexts, o);
    check.check_evaluations();
    check.check_gradient_sums();
    check.check_gradient();
    if constexpr (differentiable_generator<Generator, Backend>) check.check_state_gradient();
  }
}

}  // namespace fewstep
