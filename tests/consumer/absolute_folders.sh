#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# absolute_folders.sh CXX USERS PROJECT: installs USERS/fewstep with absolute paths for headers, for data and for both,
# as some distributions do; CMake and pkg-config must find the headers where they are.
set -euo pipefail
export CXX=$1
folder=$2/absolute_folders
rm -rf "$folder"
for which in headers data both; do
  here=$folder/$which
  options=() headers=$here/prefix/include share=$here/prefix/share
  [[ $which == data ]] || { headers=$here/headers && options+=(-D "CMAKE_INSTALL_INCLUDEDIR=$headers"); }
  [[ $which == headers ]] || { share=$here/data && options+=(-D "CMAKE_INSTALL_DATADIR=$share"); }
  cmake -S "$2"/fewstep -B "$here"/library -D CMAKE_INSTALL_PREFIX="$here"/prefix "${options[@]}" \
    -D FEWSTEP_BUILD_TESTS=OFF -D FEWSTEP_BUILD_EXAMPLES=OFF -D FEWSTEP_BUILD_BENCHMARKS=OFF > /dev/null
  cmake --install "$here"/library > /dev/null
  test -f "$headers"/fewstep/fewstep.hpp
  cmake -S "$3" -B "$here"/project -D fewstep_DIR="$share"/cmake/fewstep -D CMAKE_EXPORT_COMPILE_COMMANDS=ON > /dev/null
  found=$(sed -nE 's/.*-isystem ([^ ]+) .*/\1/p' "$here"/project/compile_commands.json)
  [[ $(realpath "$found") == "$headers" ]] || { echo "$which: CMake says $found" && exit 1; }
  flags=$(PKG_CONFIG_PATH=$share/pkgconfig pkg-config --cflags fewstep)
  [[ $flags == *"-I$headers "* ]] || { echo "$which: pkg-config says $flags" && exit 1; }
done
cmake --build "$folder"/both/project
"$folder"/both/project/consumer
