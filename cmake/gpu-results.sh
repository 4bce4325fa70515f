#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# gpu-results.sh FACTS [BENCHMARKS] [PEER]
# Prints docs/gpu-results.md: FACTS has lines NAME<tab>TEXT, BENCHMARKS is the JSON of fewstep_gpu_benchmarks and PEER
# that of benchmarks/gpu/peer.py. A file that is not there is left out.
set -euo pipefail

cat << 'END'
# Results on a GPU

`./run gpu` has written this page; it is not edited by hand. All figures were measured on the machine below.

END
awk -F '\t' 'BEGIN { print "| | |\n|---|---|" } { print "| " $1 " | " $2 " |" }' "$1"

# value(TEXT, KEY): what a JSON text has for a key the first time it occurs; strings come without their quotes.
# si(NUMBER, UNIT): three digits and a prefix.
functions='
  function value(text, key,    at, rest) {
    at = index(text, "\"" key "\": ")
    if (!at) return ""
    rest = substr(text, at + length(key) + 4)
    if (rest ~ /^"/) { match(rest, /^"([^"\\]|\\.)*"/); return substr(rest, 2, RLENGTH - 2) }
    match(rest, /^[^,}]*/)
    return substr(rest, 1, RLENGTH)
  }
  function si(x, unit,    prefixes, names, p) {
    p = split("n u m - k M G T P", names, " ")
    x *= 1e9
    for (p = 1; p < 9 && x >= 999.5; ++p) x /= 1000
    return sprintf(x >= 99.95 ? "%.0f" : x >= 9.995 ? "%.1f" : "%.2f", x) " " (names[p] == "-" ? "" : names[p]) unit
  }'

if [[ -s ${2:-} ]]; then
  cat << 'END'

## Benchmarks

Medians. A rate without a unit counts items. Shares are of ceilings measured in the same process: a copy that touches as
many bytes, or a large product by cuBLASLt in the same compute type. `copy/*`, `matrix/*` and `launch/*` are the
ceilings themselves.

| benchmark | time | rate | share |
|---|---|---|---|
END
  awk "$functions"'
    function finish(    name, time, rate, share, per) {
      name = value(text, "run_name")
      if (name == "") return
      if (value(text, "error_occurred") == "true") {
        print "| " name " | FAILED: " value(text, "error_message") " | | |"
      } else if (value(text, "aggregate_name") == "median" ||
                 (value(text, "run_type") == "iteration" && value(text, "repetitions") <= 1)) {
        per = value(text, "time_unit")
        time = value(text, "real_time") * (per == "ns" ? 1e-9 : per == "us" ? 1e-6 : per == "ms" ? 1e-3 : 1)
        if (value(text, "FLOP") != "") rate = si(value(text, "FLOP"), "FLOP/s")
        else if (value(text, "bytes") != "") rate = si(value(text, "bytes"), "B/s")
        else if (value(text, "items") != "") rate = si(value(text, "items"), "/s")
        if (value(text, "of_peak") != "") share = sprintf("%.3f of peak", value(text, "of_peak"))
        else if (value(text, "of_copy") != "") share = sprintf("%.3f of a copy", value(text, "of_copy"))
        print "| " name " | " si(time, "s") " | " rate " | " share " |"
      }
    }
    /^  "benchmarks": \[/ { inside = 1; next }
    inside && /^    \{/ { text = "" }
    inside { text = text $0 }
    inside && /^    \}/ { finish() }' "$2"
fi

if [[ -s ${3:-} ]]; then
  cat << 'END'

## Beside PyTorch

Medians of runs in turns on one GPU. A ratio is PyTorch's time over fewstep's with a 95 % interval: above 1, fewstep is
faster.

END
  awk "$functions"'
    function side(name,    at, text) {
      at = index($0, "\"" name "\": {")
      if (!at) return " | |"
      text = substr($0, at)
      return " " value(text, "way") ", " si(value(text, "seconds"), "s") " | " \
             sprintf("%.2f (%.2f to %.2f)", value(text, "ratio"), value(text, "low"), value(text, "high")) " |"
    }
    /"kind": "about"/ {
      print "PyTorch " value($0, "pytorch") " with Python " value($0, "python") ".\n"
      print "| workload | arithmetic | fewstep | PyTorch, fastest | ratio | PyTorch, eager | ratio |"
      print "|---|---|---|---|---|---|---|"
    }
    /"kind": "comparison"/ {
      print "| " value($0, "title") " | " value($0, "arithmetic") " | " si(value($0, "fewstep_seconds"), "s") " |" \
            side("fastest") side("eager")
    }
    /"kind": "end"/ {
      match($0, /"failures": .*/)
      failures = substr($0, RSTART + 12, RLENGTH - 13)
      if (failures != "[]" && failures != "{}") print "\nNot measured: " failures
    }' "$3"
fi
