// SPDX-License-Identifier: Apache-2.0
#pragma once

#if !defined(__CUDACC__)
#error "fewstep: headers that end in .cuh need nvcc; a plain C++ program includes <fewstep/fewstep.hpp>"
#endif

#include <fewstep/backend/operation_shapes.hpp>
#include <fewstep/core/error.hpp>
#include <fewstep/cuda/device.cuh>
#include <fewstep/cuda/executor.cuh>
#include <fewstep/cuda/product.cuh>

#include <cudnn.h>

#include <cstddef>
#include <source_location>
#include <stdexcept>
#include <string_view>

/// Convolutions by cuDNN, for programs that ask for them: nothing else includes this header, and a program that does
/// links cuDNN (-lcudnn, version 9).
///
///   cudnn_convolutions by_cudnn(backend.device());
///   by_cudnn.forward(backend.executor(0), shape, x, weight, bias, nullptr, y);
///
/// The algorithms are fixed and deterministic: two runs agree to the bit. But cuDNN chooses the kernels of an algorithm
/// by the whole shape, so a picture may have other bits in another batch. Results that must not depend on the split of
/// a batch, such as log-probabilities that are compared, belong to conv2d.cuh.

namespace fewstep {
namespace detail {

/// As check_cuda, for the statuses of cuDNN.
inline void check_cudnn(cudnnStatus_t status, std::string_view call,
                        const std::source_location& where = std::source_location::current()) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  const std::string_view path = where.file_name();
  throw std::runtime_error(message("cuDNN: ", call, " failed: ", cudnnGetErrorString(status), " [",
                                   path.substr(path.rfind('/') + 1), ":", where.line(), "]"));
}

/// Owns what `Create` makes.
template <class Handle, auto Create, auto Destroy>
class cudnn_object {
 public:
  cudnn_object() { check_cudnn(Create(&handle_), "cudnnCreate..."); }
  cudnn_object(const cudnn_object&) = delete;
  cudnn_object& operator=(const cudnn_object&) = delete;
  ~cudnn_object() { (void)Destroy(handle_); }
  operator Handle() const { return handle_; }  // NOLINT: implicit, to be passed on

 private:
  Handle handle_ = nullptr;
};
using cudnn_handle = cudnn_object<cudnnHandle_t, cudnnCreate, cudnnDestroy>;
using cudnn_tensor = cudnn_object<cudnnTensorDescriptor_t, cudnnCreateTensorDescriptor, cudnnDestroyTensorDescriptor>;
using cudnn_filter = cudnn_object<cudnnFilterDescriptor_t, cudnnCreateFilterDescriptor, cudnnDestroyFilterDescriptor>;
using cudnn_convolution =
    cudnn_object<cudnnConvolutionDescriptor_t, cudnnCreateConvolutionDescriptor, cudnnDestroyConvolutionDescriptor>;

/// Where element i of cuDNN's filter[out, tap, in] lies in weight[tap, in, out], or in weight_transposed[tap, out, in].
struct filter_order {
  index_t taps, in, out;
  bool transposed;

  [[nodiscard]] FEWSTEP_HD index_t operator()(index_t i) const {
    const index_t c = i % in, tap = i / in % taps, o = i / in / taps;
    return transposed ? (tap * out + o) * in + c : (tap * in + c) * out + o;
  }
};
struct reorder_filter {
  filter_order order;
  const float* weight;
  float* filter;
  FEWSTEP_HD void operator()(index_t i) const { filter[i] = weight[order(i)]; }
};
struct add_filter_gradient {
  filter_order order;
  const float* filter;
  float* weight_gradient;
  FEWSTEP_HD void operator()(index_t i) const { weight_gradient[order(i)] += filter[i]; }
};

}  // namespace detail

/// Convolutions by cuDNN on the stream of a device, with the arguments of conv2d_forward and its fellows. In float32
/// they do without tensor cores; other compute types round factors to TF32.
class cudnn_convolutions {
 public:
  explicit cudnn_convolutions(cuda_device& device) {
    detail::check_cudnn(cudnnSetStream(handle_, device.stream()), "cudnnSetStream");
  }

  /// y = conv(x, weight) + bias + added; `added` may be null or y.
  void forward(device_executor<cuda_device>& executor, const conv2d_shape& s, const float* x, const float* weight,
               const float* bias, const float* added, float* y) {
    if (!describe(executor.compute(), s)) return;
    const float* filter = reordered(executor, s, weight, false);
    const std::size_t bytes =
        static_cast<std::size_t>(s.samples * s.out_height() * s.out_width() * s.out_channels) * sizeof(float);
    if (added != nullptr && added != y) executor.device().copy(y, added, bytes, cudaMemcpyDeviceToDevice);
    constexpr auto algorithm = CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM;
    std::size_t room = 0;
    detail::check_cudnn(
        cudnnGetConvolutionForwardWorkspaceSize(handle_, x_, filter_, convolution_, y_, algorithm, &room),
        "cudnnGetConvolutionForwardWorkspaceSize");
    detail::check_cudnn(
        cudnnConvolutionForward(handle_, &one, x_, x, filter_, filter, convolution_, algorithm,
                                workspace(executor, room), room, added != nullptr ? &one : &zero, y_, y),
        "cudnnConvolutionForward");
    detail::check_cudnn(cudnnAddTensor(handle_, &one, bias_, bias, &one, y_, y), "cudnnAddTensor");
  }

