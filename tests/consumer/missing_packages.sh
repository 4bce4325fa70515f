#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# missing_packages.sh SOURCE BUILD OPTIONS...: `cmake -B build` of the repository succeeds whatever package is missing and
# says what is left out for it and what brings it; where a part is asked for, it is an error.
set -euo pipefail
source=$1 build=$2 options=("${@:3}")
# What is slow to find, and has no part of its own.
options+=(-D CMAKE_DISABLE_FIND_PACKAGE_Torch=ON -D FEWSTEP_PYTHON_WITH_TORCH=OFF)
rm -rf "$build"
mkdir -p "$build"

# configure OPTIONS...: what was given before is forgotten, and nothing is to be built by default.
configure() {
  cmake -S "$source" -B "$build" -U 'FEWSTEP_BUILD_*' -U FEWSTEP_NO_OPENMP -U BUILD_TESTING \
    -U 'CMAKE_DISABLE_FIND_PACKAGE_*' "${options[@]}" "$@" 2>&1 | tr -s '[:space:]' ' ' > "$build/said"
}
fail() {
  echo "$*; cmake said:"
  cat "$build/said"
  exit 1
}
says() { grep -qF -e "$1" "$build/said" || fail "cmake does not say '$1'"; }

# without PACKAGE OPTION TEXT...: is accepted with these texts, and refused where the option is given.
without() {
  echo "without $1"
  configure -D "CMAKE_DISABLE_FIND_PACKAGE_$1=ON" || fail "without $1: refused"
  for text in "${@:3}"; do says "$text"; done
  ! configure -D "CMAKE_DISABLE_FIND_PACKAGE_$1=ON" -D "$2" || fail "without $1, $2: accepted"
  says "needs ${3##*needs }"
}

configure || fail "refused with all packages"
! grep -q "left out; it needs" "$build/said" || fail "something is left out with all packages"

without Catch2 FEWSTEP_BUILD_TESTS=ON "tests/ is left out; it needs Catch2 (Debian package catch2)"
without CLI11 FEWSTEP_BUILD_EXAMPLES=ON "examples/ is left out; it needs CLI11 (Debian package libcli11-dev)"
without benchmark FEWSTEP_BUILD_BENCHMARKS=ON \
  "benchmarks/ is left out; it needs Google Benchmark 1.7 (Debian package libbenchmark-dev)" \
  "there is no fewstep::benchmark" "examples/benchmark_own_generator.cpp is left out"
without nlohmann_json FEWSTEP_BUILD_EXAMPLES=ON \
  "examples/ is left out; it needs nlohmann_json 3.10 (Debian package nlohmann-json3-dev)" "there is no fewstep::io"
for package in JPEG PNG; do
  without $package FEWSTEP_BUILD_EXAMPLES=ON \
    "examples/ is left out; it needs libjpeg and libpng (Debian packages libjpeg-dev and libpng-dev)" \
    "there is no fewstep::image"
done
without Eigen3 FEWSTEP_BUILD_TESTS=ON \
  "tests/ is left out; it needs Eigen 3.4 or newer (Debian package libeigen3-dev)" "there is no fewstep::eigen" \
  "examples/generators/eigen.cpp is left out"
without OpenMP FEWSTEP_NO_OPENMP=OFF "one thread; more than one needs OpenMP (part of g++; Debian package libomp-19-dev"

echo "without any of them"
none=()
for package in Catch2 CLI11 benchmark nlohmann_json JPEG PNG Eigen3 OpenMP; do
  none+=(-D "CMAKE_DISABLE_FIND_PACKAGE_$package=ON")
done
configure "${none[@]}" || fail "refused without any package"
cmake --build "$build"

echo "BUILD_TESTING=OFF"
rm -r "${build:?}"/*  # CMake leaves the lists of tests that are no more
configure -D BUILD_TESTING=OFF || fail "refused with BUILD_TESTING=OFF"
[[ $(cd "$build" && ctest -N) == *"Total Tests: 0"* ]] || fail "there are tests with BUILD_TESTING=OFF"
