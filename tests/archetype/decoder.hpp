// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/backend/cpu/backend.hpp>
#include <fewstep/decoder/decoder.hpp>

#include <cstdint>
#include <type_traits>

/// The smallest model of fewstep::decoder, and models that lack one requirement each.
namespace decoder_archetype {

using fewstep::cpu_backend;
using fewstep::index_t;
using fewstep::matrix;

enum class drop { nothing, size, const_size, call, result, mutable_samples, contexts, backward, backward_result };

/// What samples are generated for.
using contexts_type = fewstep::context_rows<std::int32_t>;

template <drop D = drop::nothing>
struct archetype {
  archetype() = delete;
  archetype(const archetype&) = delete;
  archetype& operator=(const archetype&) = delete;

  index_t decoded_size(index_t) const requires(D != drop::size && D != drop::const_size);
  index_t decoded_size(index_t) requires(D == drop::const_size);
  std::conditional_t<D == drop::result, int, void> operator()(cpu_backend&, matrix<const float>, contexts_type,
                                                              matrix<float>) requires(D != drop::call &&
                                                                                      D != drop::mutable_samples &&
                                                                                      D != drop::contexts);
  void operator()(cpu_backend&, matrix<float>, contexts_type, matrix<float>) requires(D == drop::mutable_samples);
  void operator()(cpu_backend&, matrix<const float>, int, matrix<float>) requires(D == drop::contexts);
  std::conditional_t<D == drop::backward_result, int, void> backward(cpu_backend&, matrix<const float>, contexts_type,
                                                                     matrix<const float>,
                                                                     matrix<float>) requires(D != drop::backward);
};

/// The smallest model that reads no contexts.
struct of_any_context {
  of_any_context() = delete;
  of_any_context(const of_any_context&) = delete;
  of_any_context& operator=(const of_any_context&) = delete;

  index_t decoded_size(index_t) const;
  void operator()(cpu_backend&, matrix<const float>, matrix<float>);
  void backward(cpu_backend&, matrix<const float>, matrix<const float>, matrix<float>);
};

}  // namespace decoder_archetype
