// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/archive_within.hpp>
#include <fewstep/core/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace fewstep {

/// A figure by its name.
struct named_figure {
  std::string name;
  double value;
};

/// When a run is to stop: `patience` looks in a row at which a figure is below the bound, is above it, or is not more
/// than the bound above its best so far (stops_rising).
struct stop_rule {
  enum class kind { falls_below, rises_above, stops_rising };
  std::string figure;
  kind when = kind::falls_below;
  double bound = 0;
  int patience = 1;
};

/// Watches figures of a run and says when it should stop, and why.
///
///   early_stopping stop({{.figure = "retrieval", .when = stop_rule::kind::falls_below, .bound = 0.18}});
///   if (const auto reason = stop.look(update, figures)) ...
class early_stopping {
 public:
  explicit early_stopping(std::vector<stop_rule> rules) {
    for (stop_rule& rule : rules) {
      expects(!rule.figure.empty() && rule.patience >= 1 && std::isfinite(rule.bound), [&] {
        return message("early_stopping: the rule for '", rule.figure, "' has bound ", rule.bound, " and patience ",
                       rule.patience, "; name a figure, give a finite bound and a patience of at least 1");
      });
      std::string name = new_name(rule.figure);
      watched_.push_back({std::move(rule), std::move(name)});
    }
  }

  /// Looks at the figures of an update; the reason to stop, if there is one. Every figure that a rule names must be
  /// there. A figure that is not a number is a reason to stop.
  [[nodiscard]] std::optional<std::string> look(std::int64_t update, std::span<const named_figure> figures) {
    std::optional<std::string> reason;
    for (watched& w : watched_) {
      const auto found =
          std::find_if(figures.begin(), figures.end(), [&](const named_figure& f) { return f.name == w.rule.figure; });
      expects(found != figures.end(), [&] {
        std::string known;
        for (const named_figure& f : figures) known += (known.empty() ? "" : ", ") + f.name;
        return message("early_stopping: there is no figure '", w.rule.figure, "'; there are ", known);
      });
      const double value = found->value;
      if (!std::isfinite(value)) {
        reason = message(w.rule.figure, " is ", value, " at update ", update);
        continue;
      }
      w.in_a_row = holds(w, value) ? w.in_a_row + 1 : 0;
      w.best = std::max(w.best, value);
      if (!reason && w.in_a_row >= w.rule.patience) reason = sentence(w, update, value);
    }
    return reason;
  }

  /// What has been seen, for a checkpoint. The rules of a figure are told apart by their order.
  template <class Archive>
  void serialize(Archive& archive) {
    for (watched& w : watched_) {
      archive(w.name + "_best", w.best);
      detail::archive_count(archive, w.name + "_in_a_row", w.in_a_row);
    }
  }

 private:
  struct watched {
    stop_rule rule;
    std::string name;  ///< in a checkpoint
    double best = -std::numeric_limits<double>::max();
    std::int64_t in_a_row = 0;
  };

  /// That of the figure, or with a number where another rule has it.
  [[nodiscard]] std::string new_name(const std::string& figure) const {
    const auto taken = [&](const std::string& name) {
      return std::any_of(watched_.begin(), watched_.end(), [&](const watched& w) { return w.name == name; });
    };
    std::string name = figure;
    for (int number = 2; taken(name); ++number) name = message(figure, "_rule_", number);
    return name;
  }

  static bool holds(const watched& w, double value) {
    switch (w.rule.when) {
      case stop_rule::kind::falls_below:
        return value < w.rule.bound;
      case stop_rule::kind::rises_above:
        return value > w.rule.bound;
      case stop_rule::kind::stops_rising:
        break;
    }
    return value <= w.best + w.rule.bound;
  }
  static std::string sentence(const watched& w, std::int64_t update, double value) {
    const std::string looks = w.rule.patience > 1 ? message(" for ", w.rule.patience, " looks in a row") : "";
    switch (w.rule.when) {
      case stop_rule::kind::falls_below:
        return message(w.rule.figure, " is ", value, ", below ", w.rule.bound, looks, ", at update ", update);
      case stop_rule::kind::rises_above:
        return message(w.rule.figure, " is ", value, ", above ", w.rule.bound, looks, ", at update ", update);
      case stop_rule::kind::stops_rising:
        break;
    }
    return message(w.rule.figure, " is ", value, " at update ", update, " and has stopped rising; its best was ",
                   w.best);
  }

  std::vector<watched> watched_;
};

}  // namespace fewstep