  /// gx = the gradient with respect to the input; weight_transposed is [kernel,kernel,Co,C].
  void backward_input(device_executor<cuda_device>& executor, const conv2d_shape& s, const float* gy,
                      const float* weight_transposed, float* gx) {
    if (!describe(executor.compute(), s)) return;
    const float* filter = reordered(executor, s, weight_transposed, true);
    constexpr auto algorithm = CUDNN_CONVOLUTION_BWD_DATA_ALGO_1;
    std::size_t room = 0;
    detail::check_cudnn(
        cudnnGetConvolutionBackwardDataWorkspaceSize(handle_, filter_, y_, convolution_, x_, algorithm, &room),
        "cudnnGetConvolutionBackwardDataWorkspaceSize");
    detail::check_cudnn(cudnnConvolutionBackwardData(handle_, &one, filter_, filter, y_, gy, convolution_, algorithm,
                                                     workspace(executor, room), room, &zero, x_, gx),
                        "cudnnConvolutionBackwardData");
  }

  /// weight_gradient and bias_gradient += the gradients of the convolution.
  void backward_weight(device_executor<cuda_device>& executor, const conv2d_shape& s, const float* x, const float* gy,
                       float* weight_gradient, float* bias_gradient) {
    if (!describe(executor.compute(), s)) return;
    add_column_sums(executor, matrix<const float>{gy, {s.samples * s.out_height() * s.out_width(), s.out_channels}},
                    vec<float>{bias_gradient, {s.out_channels}});
    float* filter = filter_memory(executor, s);
    constexpr auto algorithm = CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1;
    std::size_t room = 0;
    detail::check_cudnn(
        cudnnGetConvolutionBackwardFilterWorkspaceSize(handle_, x_, y_, convolution_, filter_, algorithm, &room),
        "cudnnGetConvolutionBackwardFilterWorkspaceSize");
    detail::check_cudnn(cudnnConvolutionBackwardFilter(handle_, &one, x_, x, y_, gy, convolution_, algorithm,
                                                       workspace(executor, room), room, &zero, filter_, filter),
                        "cudnnConvolutionBackwardFilter");
    executor.for_each(weights(s), detail::add_filter_gradient{order(s, false), filter, weight_gradient});
  }

 private:
  static constexpr float one = 1, zero = 0;

  [[nodiscard]] static index_t weights(const conv2d_shape& s) {
    return s.kernel * s.kernel * s.in_channels * s.out_channels;
  }
  [[nodiscard]] static detail::filter_order order(const conv2d_shape& s, bool transposed) {
    return {s.kernel * s.kernel, s.in_channels, s.out_channels, transposed};
  }
  [[nodiscard]] static float* filter_memory(device_executor<cuda_device>& executor, const conv2d_shape& s) {
    return executor.scratch<float>(device_executor<cuda_device>::partials, weights(s));
  }
  [[nodiscard]] static float* reordered(device_executor<cuda_device>& executor, const conv2d_shape& s,
                                        const float* weight, bool transposed) {
    float* filter = filter_memory(executor, s);
    executor.for_each(weights(s), detail::reorder_filter{order(s, transposed), weight, filter});
    return filter;
  }
  [[nodiscard]] static void* workspace(device_executor<cuda_device>& executor, std::size_t bytes) {
    return executor.scratch<std::byte>(device_executor<cuda_device>::columns, static_cast<index_t>(bytes));
  }

  /// Whether there is something to do.
  [[nodiscard]] bool describe(compute_type compute, const conv2d_shape& s) {
    if (s.samples * s.out_height() * s.out_width() * s.in_channels * s.out_channels == 0) return false;
    const auto extent = [](index_t n) { return detail::kernel_extent(n, "an extent of a convolution"); };
    const int n = extent(s.samples), in = extent(s.in_channels), out = extent(s.out_channels);
    const int kernel = extent(s.kernel), padding = extent(s.padding()), stride = extent(s.stride);
    const auto tensor = [&](cudnnTensorDescriptor_t described, int samples, int channels, int height, int width) {
      detail::check_cudnn(
          cudnnSetTensor4dDescriptor(described, CUDNN_TENSOR_NHWC, CUDNN_DATA_FLOAT, samples, channels, height, width),
          "cudnnSetTensor4dDescriptor");
    };
    tensor(x_, n, in, extent(s.height), extent(s.width));
    tensor(y_, n, out, extent(s.out_height()), extent(s.out_width()));
    tensor(bias_, 1, out, 1, 1);
    detail::check_cudnn(
        cudnnSetFilter4dDescriptor(filter_, CUDNN_DATA_FLOAT, CUDNN_TENSOR_NHWC, out, in, kernel, kernel),
        "cudnnSetFilter4dDescriptor");
    detail::check_cudnn(cudnnSetConvolution2dDescriptor(convolution_, padding, padding, stride, stride, 1, 1,
                                                        CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT),
                        "cudnnSetConvolution2dDescriptor");
    detail::check_cudnn(cudnnSetConvolutionMathType(
                            convolution_, compute == compute_type::float32 ? CUDNN_FMA_MATH : CUDNN_DEFAULT_MATH),
                        "cudnnSetConvolutionMathType");
    return true;
  }

  detail::cudnn_handle handle_;
  detail::cudnn_tensor x_, y_, bias_;
  detail::cudnn_filter filter_;
  detail::cudnn_convolution convolution_;
};

}  // namespace fewstep
