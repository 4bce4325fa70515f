// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>
#include <fewstep/core/reduction.hpp>
#include <fewstep/generator/generator.hpp>
#include <fewstep/mdp/trajectory.hpp>
#include <fewstep/mdp/transition.hpp>

#include <cstddef>
#include <cstdint>

namespace fewstep {

namespace detail {

/// predict, out of line: whoever asks a network runs the same instructions.
template <class Backend, class Generator>
[[gnu::noinline]] void ask(Backend& backend, Generator& model, const batch<typename Generator::context_type>& rows,
                           matrix<float> o, workspace_of<Generator>& workspace) {
  detail::predict(backend, model, rows, o, workspace);
}

}  // namespace detail

/// The rollout of rows [first, first + count) of a trajectory, open: between its steps one may look at the states
/// (path.state(k), clean) and change them.
///
///   open_rollout run(backend, model, workspace, path, o, noise, over, first, count);
///   run.start();
///   while (run.at() < path.table().horizon()) run.step();
///   run.finish();
///
/// is rollout(), to the bit. Contexts must have been set, `noise` lies where the backend's operations read it, and `o`
/// is scratch of at least [count, D]; everything handed in must outlive this object. The noise of a step is a function
/// of seed, sample and step, wherever a rollout started. Samples that stand together in groups of `shared` start with
/// the same noise.
template <class Backend, class Generator, class Context>
class open_rollout {
 public:
  open_rollout(Backend& backend, Generator& model, workspace_of<Generator>& workspace,
               trajectory<Backend, Context>& path, matrix<float> o, const rollout_noise* noise, reduction over,
               index_t first, index_t count, index_t shared = 1)
      : backend_(backend),
        model_(model),
        workspace_(workspace),
        path_(path),
        o_(o.subview(0, count)),
        noise_(noise),
        over_(over),
        first_(first),
        count_(count),
        shared_(shared) {
    path.upload_contexts(backend);
  }

  /// The step that comes next: the states stand in path.state(at()). The horizon when all were taken.
  [[nodiscard]] int at() const { return at_; }

  /// x_0 ~ N(0, initial_sigma^2 I).
  void start() {
    begin(0);
    draw_initial_states(backend_, initial_states{states(0), table().initial_sigma, noise_, first_, shared_});
    store(0);
  }
  /// Starts on the way, from data[count, D] with the noise that the network expects at step k:
  /// x_k = signal data + noise z. Throws as start(k).
  void start(int k, matrix<const float> data) {
    begin(k);
    expects(data.rows() == count_ && data.cols() == path_.dimension(), [&] {
      return message("open_rollout: the data to start from is [", data.rows(), ", ", data.cols(),
                     "], but the rows to be sampled are [", count_, ", ", path_.dimension(), "]");
    });
    const noise_level level = model_.preconditioner().level(row(k).time);
    draw_initial_states(backend_, initial_states{.x = states(k),
                                                 .sigma = level.noise,
                                                 .noise = noise_,
                                                 .first = first_,
                                                 .shared = shared_,
                                                 .step = static_cast<std::uint32_t>(k),
                                                 .data = data,
                                                 .signal = level.signal});
    store(k);
  }
  /// Starts, or goes on, from the states that the caller wrote into path.state(k), rounded where the path stores them
  /// in 16 bits. Throws std::invalid_argument if there is no such step, or if a step before it is trained, which then
  /// would have no log-probability.
  void start(int k) {
    begin(k);
    store(k);
  }

  /// x' = a x + b o + sigma z, with log pi(x') where the step is trained.
  void step() {
    const int k = at_;
    const matrix<float> o = asked();
    take_step(backend_,
              transition_step{.x = states(k),
                              .o = o,
                              .next = states(k + 1),
                              .row = row(k),
                              .step = static_cast<std::uint32_t>(k),
                              .noise = noise_,
                              .first = first_,
                              .log_probabilities = table().trains(k) ? path_.log_probabilities() + place(k) : nullptr,
                              .reduction = over_,
                              .scored = table().scored,
                              .stored = stored(k + 1)});
    ++at_;
  }

