#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run.sh CXX INCLUDE FOLDER: no build system, one command; files and pictures with the libraries that README names.
set -euo pipefail
sources=$(dirname "$(readlink -f "$0")")/..
mkdir -p "$3"
cd "$3"
"$1" -std=c++20 -O0 -fopenmp -I "$2" "$sources"/train.cpp -o consumer
./consumer
"$1" -std=c++20 -O0 -fopenmp -I "$2" "$sources"/files.cpp -o files -ljpeg -lpng
./files
