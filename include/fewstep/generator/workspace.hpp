// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/view.hpp>
#include <fewstep/generator/batch.hpp>

#include <cstddef>

namespace fewstep {

/// Workspace of a generator that declares no workspace_type: nothing lives between its forward and backward.
struct no_workspace {};

namespace detail {

template <class G>
concept has_workspace_type = requires {
  typename G::workspace_type;
};
template <class G>
struct workspace_type_of {
  using type = no_workspace;
};
template <has_workspace_type G>
struct workspace_type_of<G> {
  using type = typename G::workspace_type;
};

}  // namespace detail

/// What a generator or predictor keeps between its calls: its workspace_type, or no_workspace.
template <class G>
using workspace_of = typename detail::workspace_type_of<G>::type;

namespace detail {

// The calls of a generator, with a workspace or without. All of the library asks generators by these.

template <class Backend, class G>
[[nodiscard]] workspace_of<G> make_workspace(Backend& backend, G& model, index_t rows) {
  if constexpr (has_workspace_type<G>)
    return model.make_workspace(backend, rows);
  else
    return {};
}

template <class Backend, class G>
[[nodiscard]] std::size_t workspace_bytes(const Backend& backend, const G& model, index_t rows) {
  if constexpr (has_workspace_type<G>)
    return model.workspace_bytes(backend, rows);
  else
    return 0;
}

template <class Backend, class G>
void predict(Backend& backend, G& model, const batch<typename G::context_type>& rows, matrix<float> o,
             workspace_of<G>& workspace) {
  if constexpr (has_workspace_type<G>)
    model.predict(backend, rows, o, workspace);
  else
    model.predict(backend, rows, o);
}

/// Without a workspace there is nothing to keep, and forward is predict.
template <class Backend, class G>
void forward(Backend& backend, G& model, const batch<typename G::context_type>& rows, matrix<float> o,
             workspace_of<G>& workspace) {
  if constexpr (has_workspace_type<G>)
    model.forward(backend, rows, o, workspace);
  else
    model.predict(backend, rows, o);
}

template <class Backend, class G>
void backward(Backend& backend, G& model, const batch<typename G::context_type>& rows, matrix<const float> o_gradient,
              workspace_of<G>& workspace) {
  if constexpr (has_workspace_type<G>)
    model.backward(backend, rows, o_gradient, workspace);
  else
    model.backward(backend, rows, o_gradient);
}

/// As above, and writes the gradient of the states.
template <class Backend, class G>
void backward(Backend& backend, G& model, const batch<typename G::context_type>& rows, matrix<const float> o_gradient,
              matrix<float> x_gradient, workspace_of<G>& workspace) {
  if constexpr (has_workspace_type<G>)
    model.backward(backend, rows, o_gradient, x_gradient, workspace);
  else
    model.backward(backend, rows, o_gradient, x_gradient);
}

}  // namespace detail
}  // namespace fewstep
