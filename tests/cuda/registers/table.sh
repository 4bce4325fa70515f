#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# table.sh TABLE LOG...
# Prints, and writes to TABLE, a line for each kernel of the logs of compile.sh: architecture, registers of a thread, static shared memory,
# bytes of spill stores and loads. Fails if a kernel of a score, a step of the sampler or AdamW spills, or if one of the
# three is not there.
set -euo pipefail

table=$1
shift
cat "$@" | c++filt | awk '
  # The number before `unit`, as in "8 bytes spill stores".
  function number(unit) { return match($0, "[0-9]+ " unit) ? substr($0, RSTART, RLENGTH) + 0 : 0 }
  # Without namespaces, casts and the function that runs it.
  function short(name) {
    sub(/^void fewstep::detail::run_kernel</, "", name)
    sub(/ *>\([^()]*(\([^()]*\)[^()]*)*\)$/, "", name)
    gsub(/fewstep::|detail::/, "", name)
    gsub(/\([a-z_ ]+\)/, "", name)
    return name
  }
  BEGIN {
    must["score"] = "detail::score_(segments|long_rows)<"
    must["step"] = "detail::step_segments<"
    must["AdamW"] = "detail::elementwise_kernel<fewstep::detail::adamw_step"
    printf "%-6s %9s %7s %7s %6s  %s\n", "target", "registers", "shared", "stores", "loads", "kernel"
    fflush()
  }
  /Compiling entry function/ { split($0, part, "\047"); name = part[2]; target = part[4] }
  /bytes spill stores/ { stores = number("bytes spill stores"); loads = number("bytes spill loads") }
  /Used [0-9]+ registers/ && name ~ /fewstep/ {
    printf "%-6s %9d %7d %7d %6d  %s\n", target, number("registers"), number("bytes smem"), stores, loads, short(name) \
      | "sort -k1,1 -k6"
    for (k in must)
      if (name ~ must[k]) {
        seen[k] = 1
        if (stores + loads > 0) spilled = spilled "\n  " target " " short(name)
      }
  }
  END {
    close("sort -k1,1 -k6")
    for (k in must) if (!seen[k]) { print "there is no kernel of: " k " (" must[k] ")"; bad = 1 }
    if (spilled != "") { print "must not spill registers:" spilled; bad = 1 }
    exit bad
  }' | tee "$table"
