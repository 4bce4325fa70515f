// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fewstep/core/error.hpp>

#include <type_traits>

/// Ranges of the programs' options. Each throws std::invalid_argument with option, value and range.

namespace text_to_emoji {

template <class Number>
void expect_at_least(const char* option, Number value, std::type_identity_t<Number> least) {
  fewstep::expects(value >= least,
                   [&] { return fewstep::message(option, " is ", value, "; it must be at least ", least); });
}

template <class Number>
void expect_between(const char* option, Number value, std::type_identity_t<Number> least,
                    std::type_identity_t<Number> most) {
  fewstep::expects(value >= least && value <= most,
                   [&] { return fewstep::message(option, " is ", value, "; it must be from ", least, " to ", most); });
}

template <class Number>
void expect_positive(const char* option, Number value) {
  fewstep::expects(value > 0, [&] { return fewstep::message(option, " is ", value, "; it must be above 0"); });
}

/// From 0 to below 1: how much of an EMA stays.
inline void expect_decay(const char* option, float value) {
  fewstep::expects(value >= 0 && value < 1,
                   [&] { return fewstep::message(option, " is ", value, "; it must be from 0 to below 1"); });
}

/// What all programs have.
inline void expect_threads(int threads) { expect_at_least("--threads", threads, 0); }

}  // namespace text_to_emoji
