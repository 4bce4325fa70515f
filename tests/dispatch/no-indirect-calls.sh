#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: no-indirect-calls.sh PROGRAM [none | PLANT...]
#
# Disassembles PROGRAM and follows policy_gradient<...>::update through everything it calls inside the program: direct
# calls and jumps, and the OpenMP regions whose addresses it takes. Fails if one of these functions calls through a
# register or memory, or if a type of fewstep has a table of virtual functions. With the name of a plant the program is
# built with such a call, and the test fails unless it is found.
#
# Not followed: functions of shared libraries (libgomp, which calls the OpenMP regions, libstdc++ with its exceptions and
# streams, libm). The program is compiled without jump tables, so that every indirect jump is a call. Exempt:
#   fewstep::async   hands work to its thread through a function pointer, once for a part of a rollout
set -euo pipefail
program=$1
plant=${2:-none}

tables=$(nm -C "$program" | grep -E "(vtable|typeinfo) for fewstep" || true)
if [[ -n $tables ]]; then
  echo "types of fewstep with virtual functions or run-time type information:"
  echo "$tables"
  exit 1
fi

report=$(objdump --disassemble --no-show-raw-insn "$program" | awk '
  # 0000000000001234 <name>:
  /^[0-9a-f]+ <.*>:$/ {
    name = substr($2, 2, length($2) - 3)
    outside = name ~ /@plt/ || name ~ /^(_init|_fini|_start|deregister_tm_clones|register_tm_clones|frame_dummy|main)$/
    next
  }
  name == "" || outside { next }
  /\t(notrack )?(bnd )?(call|jmp) +\*/ {
    line = $0
    sub(/^ *[0-9a-f]+:\t/, "", line)
    indirect[name] = indirect[name] "    " line "\n"
    next
  }
  # Any other mention of a function by a jump, a call or an address.
  match($0, /<[^>+]+(\+0x[0-9a-f]+)?>/) {
    target = substr($0, RSTART + 1, RLENGTH - 2)
    sub(/\+0x[0-9a-f]+$/, "", target)
    is_code = $0 ~ /\t(call|j[a-z]+) /
    if (target != name && target !~ /@plt/ && (is_code || target ~ /_omp_fn/)) calls[name] = calls[name] " " target
  }
  { known[name] = 1 }
  END {
    for (f in known)
      if (f ~ /^_ZN7fewstep15policy_gradientI.*E6updateE/) {
        queue[++last] = f
        from[f] = "-"
        roots += f !~ /\.cold/
      }
    for (at = 1; at <= last; ++at) {
      f = queue[at]
      count = split(calls[f], targets, " ")
      for (i = 1; i <= count; ++i)
        if (!(targets[i] in from) && (targets[i] in known)) { from[targets[i]] = f; queue[++last] = targets[i] }
    }
    for (at = 1; at <= last; ++at) {
      f = queue[at]
      if (f ~ /^_ZN7fewstep5asyncI/ || !(f in indirect)) continue
      ++bad
      printf "indirect call in %s\n%s", f, indirect[f]
      for (g = from[f]; g != "-"; g = from[g]) printf "  called by %s\n", g
    }
    regions = 0
    for (f in from) regions += f ~ /_omp_fn/
    printf "SUMMARY %d %d %d %d\n", roots, last, regions, bad
  }')

read -r roots functions regions bad < <(sed -n 's/^SUMMARY //p' <<< "$report")
echo "$roots training steps, $functions functions, $regions of them OpenMP regions: $bad with indirect calls"
if ((roots == 0 || regions == 0 || functions < 20)); then
  echo "the training step was not found in $program, or what it calls was not"
  exit 1
fi
if ((bad > 0)); then grep -v '^SUMMARY' <<< "$report" | c++filt | cut -c -300; fi
if [[ $plant == none ]]; then
  exit $((bad > 0))
fi
if ((bad == 0)); then
  echo "the indirect call of $plant was not found"
  exit 1
fi