  /// The clean prediction f(x_k, t_k) at k = at() for rows [from, from + to.rows()) of those sampled here, to[.., D];
  /// the sample itself when all steps were taken. The step that follows takes the network's answer from here.
  void clean(index_t from, matrix<float> to) {
    const bool done = at_ == table().horizon(), is_clean = !done || table().result == emitted::clean;
    expects(done || !path_.packs() || to.data < path_.result().begin() || to.data >= path_.result().end(),
            "open_rollout: states in 16 bits stand where the result will, so a clean prediction has no place there "
            "before all steps were taken; give it an array of its own");
    const int k = done ? at_ - 1 : at_;
    const auto part = [&](matrix<float> all) { return all.subview(from, to.rows()); };
    const matrix<float> next = part(states(k + 1));
    if (!is_clean && to.data == next.data) return;
    const matrix<float> o = done ? output(k) : asked();
    emit_result(backend_, rollout_result{.x = part(states(k)),
                                         .o = part(o),
                                         .next = next,
                                         .to = to,
                                         .skip = row(k).skip,
                                         .out = row(k).out,
                                         .clean = is_clean});
  }
  /// Of all rows.
  void clean(matrix<float> to) { clean(0, to); }

  /// Writes the samples into path.result(). Throws std::invalid_argument if steps are left.
  void finish() {
    expects(at_ == table().horizon(), [&] {
      return message("open_rollout: finish() at step ", at_, " of ", table().horizon(),
                     "; take the steps that are left, or ask for the clean prediction");
    });
    clean(path_.result().subview(first_, count_));
  }

 private:
  [[nodiscard]] const step_table& table() const { return path_.table(); }
  [[nodiscard]] const step_row& row(int k) const { return table().rows[static_cast<std::size_t>(k)]; }
  [[nodiscard]] index_t place(int k) const { return k * path_.samples() + first_; }
  [[nodiscard]] matrix<float> states(int k) { return path_.state(k).subview(first_, count_); }
  [[nodiscard]] detail::packed_states stored(int k) { return path_.storage().packed(place(k), first_, count_); }
  /// Whatever a rollout was at, it goes on from step k.
  void begin(int k) {
    expects(k >= 0 && k < table().horizon(),
            [&] { return message("open_rollout: step ", k, " to start at is not in [0, ", table().horizon(), ")"); });
    expects(k <= table().first_trained || table().trained == 0 || k <= at_, [&] {
      return message("open_rollout: it is to start at step ", k, ", but the table trains steps from ",
                     table().first_trained, " on, which would have no log-probability; set first_trained to ", k,
                     " and `trained` to at most ", table().horizon() - k);
    });
    at_ = k;
    asked_ = -1;
    path_.storage().forget_beyond(backend_, first_, count_);
  }
  /// The states that stand before step k become what is stored of them.
  void store(int k) {
    if (path_.packs()) backend_.for_each(count_, detail::store_states{stored(k), states(k)});
  }
  [[nodiscard]] matrix<float> output(int k) {
    return path_.keeps_outputs() ? path_.outputs().subview(place(k), count_) : o_;
  }
  /// The network's output at the states that stand.
  matrix<float> asked() {
    const matrix<float> o = output(at_);
    if (asked_ != at_) detail::ask(backend_, model_, path_.rows(place(at_), states(at_)), o, workspace_);
    asked_ = at_;
    return o;
  }

  Backend& backend_;
  Generator& model_;
  workspace_of<Generator>& workspace_;
  trajectory<Backend, Context>& path_;
  matrix<float> o_;
  const rollout_noise* noise_;
  reduction over_;
  index_t first_, count_, shared_;
  int at_ = 0;
  int asked_ = -1;  // the step whose output is at hand
};

}  // namespace fewstep
