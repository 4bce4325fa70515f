# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What ./run and the scripts behind it share, by `source`: packages, configuring, building.
set -euo pipefail
export RUN_FROM=${RUN_FROM:-$PWD}  # where ./run was called, for paths among its arguments
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."

# Debian packages by group.
declare -A packages
packages[demo]="g++ cmake ninja-build nlohmann-json3-dev libjpeg-dev libpng-dev libcli11-dev"
packages[test]="${packages[demo]} catch2 libeigen3-dev libbenchmark-dev make pkg-config"
packages[bench]="${packages[demo]} libbenchmark-dev"
packages[instructions]="${packages[bench]} valgrind"
packages[gpu]="${packages[bench]} catch2 libeigen3-dev"
packages[format]="clang-format-14"
packages[pytorch]="${packages[test]} libtorch-dev python3-torch libopenblas0-pthread"
packages[ci]="${packages[pytorch]} clang-19 libclang-rt-19-dev libomp-19-dev libc++-19-dev libc++abi-19-dev ${packages[format]}"

preset=release
build=build/$preset

say() { echo "run: $*" >&2; }
die() { say "$@" && exit 1; }
# What cannot be tried here is neither a success nor a failure.
skip() {
  say "SKIPPED: $*"
  exit 77
}

# install_packages GROUP: installs those packages of the group that are missing.
install_packages() {
  local package installed names=() missing=() as_root=() install=()
  read -ra names <<< "${packages[$1]:-}"
  ((${#names[@]})) || die "there is no package group '$1'; the groups are: ${!packages[*]}"
  if ! command -v dpkg-query > /dev/null; then
    say "this is neither Debian nor Ubuntu; I take it that you have the equivalents of: ${names[*]}"
    return
  fi

  installed=" $(dpkg-query --show --showformat='${db:Status-Status}/${Package} ' "${names[@]}" 2> /dev/null || true)"
  for package in "${names[@]}"; do
    [[ $installed == *" installed/$package "* ]] || missing+=("$package")
  done
  ((${#missing[@]})) || return 0

  if ((EUID != 0)); then
    command -v sudo > /dev/null || die "not root and no sudo; have an administrator run: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  install=("${as_root[@]}" apt-get install "${missing[@]}")
  may_install "${install[*]}" || die "packages are missing; install them, or let ./run --yes do it: ${install[*]}"
  say "installing ${missing[*]}"
  as_root+=(env DEBIAN_FRONTEND=noninteractive)
  "${as_root[@]}" apt-get update -qq || say "apt-get update failed; trying with the package lists that are here"
  "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null \
    || die "apt-get could not install: ${missing[*]}"
}

# may_install COMMAND: whoever sits at a terminal is asked, unless --yes was given or this is CI. Without a terminal root
# may, as in a container, and nobody else.
may_install() {
  local answer
  if [[ ${RUN_YES:-} || ${CI:-} ]]; then
    return 0
  elif [[ -t 0 && -t 2 ]]; then
    read -rp "run: packages are missing. Run $1? [Y/n] " answer && [[ ! $answer || $answer == [Yy]* ]]
  else
    ((EUID == 0))
  fi
}

# configure PART...: adds these parts (TESTS, EXAMPLES, BENCHMARKS) to those that the build is configured with.
# Once configured, the build notices by itself when a CMake file changes.
configure() {
  local part outdated=0 options=()
  for part in TESTS EXAMPLES BENCHMARKS; do
    if [[ " $* " == *" $part "* ]]; then
      options+=("-DFEWSTEP_BUILD_$part=ON")
      grep -qs "^FEWSTEP_BUILD_$part:.*=ON" "$build/CMakeCache.txt" || outdated=1
      # What CI only compiles is now measured.
      if [[ $part == BENCHMARKS ]]; then
        options+=("-DFEWSTEP_BENCHMARK_OPTIMIZATION=")
        grep -qs "^FEWSTEP_BENCHMARK_OPTIMIZATION:.*=." "$build/CMakeCache.txt" && outdated=1
      fi
    elif [[ ! -f $build/CMakeCache.txt ]]; then
      options+=("-DFEWSTEP_BUILD_$part=OFF")
    fi
  done
  if ((outdated)) || [[ ! -f $build/build.ninja || CMakePresets.json -nt $build/build.ninja ]]; then
    say "configuring $build"
    quietly cmake --preset "$preset" "${options[@]}"
  fi
}

# compile [TARGET]: builds a target, or all.
compile() {
  say "building ${1:-everything} in $build"
  quietly cmake --build "$build" --target "${1:-all}"
}

# quietly COMMAND...: on a terminal all that it prints; elsewhere only what it prints when it fails.
quietly() {
  if [[ -t 1 ]]; then
    "$@"
    return
  fi
  local log
  log=$(mktemp)
  "$@" > "$log" 2>&1 || { cat "$log"; rm "$log"; die "failed: $*"; }
  rm "$log"
}

# nvcc_release: prints the release of the CUDA compiler that CMake is to use; fails if there is none or it is too old.
nvcc_release() {
  local release
  release=$("${CUDACXX:-nvcc}" --version 2> /dev/null | sed -n 's/.*release \([0-9.]*\),.*/\1/p')
  ((${release%%.*} >= 13)) && echo "$release"
} 2> /dev/null

# Where CUDA's installer puts it, and PATH often has not heard of it.
command -v nvcc > /dev/null || PATH=$PATH:/usr/local/cuda/bin
