#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run.sh CXX INCLUDE FOLDER: no build system, one command.
set -euo pipefail
source=$(dirname "$(readlink -f "$0")")/../train.cpp
mkdir -p "$3"
"$1" -std=c++20 -O1 -fopenmp -I "$2" "$source" -o "$3"/consumer
"$3"/consumer
